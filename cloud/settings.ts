// The settings of `npm run cloud`.
import { z } from 'zod';
import { portSetting, type Setting } from '../protocol/settings.ts';

const text = (standard: string) => z.string().default(standard);

export const cloudSettings = {
  host: {
    name: 'HOMELINE_HOST',
    meaning: 'the address to listen on; 0.0.0.0 for every network of this machine',
    schema: text('127.0.0.1'),
    default: '127.0.0.1',
  },
  port: { name: 'HOMELINE_PORT', meaning: 'the port to listen on', schema: portSetting(8787), default: '8787' },
  dataFolder: {
    name: 'HOMELINE_DATA',
    meaning: 'the folder for everything that lasts',
    schema: text('.homeline'),
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
    meaning: 'the table of dynamodb, made from infra/dynamodb.json',
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
      .transform((url) => new URL(url).origin)
      .optional(),
  },
  log: {
    name: 'HOMELINE_LOG',
    meaning: 'what is logged on stderr: info (with every request), warn, error or silent',
    schema: z.enum(['info', 'warn', 'error', 'silent'], { error: 'is info, warn, error or silent' }).default('warn'),
    default: 'warn',
  },
} as const satisfies Record<string, Setting>;
