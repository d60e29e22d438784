// Many homes at once on one Node host: events that their agents have stored, and sends that their clients make, a second.
// `node test/bench/homes.ts --homes 300`: one JSON object a line. The host is a process of its own; agents and clients
// share this one, and ask the next when the last is answered.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { openSqlite } from '../../cloud/store/open.ts';
import { messageId, phoneMessage, presence } from '../contract/messages.ts';
import { quantile, type Shot, send } from './load.ts';
import { report } from './report.ts';
import { seedHomes } from './scale-fleet.ts';

const { values } = parseArgs({ options: { homes: { type: 'string', default: '300' } } });
const homes = Number(values.homes);
const seconds = Number(process.env.BENCH_SECONDS ?? 5);
const udn = 'uuid:phone-1';

/** A home's agent on the released wire, with a phone that takes every message at once. */
class HomeAgent {
  readonly #socket: WebSocket;
  readonly #ready = Promise.withResolvers<void>();
  readonly #home: number;
  #seq = 0;
  #onAck: () => void = () => {};

  constructor(url: string, token: string, home: number) {
    this.#home = home;
    this.#socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/tunnel`, ['homeline.v1'], {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    this.#socket.on('open', () =>
      this.#send({ type: 'hello', protocol: [1], software: 'bench', bootId: 'bench', firstSeq: 1, features: ['ping'] }),
    );
    this.#socket.on('message', (data) => this.#take(data.toString()));
    this.#socket.on('error', (error) => this.#ready.reject(error));
  }

  /** Resolves when the cloud has approved the phone. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** A message arrives at the phone; resolves when the cloud has stored it. */
  tell(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAck = resolve;
    const seq = ++this.#seq;
    const number = this.#home * 1_000_000 + seq;
    const message = phoneMessage({ messageId: `phone-${seq}` });
    const event = { type: 'message.put', udn, epoch: 0, id: messageId(number), message, fingerprint: 'f' };
    this.#send({ type: 'events', events: [{ seq, time: new Date().toISOString(), event }] });
    return promise;
  }

  close(): void {
    this.#socket.terminate();
  }

  #take(text: string): void {
    if (text === 'pong') return;
    if (text === 'ping') {
      this.#socket.send('pong');
      return;
    }
    const frame = JSON.parse(text) as { type: string; id: string; seq: number; action: string };
    if (frame.type === 'welcome') this.#send({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    if (frame.type === 'approvals') this.#ready.resolve();
    if (frame.type === 'ack' && frame.seq === this.#seq) this.#onAck();
    if (frame.type === 'term') throw new Error(`An event was refused: ${text}`);
    if (frame.type === 'call') this.#answer(frame);
  }

  #answer({ id, action }: { id: string; action: string }): void {
    if (action === 'SendMessage') this.#send({ type: 'result', id, arguments: { MessageID: `sent-${id}` } });
    else this.#send({ type: 'failure', id, code: 'phone-refused', detail: 'no', upnpCode: 401, upnpDescription: 'no' });
  }

  #send(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }
}

const folder = mkdtempSync(join(tmpdir(), 'homeline-homes-'));
const store = openSqlite(folder, Date);
await store.start();
const { agentTokens, readerTokens } = await seedHomes(
  store,
  { count: homes },
  { count: homes, scopes: ['messages:send'] },
);
await store.stop();
const host = fork(join(import.meta.dirname, 'scale-host.ts'), [folder, '0']);
const agents: HomeAgent[] = [];
const connections = new Agent({ keepAlive: true, maxSockets: homes });
try {
  const [{ url }] = (await once(host, 'message')) as [{ url: string }];
  agents.push(...agentTokens.map((token, home) => new HomeAgent(url, token, home)));
  await Promise.all(agents.map((agent) => agent.ready));
  await measure('events stored', (home) => tell(home));
  await measure('sends', (home) => post(url, home));
} finally {
  for (const agent of agents) agent.close();
  connections.destroy();
  host.kill('SIGTERM');
  await once(host, 'close');
  rmSync(folder, { recursive: true, force: true });
}

async function tell(home: number): Promise<boolean> {
  await agents[home]?.tell();
  return true;
}

async function post(url: string, home: number): Promise<boolean> {
  const body = JSON.stringify({ messageClass: 'SMS', to: [`+3934${home}`], body: 'How are you?' });
  const shot: Shot = {
    url: `${url}/v1/homes/home-${home}/messages`,
    method: 'POST',
    headers: {
      authorization: `Bearer ${readerTokens[home]}`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
  // A host that is overloaded ends a kept connection that waited for its turn.
  return (await send(connections, shot).catch(() => 0)) === 201;
}

/** Every home does one after the other, for `seconds` after a warm-up of a fifth of that. */
async function measure(what: string, act: (home: number) => Promise<boolean>): Promise<void> {
  await during(seconds / 5, act);
  const cpuBeforeMs = hostCpuMs();
  const { times, failed, elapsedMs } = await during(seconds, act);
  times.sort((one, other) => one - other);
  report({
    bench: 'homes',
    what,
    homes,
    count: times.length,
    failed,
    perSecond: Math.round((times.length / elapsedMs) * 1_000),
    hostCpuMsEach: Math.round(((hostCpuMs() - cpuBeforeMs) / times.length) * 1_000) / 1_000,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  });
}

/** Of Linux: user and system time in ticks of 10 ms, the 14th and 15th field of /proc/pid/stat. */
function hostCpuMs(): number {
  const fields = readFileSync(`/proc/${host.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function during(forSeconds: number, act: (home: number) => Promise<boolean>) {
  const begunMs = performance.now();
  const untilMs = begunMs + forSeconds * 1_000;
  const times: number[] = [];
  let failed = 0;
  const run = async (home: number) => {
    while (performance.now() < untilMs) {
      const startedMs = performance.now();
      if (!(await act(home))) failed++;
      times.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: homes }, (_, home) => run(home)));
  return { times, failed, elapsedMs: performance.now() - begunMs };
}
