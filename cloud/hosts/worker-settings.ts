// The settings of the Worker: its variables, and its secrets (`wrangler secret put`), by the names of the Node host.
import { z } from 'zod';
import { readSettings, type Setting, type SettingValues } from '../../protocol/settings.ts';
import { cloudSettings } from '../settings.ts';

const needed = (meaning: string, hint: string) => ({
  meaning,
  schema: z.string({ error: `is missing: ${hint}` }),
});

const { ownerToken, home, baseUrl, log } = cloudSettings;
const { ratePerSecond, sendsPerDay, streamsPerToken, idempotencyMib, failedSignInsPerMinute, badTokensPerMinute } =
  cloudSettings;

export const workerSettings = {
  home,
  baseUrl,
  log,
  ratePerSecond,
  sendsPerDay,
  streamsPerToken,
  idempotencyMib,
  failedSignInsPerMinute,
  badTokensPerMinute,
  ownerToken: {
    ...ownerToken,
    meaning: 'the owner’s API token, at least 32 characters; a secret',
    schema: z
      .string({ error: 'is missing: wrangler secret put HOMELINE_OWNER_TOKEN' })
      .regex(/^[\x21-\x7e]{32,512}$/, { error: 'needs 32 to 512 visible ASCII characters without spaces' }),
  },
  table: { name: 'HOMELINE_TABLE', ...needed('the DynamoDB table', 'name the table of infra/dynamodb.json') },
  region: { name: 'AWS_REGION', ...needed('the region of the table', 'such as eu-central-1') },
  accessKeyId: {
    name: 'AWS_ACCESS_KEY_ID',
    ...needed('whose key opens the table; a secret', 'wrangler secret put AWS_ACCESS_KEY_ID'),
  },
  secretAccessKey: {
    name: 'AWS_SECRET_ACCESS_KEY',
    ...needed('the key; a secret', 'wrangler secret put AWS_SECRET_ACCESS_KEY'),
  },
  endpoint: {
    name: 'AWS_ENDPOINT_URL_DYNAMODB',
    meaning: 'another engine that speaks DynamoDB',
    schema: z.url({ protocol: /^https?$/, error: 'needs an http:// or https:// address' }).optional(),
  },
} as const satisfies Record<string, Setting>;

export type WorkerSettings = SettingValues<typeof workerSettings>;

/** Reads the Worker's environment. @throws one error that names all faults, each with what to do */
export function readWorkerSettings(env: Readonly<Record<string, unknown>>): WorkerSettings {
  const texts = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  const given = { command: 'the Worker', summary: 'the cloud on Cloudflare', env: texts, argv: [] };
  const result = readSettings(workerSettings, given);
  if (result.kind === 'values') return result.values;
  throw new Error(result.text);
}
