// The Containerfiles without an engine: their COPY, RUN and ENTRYPOINT lines are carried out in folders.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cloudSettings } from '../../cloud/settings.ts';
import { agentSettings } from '../../edge-agent/settings.ts';
import { Household } from '../end-to-end/household.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'homeline-image-'));
/** Only root can become another user; otherwise the files belong to the current user. */
const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

interface Step {
  word: string;
  rest: string;
}

function stepsOf(file: string): Step[][] {
  const stages: Step[][] = [];
  for (const line of readFileSync(join(root, 'infra', file), 'utf8').split('\n')) {
    const [, word, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (word === undefined || rest === undefined) continue;
    if (word === 'FROM') stages.push([]);
    stages.at(-1)?.push({ word, rest });
  }
  return stages;
}

/** The top-level names that the ignore file lets into the build, except for its `**` lines. */
function contextOf(file: string): string[] {
  const lines = readFileSync(join(root, 'infra', `${file}.dockerignore`), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
}

/** Carries out both stages; returns the folder of the image. */
function build(file: string): string {
  const image = join(folder, file);
  const [making = [], finished = []] = stepsOf(file);
  const context = contextOf(file);
  const workshop = join(image, 'build');
  mkdirSync(workshop, { recursive: true });
  for (const { word, rest } of making) {
    if (word === 'COPY') copy(rest, root, workshop, context);
    else if (rest === 'npm ci') symlinkSync(join(root, 'node_modules'), join(workshop, 'node_modules'));
    else if (word === 'RUN') {
      // Development packages are excluded below, so that the checkout keeps them.
      execFileSync('sh', ['-c', rest.replace(/ && npm prune --omit=dev$/, '')], { cwd: workshop, stdio: 'pipe' });
    }
  }
  const home = join(image, 'homeline');
  mkdirSync(home);
  for (const { word, rest } of finished) {
    if (word !== 'COPY') continue;
    const inner = rest.replace('--from=build /homeline/', '');
    if (inner === 'node_modules node_modules') linkProductionPackages(join(home, 'node_modules'));
    else copy(inner, inner === rest ? root : workshop, home, inner === rest ? context : undefined);
  }
  mkdirSync(join(image, 'data'));
  if (stranger.uid !== undefined) chownSync(join(image, 'data'), stranger.uid, stranger.gid);
  return image;
}

function copy(rest: string, from: string, to: string, context: readonly string[] | undefined): void {
  const names = rest.split(' ');
  const target = names.pop() ?? '';
  for (const name of names) {
    expect(context ?? [name], `${name} is let into the build`).toContain(name);
    const skips = (path: string) => context !== undefined && /^(dist|node_modules)$/.test(basename(path));
    cpSync(join(from, name), join(to, target === './' ? name : target), {
      recursive: true,
      filter: (path) => !skips(path),
    });
  }
}

function linkProductionPackages(into: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const [path, { dev }] of Object.entries<{ dev?: true }>(packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name === undefined || dev === true || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(into, name)), { recursive: true });
    symlinkSync(join(root, path), join(into, name));
  }
}

function environmentOf(file: string, image: string): Record<string, string> {
  const text = stepsOf(file)
    .flat()
    .find(({ word }) => word === 'ENV');
  const pairs = (text?.rest ?? '').split(' ').map((pair) => pair.split('=') as [string, string]);
  return Object.fromEntries(pairs.map(([name, value]) => [name, value.replace('/data', join(image, 'data'))]));
}

