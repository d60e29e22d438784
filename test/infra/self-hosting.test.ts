// infra/self-hosting.md and the systemd units: files and settings that they name exist, and the backup works.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeHost } from '../../cloud/hosts/node.ts';
import { cloudSettings } from '../../cloud/settings.ts';
import { agentSettings } from '../../edge-agent/settings.ts';
import { Household } from '../end-to-end/household.ts';

const root = resolve(import.meta.dirname, '../..');
const infra = (name: string) => readFileSync(join(root, 'infra', name), 'utf8');
const page = infra('self-hosting.md');
const blocks = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = '', text = '']) => ({
  language,
  text,
}));
const units = ['homeline-cloud.service', 'homeline-agent.service'];
const namesOf = (settings: Record<string, { name: string }>) => Object.values(settings).map(({ name }) => name);
const known = [...namesOf(cloudSettings), ...namesOf(agentSettings)];
const settingsIn = (text: string) => [...text.matchAll(/\b(?:HOMELINE|AWS)_[A-Z_]+\b/g)].map(([name]) => name);

describe('self-hosting', () => {
  it.each([
    'self-hosting.md',
    'compose.yaml',
    'Containerfile',
    'Containerfile.agent',
    ...units.map((unit) => `systemd/${unit}`),
  ])('%s names only settings that there are', (name) => {
    expect(settingsIn(infra(name)).filter((setting) => !known.includes(setting))).toEqual([]);
  });

  it('gives each program in compose.yaml only its own settings', () => {
    const [, cloud = '', agent = ''] = infra('compose.yaml').split(/^ {2}(?:cloud|agent):$/m);
    const namesIn = (text: string) => [...text.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, name]) => name);
    expect(namesOf(cloudSettings)).toEqual(expect.arrayContaining(namesIn(cloud)));
    expect(namesOf(agentSettings)).toEqual(expect.arrayContaining(namesIn(agent)));
    expect(namesIn(agent)).toContain('HOMELINE_AGENT_TOKEN_FILE');
    expect([cloud, agent].map((text) => text.includes('network_mode: host'))).toEqual([false, true]);
  });

  it('copies only what is there or is built, and asks only for addresses that there are', async () => {
    const shell = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
    const paths = shell.join('\n').match(/\binfra\/[\w./-]+/g) ?? [];
    expect(paths.length).toBeGreaterThan(3);
    for (const path of paths) expect(existsSync(join(root, path)), path).toBe(true);
    const host = cloudAt(mkdtempSync(join(tmpdir(), 'homeline-page-')));
    await host.start();
    const { paths: routes } = await (await fetch(`${host.url}/openapi.json`)).json();
    await host.stop();
    for (const route of ['/v1/tunnel', '/healthz', '/readyz', '/metrics']) {
      expect(page).toContain(route);
      expect(routes).toHaveProperty([route]);
    }
  });

  it('gives proxies more patience than two heartbeats and two comments take', () => {
    const seconds = [...page.matchAll(/proxy_\w+_timeout (\d+)s;/g)].map(([, value]) => Number(value));
    expect(seconds.length).toBe(2);
    for (const each of seconds) expect(each).toBeGreaterThan(60);
  });
});

