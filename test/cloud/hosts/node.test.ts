// `npm run cloud` as a user runs it: settings, faults, first start, signals, and its parent process over IPC.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cloudSettings } from '../../../cloud/settings.ts';
import { closeCodes, heartbeat, subprotocol } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { flagOf } from '../../../protocol/settings.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { ownerToken, patiently, RunningCloud } from './running-cloud.ts';
import { ScriptedAgent } from './scripted-agent.ts';

const command = resolve(import.meta.dirname, '../../../cloud/hosts/node.ts');
let folder: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-node-'));
});
afterEach(async () => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  children = [];
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  child: ChildProcess;
  out(): string;
  /** Resolves with everything printed up to the match. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  exit(): Promise<{ code: number | null; out: string; err: string }>;
}

function run(settings: Record<string, string> = {}, args: string[] = [], withStarter = false): Run {
  const env = { PATH: process.env.PATH, HOMELINE_PORT: '0', HOMELINE_DATA: folder, ...settings };
  const child = withStarter
    ? fork(command, args, { env, silent: true })
    : spawn(process.execPath, [command, ...args], { env });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout?.on('data', (data) => {
    out += data;
  });
  child.stderr?.on('data', (data) => {
    err += data;
  });
  const closed = once(child, 'close');
  return {
    child,
    out: () => out,
    prints: async (pattern) => {
      for (;;) {
        const match = pattern.exec(out);
        if (match !== null) return match;
        const more = once(child.stdout as NodeJS.ReadableStream, 'data').then(() => true);
        if (!(await Promise.race([more, closed.then(() => false)]))) {
          throw new Error(`stopped with ${child.exitCode ?? child.signalCode} before printing ${pattern}: ${err}`);
        }
      }
    },
    exit: async () => {
      await closed;
      return { code: child.exitCode, out, err };
    },
  };
}

describe('settings', () => {
  it('are all explained by --help', async () => {
    const { code, out } = await run({}, ['--help']).exit();
    expect(code).toBe(0);
    for (const { name } of Object.values(cloudSettings)) {
      expect(out).toContain(name);
      expect(out).toContain(flagOf(name));
    }
  });

  it('are refused with all faults at once and exit 2', async () => {
    const wrong = {
      HOMELINE_PORT: '70000',
      HOMELINE_STORE: 'paper',
      HOMELINE_OWNER_TOKEN: 'short',
      HOMELINE_HOME: 'a b',
      HOMELINE_BASE_URL: 'ftp://x',
      HOMELINE_LOG: 'loud',
    };
    const { code, err } = await run(wrong, ['--colour', 'blue']).exit();
    expect(code).toBe(2);
    for (const name of [...Object.keys(wrong), '--colour', 'blue']) expect(err).toContain(name);
  });
});

describe('a fault at the start exits 1 and says what to do', () => {
  it('a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, err } = await run({ HOMELINE_PORT: String(port) }).exit();
    other.close();
    expect([code, err.trim()]).toEqual([
      1,
      `The cloud cannot start: port ${port} of 127.0.0.1 is taken. Stop what listens there, or choose another with HOMELINE_PORT.`,
    ]);
  });

  it('an address that this machine does not have', async () => {
    const { code, err } = await run({ HOMELINE_HOST: '192.0.2.1' }).exit();
    expect([code, err]).toEqual([1, expect.stringContaining('HOMELINE_HOST')]);
  });

  it('a data folder that is a file', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const { code, err } = await run({ HOMELINE_DATA: file }).exit();
    expect([code, err]).toEqual([1, expect.stringMatching(/HOMELINE_DATA|folder/)]);
    expect(err).not.toMatch(/at .*\.ts:\d/);
  });

  it.skipIf(process.getuid?.() === 0)('a data folder that cannot be written to', async () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const { code, err } = await run({ HOMELINE_DATA: locked }).exit();
    expect([code, err]).toEqual([1, expect.stringContaining(locked)]);
  });
});

describe('the first start', () => {
  it('prints a sign-in link that works, and the owner’s token once', async () => {
    const first = run();
    const [, link, code] = await first.prints(/once: (http:\/\/127\.0\.0\.1:\d+)\/#sign-in=(hl_\S+)/);
    const token = /shown only now: (hl_\S+)/.exec(first.out())?.[1];
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${link}/v1/homes/home`, { headers })).status).toBe(200);
    const body = JSON.stringify({ code });
    const signedIn = await fetch(`${link}/v1/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(signedIn.status).toBe(200);
    first.child.kill('SIGTERM');
    expect((await first.exit()).code).toBe(0);

    const second = run();
    await second.prints(/#sign-in=/);
    expect(second.out()).not.toContain('shown only now');
    expect(second.out()).not.toContain(token);
  });
});

describe('its stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s tells agents and watchers, and exits 0', async (signal) => {
    const cloud = run({ HOMELINE_OWNER_TOKEN: ownerToken, HOMELINE_LOG: 'info' });
    const [, url = ''] = await cloud.prints(/listens at (\S+)/);
    await cloud.prints(/#sign-in=/);
    const headers = { authorization: `Bearer ${ownerToken}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ name: 'a' });
    const made = await fetch(`${url}/v1/homes/home/agents`, { method: 'POST', headers, body });
    const { token } = (await made.json()) as { token: string };
    const agent = new ScriptedAgent(url, token);
    await agent.connect();
    const stream = await fetch(`${url}/v1/homes/home/events`, { headers });
    const text = stream.text();
    cloud.child.kill(signal);
    const { code, err } = await cloud.exit();
    expect(code).toBe(0);
    expect(agent.frames.some((frame) => frame.type === 'drain')).toBe(true);
    expect(await text).toContain('retry:');
    // Requests are logged as JSON lines, without tokens.
    expect(
      err
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).event),
    ).toContain('request');
    expect(err).not.toContain('hl_');
  });

  it('follows the exit of its parent process', async () => {
    const cloud = run({}, [], true);
    await once(cloud.child, 'message');
    // A broken IPC channel keeps Node from emitting `close`.
    const exited = once(cloud.child, 'exit');
    cloud.child.disconnect();
    expect(await exited).toEqual([0, null]);
  });
});

it('tells its parent process when it is ready, and issues tokens for agents', async () => {
  const cloud = run({}, [], true);
  const [ready] = await once(cloud.child, 'message');
  expect(ready).toEqual({
    type: 'ready',
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    signIn: expect.stringContaining('/#sign-in=hl_'),
  });
  cloud.child.send({ type: 'no such thing' });
  cloud.child.send({ type: 'issue-agent-token', name: 'this machine' });
  const [issued] = await once(cloud.child, 'message');
  expect(issued).toEqual({ type: 'agent-token', token: expect.stringMatching(/^hl_/) });
  const agent = new ScriptedAgent(ready.url, issued.token);
  expect((await agent.connect()).home).toBe('home');
  await agent.vanish();
});

describe('sockets', () => {
  let cloud: RunningCloud;
  const begin = async (heartbeatMs: number) => {
    cloud = new RunningCloud({ heartbeatMs });
    await cloud.start();
    const agent = await cloud.agent();
    await agent.connect();
    return agent;
  };
  afterEach(() => cloud.stop());

  it('without a heartbeat are closed, and with one are kept', async () => {
    const silent = await begin(100);
    await silent.until(() => silent.closeCode !== undefined);
    expect(silent.closeCode).toBe(closeCodes.silent);
    const lively = await cloud.agent();
    await lively.connect();
    const beat = setInterval(() => lively.sendText(heartbeat.ping), 30);
    // At this rate that takes more than twice the time after which the silent one was closed.
    await lively.until(() => lively.pongs >= 20 || lively.closeCode !== undefined);
    clearInterval(beat);
    expect(lively.closeCode).toBeUndefined();
  });

  it('that are refused are destroyed, also where the client stays and goes on writing byte by byte', async () => {
    await begin(30_000);
    const { hostname, port } = new URL(cloud.url);
    const stranger = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let heard = '';
    stranger.on('data', (data) => {
      heard += data;
    });
    const gone = new Promise((resolve) => stranger.once('error', resolve));
    const head = ['GET /v1/tunnel HTTP/1.1', `Host: ${hostname}`, 'Connection: Upgrade', 'Upgrade: websocket'];
    stranger.write(`${head.join('\r\n')}\r\n\r\n`);
    await once(stranger, 'end');
    expect(heard).toContain('HTTP/1.1 401');
    expect(heard).toContain('"code":"unauthorized"');
    const writing = setInterval(() => stranger.write('x'), 1);
    try {
      expect(await gone).toMatchObject({ code: expect.stringMatching(/EPIPE|ECONNRESET/) });
    } finally {
      clearInterval(writing);
      stranger.destroy();
    }
  });

  it('that send more than a frame may hold, or binary data, are closed', async () => {
    const loud = await begin(30_000);
    loud.sendText('x'.repeat(4 * 1024 * 1024));
    await loud.until(() => loud.closeCode !== undefined);
    expect([1009, 1006]).toContain(loud.closeCode);
    expect((await cloud.get('/healthz')).body).toBe('ok');
  });

  it('whose reader stops reading are closed, so that the reader resumes later', async () => {
    const agent = await begin(500);
    const beat = setInterval(() => agent.sendText(heartbeat.ping), 100);
    const road = connect(Number(new URL(cloud.url).port), '127.0.0.1');
    road.write(`GET /v1/homes/home/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ownerToken}\r\n\r\n`);
    await once(road, 'data');
    road.pause();
    const metrics = async () => (await cloud.get('/metrics')).body;
    await expect.poll(metrics, { ...patiently, interval: 300 }).toContain('homeline_watchers 1\n');
    await agent.phones(presence('uuid:1', { trusted: true }));
    // More than the kernel buffers on both sides.
    for (let n = 1; n <= 64; n++) {
      const message = phoneMessage({ messageId: `m-${n}`, body: 'x'.repeat(limits.bodyChars) });
      await agent.deliver({ type: 'message.put', udn: 'uuid:1', epoch: 0, id: messageId(n), message, fingerprint: '' });
    }
    await expect.poll(metrics, { ...patiently, interval: 300 }).toContain('homeline_watchers 0\n');
    clearInterval(beat);
    const ended = once(road, 'close');
    road.resume();
    await ended;
  }, 60_000);

  it.each([
    ['pongs', heartbeat.ping],
    ['errors', 'what'],
  ])('that ask for %s without end and read none are cut off', async (_answers, text) => {
    await begin(30_000);
    const road = connect(Number(new URL(cloud.url).port), '127.0.0.1');
    const ended = new Promise((resolve) => road.on('error', resolve).on('close', resolve));
    const dialling = {
      Host: '127.0.0.1',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol': subprotocol,
      Authorization: `Bearer ${await cloud.host.issueAgentToken('scripted')}`,
    };
    const headers = Object.entries(dialling).map(([name, value]) => `${name}: ${value}\r\n`);
    road.write(`GET /v1/tunnel HTTP/1.1\r\n${headers.join('')}\r\n`);
    await once(road, 'data');
    road.pause();
    // A text, masked with zeros (RFC 6455, 5.3).
    const frame = Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]);
    const frames = Buffer.concat(Array(10_000).fill(frame));
    const flood = () => {
      if (!road.writable) return;
      if (road.write(frames)) setImmediate(flood);
      else road.once('drain', flood);
    };
    flood();
    await ended;
    expect((await cloud.get('/healthz')).body).toBe('ok');
  });
});
