// The settings of `npm run cloud`.
import { z } from 'zod';
import {
  countSetting,
  listSetting,
  pathSetting,
  portSetting,
  type Setting,
  type SettingFault,
  strayCharacter,
} from '../protocol/settings.ts';
import { quotasUnlessTold } from './routes/quota-settings.ts';

const text = (standard: string) => z.string().default(standard);
const quota = (standard: number) => ({
  schema: countSetting(standard, { least: 0, most: 1_000_000 }),
  default: String(standard),
});
const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

export const cloudSettings = {
  host: {
    name: 'HOMELINE_HOST',
    meaning: 'the address to listen on; 0.0.0.0 for every network of this machine',
    schema: z
      .string()
      .regex(/^[^\s/@?#[\]]+$/, { error: 'needs an IP address or a host name alone, such as 0.0.0.0' })
      .default('127.0.0.1'),
    default: '127.0.0.1',
  },
  port: { name: 'HOMELINE_PORT', meaning: 'the port to listen on', schema: portSetting(8787), default: '8787' },
  dataFolder: {
    name: 'HOMELINE_DATA',
    meaning: 'the folder for everything that lasts',
    schema: pathSetting.default('.homeline'),
    default: '.homeline',
  },
  store: {
    name: 'HOMELINE_STORE',
    meaning: 'where messages are kept: sqlite, in the data folder, or dynamodb',
    schema: z.enum(['sqlite', 'dynamodb'], { error: 'is sqlite or dynamodb' }).default('sqlite'),
    default: 'sqlite',
  },
  table: {
    name: 'HOMELINE_TABLE',
    meaning:
      'the table of dynamodb; npm run cloud -- create-table makes it in a local engine, infra/dynamodb.json at AWS',
    schema: text('homeline'),
    default: 'homeline',
  },
  region: {
    name: 'AWS_REGION',
    meaning: 'the region of the table; credentials come from AWS_ACCESS_KEY_ID or as the AWS tools are configured',
    schema: z.string().optional(),
  },
  endpoint: {
    name: 'AWS_ENDPOINT_URL_DYNAMODB',
    meaning: 'another engine that speaks DynamoDB',
    schema: z.url({ protocol: /^https?$/, error: 'needs an http:// or https:// address' }).optional(),
  },
  ownerToken: {
    name: 'HOMELINE_OWNER_TOKEN',
    meaning: 'presets the owner’s API token, at least 32 characters; without it one is made and shown at first start',
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{32,512}$/, { error: 'needs 32 to 512 visible ASCII characters without spaces' })
      .optional(),
  },
  ownerTokenFile: {
    name: 'HOMELINE_OWNER_TOKEN_FILE',
    meaning: 'a file that holds the owner’s API token and that only this user can read (chmod 600)',
    schema: pathSetting.optional(),
  },
  home: {
    name: 'HOMELINE_HOME',
    meaning: 'the first home’s id',
    schema: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'needs 1 to 64 letters, digits, “-” and “_”' })
      .default('home'),
    default: 'home',
  },
  baseUrl: {
    name: 'HOMELINE_BASE_URL',
    meaning: 'the address under which people reach this cloud, for links and as its name: https://home.example.org',
    schema: z
      .url({ protocol: /^https?$/, error: 'needs an http:// or https:// address' })
      .transform((text, context) => {
        const url = new URL(text);
        const more = [url.username || url.password, url.pathname === '/' ? '' : url.pathname, url.search, url.hash];
        if (more.every((part) => part === '')) return url.origin;
        // The dashboard's cookie belongs to the whole host (`__Host-`), so another program on the same host could act as
        // the user. That is why a path prefix is not supported.
        context.addIssue(
          `needs a host name alone: “${text.slice(0, 200)}” has more than that. The cloud cannot be served below a path: ` +
            `give it a name of its own, such as https://homeline.${url.hostname}`,
        );
        return z.NEVER;
      })
      .optional(),
  },
  ratePerSecond: {
    name: 'HOMELINE_RATE_PER_SECOND',
    meaning:
      'requests a second of one token, ten times as many at once; a session of the dashboard has ten times both. 0: no limit',
    ...quota(quotasUnlessTold.ratePerSecond),
  },
  sendsPerDay: {
    name: 'HOMELINE_SENDS_PER_DAY',
    meaning: 'messages that one token sends within 24 hours; 0: no limit',
    ...quota(quotasUnlessTold.sendsPerDay),
  },
  streamsPerToken: {
    name: 'HOMELINE_STREAMS_PER_TOKEN',
    meaning: 'event streams that one token keeps open; 0: no limit',
    ...quota(quotasUnlessTold.streamsPerToken),
  },
  idempotencyMib: {
    name: 'HOMELINE_IDEMPOTENCY_MIB',
    meaning: 'MiB of answers kept for the Idempotency-Keys of one token, over 24 hours; 0: no limit',
    ...quota(quotasUnlessTold.idempotencyMib),
  },
  failedSignInsPerMinute: {
    name: 'HOMELINE_FAILED_SIGN_INS_PER_MINUTE',
    meaning: 'sign-ins from one address that may fail before it is told to wait; 0: no limit',
    ...quota(quotasUnlessTold.failedSignInsPerMinute),
  },
  badTokensPerMinute: {
    name: 'HOMELINE_BAD_TOKENS_PER_MINUTE',
    meaning: 'requests from one address with a token that is not in use, before it is told to wait; 0: no limit',
    ...quota(quotasUnlessTold.badTokensPerMinute),
  },
  connections: {
    name: 'HOMELINE_CONNECTIONS',
    meaning: 'connections that may be open; when there are more, those without a token are closed first',
    schema: countSetting(10_000, { least: 16, most: 1_000_000 }),
    default: '10000',
  },
  trustedProxies: {
    name: 'HOMELINE_TRUSTED_PROXIES',
    meaning:
      'addresses and networks (CIDR, by comma) of proxies in front, whose X-Forwarded-For says who asks: 127.0.0.1,::1',
    schema: listSetting.superRefine((entries, context) => {
      const stray = entries.find((entry) => !network.safeParse(entry).success);
      if (stray !== undefined) context.addIssue(`“${stray.slice(0, 60)}” is neither an address nor a network (CIDR)`);
    }),
  },
  log: {
    name: 'HOMELINE_LOG',
    meaning: 'what is logged on stderr: info (with every request), warn, error or silent',
    schema: z.enum(['info', 'warn', 'error', 'silent'], { error: 'is info, warn, error or silent' }).default('warn'),
    default: 'warn',
  },
} as const satisfies Record<string, Setting>;

/** Variables that the AWS SDK reads: with a trailing CR in a key, each request fails as if the key were wrong. */
const awsVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_ENDPOINT_URL',
  'AWS_PROFILE',
];

/** The faults of these variables if the DynamoDB store uses them. */
export function checkAwsEnvironment(
  { store }: { store?: string },
  env: Readonly<Record<string, string | undefined>>,
): SettingFault[] {
  if (store !== 'dynamodb') return [];
  return awsVariables.flatMap((key) => {
    const fault = strayCharacter(env[key] ?? '');
    return fault === undefined ? [] : [{ key, fault }];
  });
}
