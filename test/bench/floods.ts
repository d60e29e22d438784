// The effect of floods by strangers and token holders: the cloud's memory, and the latency of others. Each flood runs
// against a separate cloud process. FLOOD_ROOT names another checkout to measure; an argument selects floods by name.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { ScriptedAgent } from '../cloud/hosts/scripted-agent.ts';
import { messageId, phoneMessage, presence } from '../contract/messages.ts';
import { quantile } from './load.ts';
import { report } from './report.ts';

const root = resolve(process.env.FLOOD_ROOT ?? join(import.meta.dirname, '../..'));
const token = `hl_${'f'.repeat(43)}`;
const authorized = { authorization: `Bearer ${token}` };
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const probeMs = 25;
const mib = 1024 * 1024;

type Told = Record<string, string | number>;

class FloodedCloud {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly url: string;
  readonly #probes: number[] = [];
  #peakBytes = 0;
  #isProbing = true;

  private constructor(folder: string, process: ChildProcess, url: string) {
    this.#folder = folder;
    this.#process = process;
    this.url = url;
  }

  static async start(): Promise<FloodedCloud> {
    const folder = await mkdtemp(join(tmpdir(), 'homeline-flood-'));
    const env = { ...process.env, HOMELINE_DATA: folder, HOMELINE_PORT: '0', HOMELINE_OWNER_TOKEN: token };
    const child = spawn(process.execPath, ['--max-semi-space-size=16', 'cloud/hosts/node.ts'], {
      cwd: root,
      env: { ...env, HOMELINE_LOG: 'silent' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let url = '';
    for await (const line of createInterface({ input: child.stdout })) {
      url = /listens at (\S+)/.exec(line)?.[1] ?? url;
      if (line.includes('#sign-in=')) break;
    }
    child.stdout.resume();
    // Warm up: the first requests compile code.
    for (let n = 0; n < 20; n++) await (await fetch(`${url}/v1/homes`, { headers: authorized })).text();
    return new FloodedCloud(folder, child, url);
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    await once(this.#process, 'close');
    await rm(this.#folder, { recursive: true });
  }

  /** Runs the flood while a client with a token sends small requests continuously. */
  async measure(name: string, flood: (cloud: FloodedCloud) => Promise<Told>): Promise<void> {
    const before = await this.#usage();
    const began = performance.now();
    const probing = this.#probe();
    const told = await flood(this);
    const after = await this.#usage();
    this.#isProbing = false;
    await probing;
    const sorted = this.#probes.sort((a, b) => a - b);
    report({
      bench: 'flood',
      flood: name,
      rssBeforeMib: Math.round(before.rssBytes / mib),
      rssPeakMib: Math.round(this.#peakBytes / mib),
      cpuMs: Math.round(after.cpuMs - before.cpuMs),
      tookMs: Math.round(performance.now() - began),
      others: sorted.length,
      othersP50Ms: quantile(sorted, 0.5),
      othersWorstMs: quantile(sorted, 1),
      ...told,
    });
  }

  async storedBytes(): Promise<number> {
    const names = (await readdir(this.#folder)).filter((name) => name.startsWith('cloud.db'));
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.#folder, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async #probe(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (this.#isProbing) {
      const began = performance.now();
      await ask(agent, `${this.url}/v1/homes`, 'GET', authorized).catch(() => 0);
      this.#probes.push(performance.now() - began);
      this.#peakBytes = Math.max(this.#peakBytes, (await this.#usage()).rssBytes);
      await wait(probeMs);
    }
    agent.destroy();
  }

  async #usage(): Promise<{ rssBytes: number; cpuMs: number }> {
    const [status, stats] = await Promise.all(
      ['status', 'stat'].map((name) => readFile(`/proc/${this.#process.pid}/${name}`, 'utf8')),
    );
    const [utime = 0, stime = 0] = (stats ?? '').split(') ')[1]?.split(' ').slice(11, 13).map(Number) ?? [];
    // Linux counts in units of 10 ms.
    return { rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status ?? '')?.[1]) * 1024, cpuMs: (utime + stime) * 10 };
  }
}

function ask(
  agent: Agent,
  url: string,
  method: string,
  headers: Record<string, string | number>,
  body?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
      answer.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Closed-loop clients; returns the number of answers by status. */
async function hammer(clients: number, shoot: (agent: Agent, n: number) => Promise<number>): Promise<Told> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const until = performance.now() + seconds * 1_000;
  const statuses = new Map<number, number>();
  let count = 0;
  const client = async () => {
    while (performance.now() < until) {
      const status = await shoot(agent, count++).catch(() => 0);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
  const told = Object.fromEntries([...statuses].map(([status, n]) => [status === 0 ? 'broken' : `http${status}`, n]));
  return { perSecond: Math.round(count / seconds), ...told };
}

/** Opens connections, sends the same bytes on each, and waits. */
async function hold(url: string, count: number, text: string, forMs: number): Promise<Told> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  let answered = 0;
  for (let n = 0; n < count; n++) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.once('data', () => answered++);
    socket.resume();
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    if (text !== '') socket.write(text);
    sockets.push(socket);
  }
  await wait(forMs);
  const open = sockets.filter((socket) => !socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  return { connections: count, stillOpen: open, answered };
}

async function pipeline(url: string, path: string, count: number): Promise<Told> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lead = 'HTTP/1.1 200';
  let answers = 0;
  let tail = '';
  socket.on('data', (data) => {
    const text = tail + data.toString('latin1');
    answers += text.split(lead).length - 1;
    tail = text.slice(1 - lead.length);
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(count));
  while (answers < count && !socket.destroyed) await wait(5);
  socket.destroy();
  return { pipelined: count, answers };
}

const signInHead = (bytes: number) =>
  `POST /v1/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
const withheld = (bytes: number) => `${signInHead(bytes)}${' '.repeat(bytes - 1)}`;

const floods: Record<string, (cloud: FloodedCloud) => Promise<Told>> = {
  'GET /openapi.json, 1,300 pipelined': ({ url }) => pipeline(url, '/openapi.json', 1_300),
  'GET /docs, 1,300 pipelined': ({ url }) => pipeline(url, '/docs', 1_300),
  'GET /openapi.json, 32 clients': ({ url }) =>
    hammer(32, (agent) => ask(agent, `${url}/openapi.json`, 'GET', { 'accept-encoding': 'gzip' })),
  'GET /metrics, 32 clients': ({ url }) => hammer(32, (agent) => ask(agent, `${url}/metrics`, 'GET', {})),
  'a made-up token, 32 clients': ({ url }) =>
    hammer(32, (agent, n) =>
      ask(agent, `${url}/v1/homes`, 'GET', { authorization: `Bearer hl_${String(n).padStart(43, '0')}` }),
    ),
  'a made-up sign-in, 32 clients': ({ url }) =>
    hammer(32, (agent, n) => {
      const body = JSON.stringify({ code: `hl_${n}` });
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      return ask(agent, `${url}/v1/sign-in`, 'POST', headers, body);
    }),
  'sign-in, 1,200 bodies of 1 MiB but for a byte': ({ url }) => hold(url, 1_200, withheld(mib), 3_000),
  'sign-in, 1,200 bodies of 2 KiB but for a byte': ({ url }) => hold(url, 1_200, withheld(2_048), 3_000),
  '3,000 silent connections': ({ url }) => hold(url, 3_000, '', 3_000),
  '3,000 headers without an end': ({ url }) => hold(url, 3_000, `GET / HTTP/1.1\r\nX: ${'x'.repeat(8_000)}`, 3_000),
  'HEAD …/events, 12,000': async ({ url }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    let left = 12_000;
    const client = async () => {
      while (left-- > 0) await ask(agent, `${url}/v1/homes/home/events`, 'HEAD', authorized).catch(() => 0);
    };
    await Promise.all(Array.from({ length: 32 }, client));
    const times: number[] = [];
    // The watches that it leaves open get each event.
    const owner = await tokenWith(url, ['messages:send']);
    for (let n = 0; n < 20; n++) {
      const body = JSON.stringify({ messageClass: 'SMS', to: ['+1'], body: `${n}` });
      const headers = { ...owner, 'content-type': 'application/json', 'content-length': body.length };
      const began = performance.now();
      await ask(agent, `${url}/v1/homes/home/messages`, 'POST', headers, body);
      times.push(performance.now() - began);
    }
    agent.destroy();
    return {
      sendP50Ms: quantile(
        times.sort((a, b) => a - b),
        0.5,
      ),
    };
  },
  'read one message under new Idempotency-Keys, 16 clients': async (cloud) => {
    const { url } = cloud;
    const made = await fetch(`${url}/v1/homes/home/agents`, {
      method: 'POST',
      headers: { ...authorized, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'flood' }),
    });
    const agentToken = ((await made.json()) as { token: string }).token;
    const house = new ScriptedAgent(url, agentToken);
    await house.connect();
    await house.phones(presence('uuid:phone-1', { trusted: true }));
    const message = phoneMessage({ messageId: 'm-1', body: 'x'.repeat(100_000), status: 'Read' });
    const event = { udn: 'uuid:phone-1', epoch: 0, id: messageId(1), message, fingerprint: '' };
    await house.deliver({ type: 'message.put', ...event });
    const reader = await tokenWith(url, ['messages:read', 'messages:update']);
    const before = await cloud.storedBytes();
    const path = `${url}/v1/homes/home/messages/${messageId(1)}/read`;
    const told = await hammer(16, (agent, n) =>
      ask(agent, path, 'POST', { ...reader, 'idempotency-key': `key ${n}`, 'content-length': 0 }),
    );
    await house.vanish();
    return { ...told, storedMib: Math.round(((await cloud.storedBytes()) - before) / mib) };
  },
};

/** An API token with the scopes that this cloud knows. */
async function tokenWith(url: string, scopes: readonly string[]): Promise<{ authorization: string }> {
  for (let count = scopes.length; count > 0; count--) {
    const made = await fetch(`${url}/v1/tokens`, {
      method: 'POST',
      headers: { ...authorized, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'flood', scopes: scopes.slice(0, count) }),
    });
    if (made.ok) return { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
  }
  throw new Error('No token was made.');
}

const [, , asked = ''] = process.argv;
for (const [name, flood] of Object.entries(floods).filter(([each]) => each.includes(asked))) {
  const cloud = await FloodedCloud.start();
  try {
    await cloud.measure(name, flood);
  } finally {
    await cloud.stop();
  }
}
