import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { ScriptedCloud } from '../fixtures/tunnel/scripted-cloud.ts';

const program = new URL('../../edge-agent/main.ts', import.meta.url).pathname;

/** The program as a process, with its output. */
class Running {
  readonly process: ChildProcess;
  readonly messages: { type: string; udn?: string }[] = [];
  out = '';
  err = '';
  readonly ended: Promise<number | null>;

  constructor(args: string[], env: Record<string, string>) {
    this.process = fork(program, args, { env: { PATH: process.env.PATH, ...env }, execArgv: [], silent: true });
    this.process.stdout?.on('data', (chunk) => {
      this.out += chunk;
    });
    this.process.stderr?.on('data', (chunk) => {
      this.err += chunk;
    });
    this.process.on('message', (message) => this.messages.push(message as { type: string }));
    // After disconnect() Node emits 'exit' but not 'close'.
    const exited = once(this.process, 'exit');
    const outputs = [this.process.stdout, this.process.stderr].map((stream) => stream && once(stream, 'close'));
    this.ended = Promise.all([exited, ...outputs]).then(([[code]]) => code);
  }
}

let folder: string;
let cloud: ScriptedCloud;
let phone: ScriptedPhone;
let running: Running | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-main-'));
  cloud = new ScriptedCloud();
  phone = new ScriptedPhone();
  await cloud.start();
  await phone.start();
});
afterEach(async () => {
  running?.process.kill('SIGKILL');
  await running?.ended;
  await cloud.stop();
  await phone.stop();
  rmSync(folder, { recursive: true, force: true });
});

const settings = () => ({
  HOMELINE_CLOUD: cloud.url,
  HOMELINE_AGENT_TOKEN: cloud.token,
  HOMELINE_INTERFACE: 'lo',
  HOMELINE_PHONE: phone.location,
  HOMELINE_DATA: folder,
  HOMELINE_SSDP_PORT: '21931',
});