describe.each(units)('%s', (unit) => {
  const text = infra(`systemd/${unit}`);
  const missing = spawnSync('systemd-analyze', ['--version']).status === 0 ? undefined : 'systemd-analyze';
  if (missing !== undefined) process.stderr.write(`skipped: no ${missing} here to judge ${unit}\n`);

  it('keeps the program from all but its own folder, and the token from all but root', () => {
    const name = unit.replace('.service', '');
    for (const line of [
      ...['DynamicUser=yes', 'ProtectSystem=strict', 'NoNewPrivileges=yes', 'CapabilityBoundingSet='],
      ...[`StateDirectory=${name}`, 'Restart=always', 'KillSignal=SIGTERM'],
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain(`HOMELINE_DATA=/var/lib/${name}`);
    expect(text).toMatch(/^LoadCredential=(owner|agent)-token:\/etc\/homeline\/\1-token$/m);
    expect(text).not.toMatch(/TOKEN=/);
    expect(text).toMatch(/^EnvironmentFile=-?\/etc\/homeline\/(cloud|agent)\.env$/m);
    expect(text).toMatch(/^RestrictAddressFamilies=.*AF_NETLINK/m);
  });

  it.skipIf(missing !== undefined)('is understood by systemd, which finds little exposed', () => {
    const path = join(root, 'infra/systemd', unit);
    expect(spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' }).stderr).toBe('');
    const verdict = spawnSync('systemd-analyze', ['security', '--offline=yes', '--threshold=20', path], {
      encoding: 'utf8',
    });
    expect(verdict.status, verdict.stdout + verdict.stderr).toBe(0);
  });
});

describe('the system calls', () => {
  const missing = ['strace', 'systemd-analyze'].filter(
    (command) => spawnSync(command, ['--version']).error !== undefined,
  );
  if (missing.length > 0) process.stderr.write(`skipped: no ${missing.join(', ')} here to watch system calls\n`);

  it.skipIf(missing.length > 0)(
    'of starting and stopping are those that the units allow',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'homeline-calls-'));
      // Like the units: root would need more capabilities (SQLite gives the database's owner to its journal).
      const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
      if (stranger.uid !== undefined) chownSync(folder, stranger.uid, stranger.gid);
      const programs = {
        'cloud/hosts/node.ts': { HOMELINE_PORT: '0' },
        'edge-agent/main.ts': {
          HOMELINE_CLOUD: 'ws://127.0.0.1:1',
          HOMELINE_AGENT_TOKEN: 'x',
          HOMELINE_INTERFACE: 'lo',
        },
      };
      const watched = Object.entries(programs).map(async ([program, env], index) => {
        const log = join(folder, `calls-${index}`);
        const command = ['strace', '-f', '-qq', '-o', log, process.execPath, join(root, program)];
        const data = { HOMELINE_DATA: join(folder, `data-${index}`), HOMELINE_SSDP_PORT: '21977' };
        const child = spawn('timeout', ['--signal=TERM', '6', ...command], {
          ...stranger,
          env: { PATH: process.env.PATH, ...data, ...env },
          stdio: 'ignore',
        });
        await once(child, 'exit');
        return [...readFileSync(log, 'utf8').matchAll(/^\d+ +(\w+)\(/gm)].map(([, name = '']) => name);
      });
      const called = new Set((await Promise.all(watched)).flat());
      rmSync(folder, { recursive: true });
      const allowed = callsIn('@system-service');
      const denied = new Set([...callsIn('@privileged'), ...callsIn('@resources')]);
      expect(called).toContain('listen');
      const refused = [...called].filter((name) => !allowed.has(name) || denied.has(name));
      // Node tries these system calls and continues if they are refused.
      expect(refused.filter((name) => !/^(pkey_\w+|io_uring_\w+|rseq|set_mempolicy)$/.test(name))).toEqual([]);
    },
    30_000,
  );
});

describe('a backup', () => {
  it('that is older than the house brings agents to tell what it does not know', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'homeline-backup-'));
    const household = await Household.open();
    try {
      const phone = await household.addPhone('Kitchen');
      await household.startAgent();
      await household.phoneOnline('Kitchen');
      const bodies = async () => {
        const { items } = await household.home('GET', '/messages?folder=Received');
        return items.map((message: { body: string }) => message.body).sort();
      };
      await phone.line.receive('+390110001', 'before');
      await household.until('the first is there', async () => (await bodies()).includes('before'));
      const backup = join(folder, 'homeline.db');
      run(/^cd .* npm run backup/, household.cloudFolder, backup);
      await phone.line.receive('+390110001', 'after');
      await household.until('the second is there', async () => (await bodies()).includes('after'));
      await household.stopCloud();
      run(/^rm -f/, household.cloudFolder, backup);
      await household.startCloud();
      expect(await bodies()).toEqual(['before']);
      await household.until('the agent has told the second', async () => (await bodies()).includes('after'));
      expect(await bodies()).toEqual(['after', 'before']);
    } finally {
      await household.close();
      rmSync(folder, { recursive: true });
    }
  }, 40_000);
});

/** Runs a code block of the page with other folders. */
function run(beginning: RegExp, data: string, backup: string): void {
  const block = blocks.find(({ language, text }) => language === 'sh' && beginning.test(text));
  const script = (block?.text ?? 'false')
    .replaceAll('/opt/homeline', root)
    .replaceAll('/var/lib/homeline-cloud', data)
    .replaceAll('/var/backups/homeline.db', backup);
  execFileSync('sh', ['-ec', script], { stdio: 'pipe' });
  expect(readdirSync(data)).toContain('cloud.db');
}

function cloudAt(dataFolder: string): NodeHost {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  return new NodeHost({ host: '127.0.0.1', port: 0, dataFolder, home: 'home', log, ownerToken: 'x'.repeat(32) });
}

/** The system calls of a systemd group, nested groups included. */
function callsIn(group: string): Set<string> {
  const text = execFileSync('systemd-analyze', ['syscall-filter', group], { encoding: 'utf8' });
  const names = text.split('\n').flatMap((line) => /^\s+(@?[\w-]+)$/.exec(line)?.[1] ?? []);
  return new Set(names.flatMap((name) => (name.startsWith('@') ? [...callsIn(name)] : [name])));
}