/** The image's command, run by a user who may write to `/data` only. */
function run(file: string, image: string, env: Record<string, string>) {
  const entry = stepsOf(file)
    .flat()
    .find(({ word }) => word === 'ENTRYPOINT');
  const [command, ...args]: string[] = JSON.parse(entry?.rest ?? '[]');
  expect(command).toBe('node');
  return spawn(process.execPath, args, {
    cwd: join(image, 'homeline'),
    env: { ...environmentOf(file, image), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...stranger,
  });
}

/** Whether the HEALTHCHECK command exits with 0. */
async function isHealthy(file: string, image: string, env: Record<string, string>): Promise<boolean> {
  const check = stepsOf(file)
    .flat()
    .find(({ word }) => word === 'HEALTHCHECK');
  const text = /CMD (\[.*\])$/.exec(check?.rest ?? '')?.[1] ?? '[]';
  const [command = '', ...args]: string[] = JSON.parse(text.replaceAll('/data', join(image, 'data')));
  const program = command === 'node' ? process.execPath : command;
  const child = spawn(program, args, { env: { ...process.env, ...environmentOf(file, image), ...env } });
  return (await once(child, 'close'))[0] === 0;
}

describe.each([
  ['Containerfile', cloudSettings],
  ['Containerfile.agent', agentSettings],
])('infra/%s', (file, settings) => {
  const finished = stepsOf(file)[1] ?? [];
  const wordsOf = (word: string) => finished.filter((step) => step.word === word).map((step) => step.rest);

  it('runs as nobody in particular, with one place to write', () => {
    expect(wordsOf('USER')).toEqual(['node']);
    expect(wordsOf('VOLUME')).toEqual(['/data']);
    expect(wordsOf('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('sets only what its program knows', () => {
    const known = ['NODE_ENV', ...Object.values(settings).map(({ name }) => name)];
    expect(Object.keys(environmentOf(file, '')).filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('what the Containerfiles make', () => {
  it('is a cloud that starts without development’s packages, is healthy, serves its dashboard and stops on SIGTERM', async () => {
    const image = build('Containerfile');
    expect(readdirSync(join(image, 'homeline')).sort()).toEqual(
      ['LICENSE', 'cloud', 'node_modules', 'package.json', 'protocol', 'shared'].sort(),
    );
    const env = { HOMELINE_PORT: '0', HOMELINE_HOST: '127.0.0.1' };
    const cloud = run('Containerfile', image, env);
    let said = '';
    cloud.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await expect.poll(() => said, { timeout: 10_000 }).toContain('Sign in within');
    const port = /listens at http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? '';
    const page = await fetch(`http://127.0.0.1:${port}/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<script')]);
    expect(await isHealthy('Containerfile', image, { HOMELINE_PORT: port })).toBe(true);
    cloud.kill('SIGTERM');
    expect(await once(cloud, 'exit')).toEqual([0, null]);
    expect(await isHealthy('Containerfile', image, { HOMELINE_PORT: port })).toBe(false);
    expect(readdirSync(join(image, 'data'))).not.toEqual([]);
  }, 60_000);

  it('is an agent that is healthy while the cloud is connected', async () => {
    const image = build('Containerfile.agent');
    const household = await Household.open();
    const phone = await household.addPhone('Kitchen');
    const { body } = await household.api('POST', '/homes/home/agents', { name: 'contained' });
    const agent = run('Containerfile.agent', image, {
      HOMELINE_CLOUD: household.url.replace(/^http/, 'ws'),
      HOMELINE_AGENT_TOKEN: body.token,
      HOMELINE_INTERFACE: 'lo',
      HOMELINE_TRUST: phone.phone.udn,
      HOMELINE_SSDP_PORT: String(household.ssdpPort),
    });
    const isAgentHealthy = () => isHealthy('Containerfile.agent', image, {});
    const ended = once(agent, 'exit');
    try {
      await household.phoneOnline('Kitchen');
      expect(await isAgentHealthy()).toBe(true);
      await household.stopCloud();
      await expect.poll(isAgentHealthy, { timeout: 10_000 }).toBe(false);
      await household.startCloud();
      await expect.poll(isAgentHealthy, { timeout: 20_000 }).toBe(true);
    } finally {
      agent.kill('SIGTERM');
      await household.close();
    }
    expect(await ended).toEqual([0, null]);
    expect(await isAgentHealthy()).toBe(false);
  }, 60_000);
});