describe('npm run agent', () => {
  it('reports all invalid settings at once and exits with 2', async () => {
    running = new Running(['--phone', 'nowhere'], { HOMELINE_CLOUD: 'http://example.org' });
    expect(await running.ended).toBe(2);
    expect(running.err).toContain('HOMELINE_CLOUD');
    expect(running.err).toContain('HOMELINE_AGENT_TOKEN');
    expect(running.err).toContain('--phone');
    expect(running.out).toBe('');
  });

  const withFile = (file: string) => {
    const { HOMELINE_AGENT_TOKEN: _, ...rest } = settings();
    return { ...rest, HOMELINE_AGENT_TOKEN_FILE: file };
  };

  it('reads its token from a file, and again after it was rewritten', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, 'hl_of-yesterday\r\n', { mode: 0o600 });
    cloud.script.refuse = 401;
    const started = new Running([], withFile(file));
    running = started;
    await cloud.until(() => started.out.includes('give another (HOMELINE_AGENT_TOKEN_FILE)'));
    cloud.script.refuse = undefined;
    writeFileSync(file, `${cloud.token}\n`);
    // Sooner than the 15 minutes after which a refused token is retried.
    await cloud.until(() => started.messages.some((message) => message.type === 'ready'));
    expect(cloud.authorizations).toEqual(['Bearer hl_of-yesterday', `Bearer ${cloud.token}`]);
    expect(started.out + started.err).not.toContain(cloud.token);
  }, 60_000);

  it.each([
    ['that others can read', 'hl_x', 0o644, 'is open to other users (mode 0644): close it with chmod 600'],
    ['that is empty', '\r\n', 0o600, 'is empty'],
    ['that holds more than a token', 'hl_x y', 0o600, 'must hold the token alone'],
    ['that is not there', undefined, 0o600, 'is not there'],
  ])('refuses a token file %s with an explanation and exit code 2', async (_, text, mode, words) => {
    const file = join(folder, 'token');
    if (text !== undefined) writeFileSync(file, text, { mode });
    running = new Running([], withFile(file));
    expect(await running.ended).toBe(2);
    expect(running.err).toContain('HOMELINE_AGENT_TOKEN_FILE: ');
    expect(running.err).toContain(words);
  });

  it('refuses a token together with a token file, and a CR after a path', async () => {
    running = new Running([], { ...settings(), HOMELINE_AGENT_TOKEN_FILE: '/x', HOMELINE_DATA: `${folder}\r` });
    expect(await running.ended).toBe(2);
    expect(running.err).toContain('HOMELINE_AGENT_TOKEN_FILE: is set together with HOMELINE_AGENT_TOKEN');
    expect(running.err).toContain('HOMELINE_DATA: ends with a carriage return');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('keeps a second agent off its folder, naming the running process and its start time', async () => {
    const first = new Running([], settings());
    running = first;
    await cloud.until(() => first.messages.some((message) => message.type === 'ready'));
    const second = new Running([], settings());
    expect(await second.ended).toBe(1);
    expect(second.err).toMatch(
      new RegExp(
        `another agent already runs on the data folder ${folder}: process ${first.process.pid}, running since`,
      ),
    );
    const made = readdirSync(folder);
    expect(made.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0)).toEqual([]);
    first.process.kill('SIGKILL');
    await first.ended;
    const third = new Running([], settings());
    running = third;
    await cloud.until(() => third.messages.some((message) => message.type === 'ready'));
  });

  it('prints its help', async () => {
    running = new Running(['--help'], {});
    expect(await running.ended).toBe(0);
    for (const name of Object.keys(settings())) expect(running.out).toContain(name);
  });

  it.each(['SIGTERM', 'SIGINT', 'disconnect'] as const)(
    'reports the connection and found phones, and stops cleanly on %s',
    async (how) => {
      const started = new Running([], settings());
      running = started;
      await cloud.until(() => started.messages.some((message) => message.type === 'ready'));
      await cloud.until(() =>
        started.messages.some((message) => message.type === 'phone' && message.udn === phone.udn),
      );
      await cloud.until(() => phone.subscribers === 1);
      if (how === 'disconnect') started.process.disconnect();
      else started.process.kill(how);
      expect(await started.ended).toBe(0);
      expect(phone.subscribers).toBe(0);
      expect(started.out).not.toContain(cloud.token);
      expect(started.err).toBe('');
    },
  );

  it('does not resend under the same key after being killed during a send', async () => {
    const message =
      '<message><messageID/><messageClass>SMS</messageClass><recipient>+39</recipient><content>hi</content></message>';
    const send = () =>
      cloud.call(
        phone.udn,
        'SendMessage',
        { MessageToSend: message },
        { form: 'text', key: 'm_01KAPQ3Z5N0123456789ABCDEF' },
      );
    const inStep = (program: Running) => cloud.until(() => program.out.includes('In step'));
    const first = new Running([], settings());
    running = first;
    await inStep(first);
    phone.react = ({ action }) => (action === 'SendMessage' ? 'silence' : undefined);
    // This call never gets an answer.
    send().catch(() => {});
    await cloud.until(() => phone.callsOf('SendMessage').length === 1);
    first.process.kill('SIGKILL');
    await first.ended;
    phone.react = () => undefined;
    const second = new Running([], settings());
    running = second;
    await inStep(second);
    expect(await send()).toMatchObject({ type: 'failure', code: 'outcome-unknown' });
    expect(phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('names an unusable data folder and exits with 1', async () => {
    const file = join(folder, 'a file');
    writeFileSync(file, '');
    running = new Running([], { ...settings(), HOMELINE_DATA: join(file, 'below') });
    expect(await running.ended).toBe(1);
    expect(running.err).toContain('HOMELINE_DATA');
    expect(running.err).not.toContain('    at ');
  });

  it('warns when the token would cross a network in clear text', async () => {
    const started = new Running([], { ...settings(), HOMELINE_CLOUD: 'ws://192.0.2.1:1' });
    running = started;
    await cloud.until(() => started.out.includes('in clear'));
  });
});
