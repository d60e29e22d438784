// `npm start`: cloud, software phone and edge agent on this machine, each in its own process.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { checkOwnerToken } from '../cloud/owner-token.ts';
import { checkAwsEnvironment, cloudSettings } from '../cloud/settings.ts';
import { phoneSettings } from '../edge-agent/phone/settings.ts';
import { agentSettings } from '../edge-agent/settings.ts';
import { readSettings } from '../protocol/settings.ts';
import { BackOff } from '../shared/back-off.ts';
import { Part, PartFailure } from './part.ts';

const root = resolve(import.meta.dirname, '..');
/** The settings of all parts, so that every fault is reported before the first part starts. */
const settings = {
  ...cloudSettings,
  interfaces: {
    name: 'HOMELINE_INTERFACE',
    meaning: 'Where agent and software phone meet, and where the agent looks for other phones; by comma.',
    schema: z.string().default('lo'),
    default: 'lo',
  },
  phonePort: phoneSettings.port,
  phonePagePort: phoneSettings.pagePort,
  phoneName: phoneSettings.phoneName,
  phoneNumber: phoneSettings.number,
  phoneKind: phoneSettings.kind,
  phoneAllow: phoneSettings.allowed,
  pinnedPhone: agentSettings.phone,
  ssdpPort: phoneSettings.ssdpPort,
} as const;

/** The time limit for stopping all parts. */
const stopWithinMs = 2_800;

const read = readSettings(settings, {
  command: 'npm start --',
  summary: 'the whole of Homeline on this machine: cloud, software phone, edge agent, dashboard',
  env: process.env,
  argv: process.argv.slice(2),
  check: (given) => [...checkOwnerToken(given), ...checkAwsEnvironment(given, process.env)],
});
if (read.kind === 'help') {
  console.log(read.text);
  process.exit(0);
}
if (read.kind === 'faults') {
  console.error(read.text);
  process.exit(2);
}
const { values } = read;
const dataFolder = resolve(values.dataFolder);
const env: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(settings).map(([key, { name }]) => [name, String(values[key as keyof typeof values] ?? '')]),
  ),
  HOMELINE_DATA: dataFolder,
};
const running: Part[] = [];
let stopping = false;

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));
process.on('SIGHUP', () => void stop(0));

try {
  requireWritable(dataFolder);
  buildDashboard();

  const cloud = part('cloud', 'cloud/hosts/node.ts');
  const cloudReady = await begin(cloud);
  const { token } = await cloud.ask({ type: 'issue-agent-token', name: 'this machine' }, 'agent-token');

  const phone = part('phone', 'edge-agent/phone/main.ts');
  const phoneReady = await begin(phone);

  const agent = part('agent', 'edge-agent/main.ts', {
    HOMELINE_CLOUD: String(cloudReady.url).replace(/^http/, 'ws'),
    HOMELINE_AGENT_TOKEN: String(token),
    HOMELINE_AGENT_TOKEN_FILE: '',
    HOMELINE_TRUST: String(phoneReady.udn),
  });
  await begin(agent);

  print('', '');
  print('', `Dashboard:      ${cloudReady.signIn}`);
  print('', `Software phone: ${phoneReady.page} (any name, and as the password ${phoneReady.pageToken})`);
  const where = values.dataFolder === settings.dataFolder.default ? '' : `--data ${values.dataFolder} `;
  print('', `Let somebody write to you:  npm run phone -- ${where}say +390110001 "Dinner at 8?"`);
  print('', `Ctrl-C stops everything; the data stays in ${values.dataFolder}.`);
} catch (error) {
  if (!stopping) {
    console.error(error instanceof Error ? error.message : String(error));
    await stop(error instanceof PartFailure ? error.exitCode : 1);
  }
}

function part(name: string, program: string, more: Readonly<Record<string, string>> = {}): Part {
  const made: Part = new Part({
    name,
    program: join(root, program),
    env: { ...env, ...more },
    print,
    onDeath: (reason) => void revive(name, made, reason),
  });
  return made;
}

function begin(starting: Part) {
  // Stop in reverse order: the agent unsubscribes while the phone still answers.
  running.unshift(starting);
  return starting.start();
}

async function revive(name: string, dead: Part, reason: string): Promise<void> {
  const backOff = new BackOff({ firstMs: 1_000, capMs: 30_000 });
  while (!stopping) {
    const waitMs = backOff.nextMs();
    print(name, `ended (${reason}); starting it again in ${waitMs / 1_000} s`);
    await sleep(waitMs);
    if (stopping) return;
    try {
      await dead.start();
      return;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
}

async function stop(exitCode: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  if (running.length > 0) print('', 'Stopping…');
  const until = Date.now() + stopWithinMs;
  for (const [index, each] of running.entries()) {
    await each.stop(Math.max(200, (until - Date.now()) / (running.length - index)));
  }
  process.exit(exitCode);
}

function requireWritable(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const isFile = why === 'EEXIST' || why === 'ENOTDIR';
    const mend = isFile ? 'A file is in its place: name another' : 'Give it to this user, or name another';
    throw new Error(`The data folder ${folder} cannot be written (${why}). ${mend} with --data.`);
  }
}

function buildDashboard(): void {
  if (existsSync(join(root, 'cloud/dashboard/dist/index.html'))) return;
  print('', 'Building the dashboard, once…');
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  const built = spawnSync(process.execPath, [vite, 'build', 'cloud/dashboard', '--logLevel', 'warn'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`The dashboard could not be built:\n${built.stderr || built.stdout}`);
}

function print(name: string, line: string, isFault = false): void {
  const stream = isFault ? process.stderr : process.stdout;
  stream.write(name === '' ? `${line}\n` : `${name.padEnd(6)} ${line}\n`);
}
