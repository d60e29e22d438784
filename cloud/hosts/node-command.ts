// `npm run cloud`: reads settings, prints one line a step, exits with 0 (stopped), 1 (cannot run) or 2 (wrong settings).
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { readSettings, type Setting, type SettingValues } from '../../protocol/settings.ts';
import { FolderFault, FolderLock } from '../../shared/node/folder-lock.ts';
import type { Log } from '../hub/hub-deps.ts';
import { checkOwnerToken, presetOwnerToken } from '../owner-token.ts';
import { checkAwsEnvironment, cloudSettings } from '../settings.ts';
import { lineLog } from './node-log.ts';
import { createTableCommand } from './table-command.ts';

/** A stop that hangs must not keep a supervisor waiting. */
const patienceMs = 3_000;

const settings = {
  ...cloudSettings,
  yesAtAws: {
    name: 'HOMELINE_YES_AT_AWS',
    meaning: 'makes the table even at AWS',
    schema: z.literal('yes').optional(),
    isSwitch: true,
  },
} as const satisfies Record<string, Setting>;

const usage = [
  '  npm run cloud                  runs the cloud until it is stopped',
  '  npm run cloud -- create-table  makes the table of dynamodb in a local engine',
].join('\n');

export type CommandSettings = Omit<SettingValues<typeof cloudSettings>, 'log'> & { log: Log };

/** What the command runs. */
export interface Host {
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly url: string;
  readonly baseUrl: string;
  readonly madeToken: string | undefined;
  readonly isPresetRevoked: boolean;
  signInLink(): Promise<string>;
  issueAgentToken(name: string): Promise<string>;
}

export async function runCommand(make: (settings: CommandSettings) => Promise<Host>): Promise<void> {
  const result = readSettings(settings, {
    command: 'npm run cloud --',
    operands: usage,
    verbs: ['create-table'],
    summary: 'the cloud on this machine: API, dashboard, and the tunnel that agents dial',
    env: process.env,
    argv: process.argv.slice(2),
    check: (given) => [...checkOwnerToken(given), ...checkAwsEnvironment(given, process.env)],
  });
  if (result.kind === 'help') {
    console.log(result.text);
    return;
  }
  if (result.kind === 'faults') {
    console.error(result.text);
    process.exitCode = 2;
    return;
  }
  const { log, yesAtAws, ...values } = result.values;
  if (result.rest.length > 0) {
    process.exitCode = await createTableCommand(values, yesAtAws !== undefined);
    return;
  }
  // Only this user may read the files made from here on: the database with its -wal and -shm, blobs, the lock.
  process.umask(0o077);
  let lock: FolderLock | undefined;
  let host: Host;
  try {
    lock = FolderLock.take(values.dataFolder, 'cloud');
    const ownerToken = presetOwnerToken(values);
    host = await make({ ...values, ownerToken, log: lineLog(log, (line) => process.stderr.write(line)) });
    await host.start();
  } catch (error) {
    lock?.release();
    console.error(`The cloud cannot start: ${reasonOf(error, values)}`);
    process.exitCode = 1;
    return;
  }
  lock.listensAt(host.url);
  stopOn(host, lock);
  await announce(host, values);
}

async function announce(host: Host, { dataFolder, home }: { dataFolder: string; home: string }): Promise<void> {
  const signIn = await host.signInLink();
  console.log(`The cloud listens at ${host.url} and keeps its data in ${dataFolder}.`);
  if (host.madeToken !== undefined) console.log(`The owner’s API token, shown only now: ${host.madeToken}`);
  if (host.isPresetRevoked) console.log(presetRevoked);
  console.log(`Agents of home “${home}” dial ${host.baseUrl.replace(/^http/, 'ws')}/v1/tunnel`);
  // `npm start` shows the link itself when everything runs.
  if (process.send === undefined) console.log(`Sign in within 15 minutes, once: ${signIn}`);
  process.on('message', (message) => void answerStarter(host, message));
  tellStarter({ type: 'ready', url: host.url, signIn });
}

const presetRevoked =
  'The owner’s token in HOMELINE_OWNER_TOKEN was revoked and lets nobody in. ' +
  'Set another value and start again, or sign in by the link.';

/** `npm start` asks for an agent's token. */
async function answerStarter(host: Host, message: unknown): Promise<void> {
  if (typeof message !== 'object' || message === null || !('type' in message)) return;
  if (message.type !== 'issue-agent-token') return;
  const name = 'name' in message && typeof message.name === 'string' ? message.name : 'agent';
  tellStarter({ type: 'agent-token', token: await host.issueAgentToken(name) });
}

/** A parent process that exits in the middle is no error: its exit stops the cloud. */
function tellStarter(message: object): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

function stopOn(host: Host, lock: FolderLock): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    const inTime = await Promise.race([host.stop().then(() => true), wait(patienceMs, false, { ref: false })]);
    lock.release();
    process.exit(inTime ? 0 : 1);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  process.on('disconnect', stop);
}

function reasonOf(
  error: unknown,
  { host, port, dataFolder }: { host: string; port: number; dataFolder: string },
): string {
  if (error instanceof FolderFault) return `${error.message}.`;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} of ${host} is taken. Stop what listens there, or choose another with HOMELINE_PORT.`;
    case 'EACCES':
      return port < 1024
        ? `port ${port} needs rights that this user lacks. Choose one from 1024 on with HOMELINE_PORT.`
        : `this user may not write to ${dataFolder}. Choose another folder with HOMELINE_DATA.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine. Set HOMELINE_HOST to one, or to 0.0.0.0 for all.`;
    case 'EROFS':
      return `${dataFolder} cannot be written to. Choose another folder with HOMELINE_DATA.`;
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
