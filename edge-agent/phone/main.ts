// npm run phone: a software telephone on the LAN with the demonstration line.
import { join } from 'node:path';
import { flagOf, readSettings, type SettingValues } from '../../protocol/settings.ts';
import { FolderFault, FolderLock } from '../../shared/node/folder-lock.ts';
import { isDiskFull } from '../../shared/node/sqlite-result.ts';
import { controlFileName } from './control-page.ts';
import { DemonstrationLine } from './lines/demonstration.ts';
import { SoftwarePhone, telephonyClient, telephonyServer } from './phone.ts';
import { say } from './say.ts';
import { phoneSettings } from './settings.ts';

const usage = [
  '  npm run phone                          runs the phone until it is stopped',
  '  npm run phone -- say <address> <text>  makes the running phone receive a message from that address',
].join('\n');

async function main(): Promise<number | undefined> {
  const result = readSettings(phoneSettings, {
    command: 'npm run phone --',
    summary: 'a software telephone that hosts UPnP Messaging:2.',
    env: process.env,
    argv: process.argv.slice(2),
    operands: usage,
  });
  if (result.kind === 'help') {
    process.stdout.write(`${result.text}\n`);
    return 0;
  }
  if (result.kind === 'faults') return fail(2, result.text);
  const { values, rest } = result;
  const dataFolder = join(values.dataFolder, 'phone');
  const [verb, from, ...words] = rest;
  if (verb === undefined) return run(values, dataFolder);
  if (verb !== 'say' || from === undefined || words.length === 0) {
    return fail(2, `npm run phone: “${rest.join(' ')}” is not a command.\n${usage}`);
  }
  try {
    process.stdout.write(`The phone received it as ${await say(dataFolder, from, words.join(' '))}.\n`);
    return 0;
  } catch (error) {
    return fail(1, messageOf(error));
  }
}

/** Runs until stopped; undefined keeps the process running. */
async function run(values: SettingValues<typeof phoneSettings>, dataFolder: string): Promise<number | undefined> {
  const report = (line: string) => void process.stdout.write(`${line}\n`);
  const phone = new SoftwarePhone({
    interfaces: values.interfaces,
    port: values.port,
    pagePort: values.pagePort,
    ssdpPort: values.ssdpPort,
    dataFolder,
    name: values.phoneName,
    number: values.number,
    deviceType: values.kind === 'client' ? telephonyClient : telephonyServer,
    allowed: values.allowed,
    line: new DemonstrationLine(),
    report,
  });
  // Files created from here on belong to this user only: the database with its -wal and -shm, and the lock.
  process.umask(0o077);
  let lock: FolderLock | undefined;
  try {
    lock = FolderLock.take(dataFolder, 'phone');
    await phone.start();
  } catch (error) {
    lock?.release();
    if (error instanceof FolderFault) return fail(1, `The phone cannot start: ${error.message}.`);
    return fail(1, `The phone cannot start: ${causeOf(error)} ${remedyOf(error, values)}`.trim());
  }
  const held = lock;
  held.listensAt(phone.location);
  report(`“${values.phoneName}” is on, at ${phone.locations.join(', ')}`);
  report(`its page is ${phone.pageUrl}; sign in with the token in ${join(dataFolder, controlFileName)}`);
  // Print the token on a terminal, but never into a log.
  if (process.stdout.isTTY) report(`the token is ${phone.pageToken}`);

  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    report('Stopping.');
    phone.stop().then(
      () => {
        held.release();
        process.exit(0);
      },
      (error: unknown) => process.exit(fail(1, messageOf(error))),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
  const { udn, location, pageUrl: page, pageToken } = phone;
  process.send?.({ type: 'ready', udn, location, page, pageToken });
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The cause as a sentence of its own; the remedy follows it. */
function causeOf(error: unknown): string {
  const { code, address, port } = error as { code?: string; address?: string; port?: number };
  if (code === 'EADDRINUSE') return `port ${port} of ${address} is taken.`;
  return messageOf(error).replace(/[^.]$/, '$&.');
}

/** What to do about a failed start. */
function remedyOf(error: unknown, settings: SettingValues<typeof phoneSettings>): string {
  const { code, errcode, port } = error as { code?: string; errcode?: number; port?: number };
  if (code === 'EADDRINUSE') {
    const setting = port === settings.pagePort ? phoneSettings.pagePort : phoneSettings.port;
    const known = [settings.port, settings.pagePort].includes(port ?? 0);
    const flag = known ? flagOf(setting.name) : flagOf(phoneSettings.ssdpPort.name);
    return `Stop the program that uses it, or choose another port with ${flag}.`;
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOTDIR' || code === 'EEXIST') {
    return 'Choose a writable folder with --data, or a port above 1023.';
  }
  // SQLite: 8 read-only, 14 cannot open, 5 busy (sqlite.org/rescode.html).
  if (errcode === 8 || errcode === 14) return 'Its data folder is not writable. Choose another with --data.';
  if (errcode === 5) return 'Another phone uses this data folder. Stop it, or choose another folder with --data.';
  if (isDiskFull(error)) return 'Free some space on the disk.';
  if (messageOf(error).startsWith('There is no address')) {
    return settings.interfaces.includes('lo')
      ? 'Bring lo up, or name another interface with --interface.'
      : 'Name an interface that is up with --interface; lo reaches only this machine.';
  }
  return '';
}

function fail(status: number, text: string): number {
  process.stderr.write(`${text}\n`);
  return status;
}

const status = await main();
if (status !== undefined) process.exitCode = status;
