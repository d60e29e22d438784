// `npm run phone` run by a person or a parent process.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freeUdpPort } from './phone-under-test.ts';

const main = resolve(import.meta.dirname, '../../../edge-agent/phone/main.ts');
let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-phone-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function run(...args: string[]) {
  const env = { PATH: process.env.PATH, HOMELINE_DATA: folder, HOMELINE_INTERFACE: 'lo' };
  const child = fork(main, args, { env, execArgv: [], silent: true });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (said.out += chunk));
  child.stderr?.on('data', (chunk) => (said.err += chunk));
  const closed = [child.stdout, child.stderr].map((stream) => stream && once(stream, 'close'));
  const ended = Promise.all([once(child, 'exit'), ...closed]).then(([[status]]) => ({ status, ...said }));
  const ready = new Promise<Record<string, string>>((done) =>
    child.on('message', (message) => done(message as Record<string, string>)),
  );
  return { child, ended, ready };
}

const show = ({ page = '', pageToken }: Record<string, string>) =>
  fetch(page, { headers: { authorization: `Bearer ${pageToken}` } });

const runPhone = async () => run('--ssdp-port', String(await freeUdpPort()));

describe('a running phone', () => {
  it.each(['SIGINT', 'SIGTERM', 'disconnect'] as const)(
    'reports its address to its parent, and exits with 0 on %s',
    async (way) => {
      const { child, ended, ready } = await runPhone();
      const told = await ready;
      expect(told).toMatchObject({ type: 'ready', udn: expect.stringMatching(/^uuid:/) });
      expect(await (await fetch(told.location ?? '')).text()).toContain(told.udn);
      expect((await fetch(told.page ?? '')).status).toBe(401);
      expect((await show(told)).status).toBe(200);
      if (way === 'disconnect') child.disconnect();
      else child.kill(way);
      const { status, out, err } = await ended;
      expect([status, err]).toEqual([0, '']);
      expect(out).toContain(told.location);
      expect(out).toContain('Stopping.');
      expect(out).not.toContain(told.pageToken);
    },
  );

  it('receives a simulated message', async () => {
    const { ready } = await runPhone();
    const told = await ready;
    const { status, out } = await run('say', '+390110001', 'Dinner', 'at 8?').ended;
    expect([status, out]).toEqual([0, 'The phone received it as m-1.\n']);
    expect(await (await show(told)).text()).toContain('Dinner at 8?');
  });

  it('keeps a second one off its folder, naming the running process and its start time', async () => {
    const first = await runPhone();
    const { location } = await first.ready;
    const second = await runPhone();
    const { status, err } = await second.ended;
    expect(status).toBe(1);
    expect(err).toContain('The phone cannot start: another phone already runs on the data folder');
    expect(err).toMatch(new RegExp(`process ${first.child.pid}, running since 20\\d\\d-.*, at ${location}`));
    first.child.kill('SIGKILL');
    await first.ended;
    expect(await (await runPhone()).ready).toMatchObject({ type: 'ready' });
  });

  it('creates every file for its owner only, whatever the umask', async () => {
    await (await runPhone()).ready;
    await run('say', '+390110001', 'Dinner').ended;
    const made = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    expect(made).toEqual(expect.arrayContaining(['phone/phone.db', 'phone/phone.db-wal', 'phone/control.json']));
    expect(made.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0)).toEqual([]);
  });
});

describe('a phone that cannot run', () => {
  it('prints its help', async () => {
    const { status, out } = await run('--help').ended;
    expect(status).toBe(0);
    expect(out).toContain('HOMELINE_PHONE_PORT');
    expect(out).toContain('say <address> <text>');
  });

  it('reports all invalid settings at once and exits with 2', async () => {
    const { status, err } = await run(
      '--phone-port',
      '99999',
      '--phone-kind',
      'fax',
      '--phone-allow',
      'Nonna',
      '--nonsense',
    ).ended;
    expect(status).toBe(2);
    expect(err).toContain('99999');
    expect(err).toContain('server or client');
    expect(err).toContain('must be IP addresses');
    expect(err).toContain('--nonsense');
  });

  it('reports an unknown command and exits with 2', async () => {
    const { status, err } = await run('sing', 'a', 'song').ended;
    expect(status).toBe(2);
    expect(err).toContain('sing a song');
  });

  it('names the taken port and what to do, and exits with 1', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const { status, err } = await run('--phone-port', String(port)).ended;
    server.close();
    expect(status).toBe(1);
    expect(err).toContain(`port ${port} of 127.0.0.1`);
    expect(err).toContain('--phone-port');
  });

  it('names the missing interface and what to do, and exits with 1', async () => {
    const { status, err } = await run('--interface', 'nonsuch0').ended;
    expect(status).toBe(1);
    expect(err).toContain('nonsuch0');
    expect(err).toContain('--interface');
  });

  it('names the unusable folder and what to do, and exits with 1', async () => {
    writeFileSync(join(folder, 'file'), '');
    const { status, err } = await run('--data', join(folder, 'file')).ended;
    expect(status).toBe(1);
    expect(err).toContain('--data');
  });

  it('says that no phone runs, and exits with 1', async () => {
    const { status, err } = await run('say', '+1', 'hello').ended;
    expect(status).toBe(1);
    expect(err).toContain('npm run phone');
  });
});
