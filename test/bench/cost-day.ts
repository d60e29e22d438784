// Records a household's day on Workers and DynamoDB: the real routes, hub and store, on DynamoDB Local.
// Minutes pass between two operations, so that the home's object hibernates in between, as it would.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Access } from '../../cloud/access/access.ts';
import { createApp } from '../../cloud/app.ts';
import { HomeHub } from '../../cloud/hub/home-hub.ts';
import type { HubDeps } from '../../cloud/hub/hub-deps.ts';
import { type Hubs, homeHandle, invokeOperation } from '../../cloud/hub/hubs.ts';
import type { AgentIdentity, SocketAttachment } from '../../cloud/hub/link.ts';
import type { SocketHandler } from '../../cloud/routes/sockets.ts';
import { DynamoStore } from '../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../cloud/store/folder-blobs.ts';
import { fingerprintOf } from '../../edge-agent/messaging/evidence.ts';
import { newUlid } from '../../shared/ulid.ts';
import { LinkedAgent } from '../cloud/hub/hub-harness.ts';
import { DynamoDbLocal } from '../cloud/store/dynamodb-local.ts';
import { phoneMessage, presence } from '../contract/messages.ts';
import { type Consumption, Meter, Shadow } from './cost-meter.ts';

/** The operations of a home. */
export const kinds = [
  'reconnect',
  'probe',
  'message in',
  'message out',
  'message read',
  'list page',
  'dashboard',
] as const;
export type Kind = (typeof kinds)[number];

/** The sums of one kind of operation. */
export interface Counts {
  times: number;
  /** Requests to the stateless Worker, and its processor time as measured in Node. */
  workerRequests: number;
  cpuMs: number;
  /** Calls and upgrades to the home's object, and the agent's frames, of which 20 are billed as one. */
  objectRequests: number;
  frames: number;
  /** Sequential DynamoDB requests of the object; concurrent ones count as one. */
  objectTrips: number;
  /** The object's processor time as measured in Node, part of its time awake. */
  objectCpuMs: number;
  /** Phone calls that the object waited for. */
  phoneCalls: number;
  readUnits: number;
  tableWriteUnits: number;
  indexWriteUnits: number;
  receivedBytes: number;
  /** The growth of the table and its indexes, without expiring items. */
  keptBytes: number;
}

/** By the kinds of the day. */
export type DayRecord = Partial<Record<Kind, Counts>>;

const home = 'home';
const udn = 'uuid:phone-1';
const times: Record<Kind, number> = {
  reconnect: 2,
  // Like an idle day: every five minutes.
  probe: 288,
  'message in': 50,
  'message out': 50,
  'message read': 50,
  'list page': 50,
  dashboard: 10,
};
const people = 12;
/** Messages per conversation, so that pages are full. */
const earlier = 50;
const minuteMs = 60_000;
/** Between a probe and the event before it; all other events are a minute apart. */
const probeMs = 5 * minuteMs;
/** Through the Worker: index.html each time; script and style sheet, which browsers cache, once a day. */
const dashboardFiles = { always: 1, kept: 2 };
/** The vocabulary of the messages, all different, so that they compress no better than real ones. */
const words =
  `about after again another anything around because before bring call came children coffee come could dinner doctor door
  evening everything family first flowers found friday friend garden going good happy have hello home hope hour house just
  keys kitchen know last late later leave letter little long love lunch maybe meeting message minutes money monday morning
  much need never next night nothing number office often other parcel party people phone photo plane please pretty question
  quickly rain ready really right school shopping should sister something soon station still street sunday sure thanks there
  thing think ticket today together tomorrow tonight train under until visit waiting weather week weekend when where with
  without work would write yellow yesterday`.split(/\s+/);
const textChars = 100;
const names = 'Ada Bruno Chiara Davide Elena Fabio Giulia Hugo Irene Luca Marta Nonna'.split(' ');

/** Records a day with these kinds together, because one may pay for the deferred writes of another. Needs DynamoDB Local. */
export async function recordDay(of: readonly Kind[]): Promise<DayRecord> {
  const local = new DynamoDbLocal();
  const folder = mkdtempSync(join(tmpdir(), 'homeline-cost-'));
  await local.start();
  await local.createTable('cost');
  const shadow = new Shadow();
  const open = (meter: Meter) =>
    new DynamoStore({
      client: meter.watch(local.client()),
      table: 'cost',
      blobs: new FolderBlobs(folder),
      clock,
    });
  const [worker, object] = [new Meter(shadow), new Meter(shadow)];
  const workerStore = open(worker);
  const home = new SleepingHome(() => open(object));
  try {
    await workerStore.start();
    const day = new Day(workerStore, home, worker, object, shadow);
    return await day.run(of);
  } finally {
    await workerStore.stop();
    await home.hibernate();
    await local.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const clock = { nowMs: Date.UTC(2026, 10, 22), now: () => clock.nowMs };

const around: Omit<HubDeps, 'store'> = {
  clock,
  deadlines: {
    after: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => clearTimeout(timer);
    },
  },
  log: { info: () => undefined, warn: console.error, error: console.error },
  observer: { call: () => {}, event: () => {}, tunnel: () => {}, watcher: () => {} },
  heartbeatMs: 45_000,
};

/**
 * The home's object: created for each operation and evicted after it, so that its store remembers nothing of the home.
 * Starting the store is not counted: an isolate does it once for all homes.
 */
class SleepingHome {
  readonly agent = new CountedAgent();
  readonly #openStore: () => DynamoStore;
  #life: { hub: HomeHub; store: DynamoStore } | undefined;
  #next: DynamoStore | undefined;
  requests = 0;
  /** Processor milliseconds of calls that the Worker waited for. */
  cpuMs = 0;

  constructor(openStore: () => DynamoStore) {
    this.#openStore = openStore;
  }

  /** A billed request from outside. */
  readonly hubs: Hubs = {
    home: () => homeHandle((operation, args) => this.#asked((hub) => invokeOperation(hub, operation, args))),
  };

  dial(agent: AgentIdentity): Promise<void> {
    return this.#asked(async (hub) => {
      this.agent.tunnel = hub.attach(this.agent, agent);
    });
  }

  async hangUp(): Promise<void> {
    const hub = this.awake();
    if (this.agent.tunnel !== undefined) await hub.detach(this.agent.tunnel);
    this.agent.attachment = undefined;
  }

  awake(): HomeHub {
    if (this.#life !== undefined) return this.#life.hub;
    if (this.#next === undefined) throw new Error('The home sleeps, and its next life was not prepared.');
    const { attachment } = this.agent;
    const store = this.#next;
    const hub = new HomeHub(home, { ...around, store }, attachment);
    this.#life = { hub, store };
    if (attachment !== undefined) this.agent.tunnel = hub.resume(this.agent, attachment);
    return hub;
  }

  async hibernate(): Promise<void> {
    await this.#life?.store.stop();
    this.#life = undefined;
  }

  /** Runs before the recording. */
  async prepare(): Promise<void> {
    this.#next = this.#openStore();
    await this.#next.start();
  }

  async #asked<Answer>(ask: (hub: HomeHub) => Promise<Answer>): Promise<Answer> {
    this.requests++;
    const beforeMs = processorMs();
    try {
      return await ask(this.awake());
    } finally {
      this.cpuMs += processorMs() - beforeMs;
    }
  }
}

/** Its phone accepts every message and then lists it as sent. */
class CountedAgent extends LinkedAgent {
  said = 0;
  calls = 0;
  seq = 0;
  acked = 0;

  override says(frame: Parameters<LinkedAgent['says']>[0]): void {
    this.said++;
    super.says(frame);
  }

  override keep(attachment: SocketAttachment): void {
    super.keep(attachment);
    this.acked = attachment.ackedSeq;
  }

  override send(frameText: string): void {
    super.send(frameText);
    const frame = this.frames.at(-1);
    if (frame?.type !== 'call') return;
    const { id, key = '', action } = frame;
    // This is a probe, and the object does not wait for its answer.
    if (action === 'GetTelephonyIdentity') {
      queueMicrotask(() => this.says({ type: 'result', id, arguments: { TelephonyIdentity: '' } }));
      return;
    }
    this.calls++;
    const sent = frame.arguments.MessageToSend as ReturnType<typeof phoneMessage> | undefined;
    queueMicrotask(() => {
      const shown = `phone-${key}`;
      this.says({ type: 'result', id, arguments: sent === undefined ? {} : { MessageID: shown } });
      if (sent !== undefined) this.shows(key, { ...sent, messageId: shown, folder: 'Sent' });
    });
  }

  proves(): void {
    this.events([++this.seq, { type: 'phone.answered', udn, epoch: 0 }]);
  }

  shows(id: string, message: ReturnType<typeof phoneMessage>): void {
    const event = {
      type: 'message.put',
      udn,
      epoch: 0,
      id,
      message,
      fingerprint: fingerprintOf(message),
    };
    this.events([++this.seq, event]);
  }
}

class Day {
  readonly #workerStore: DynamoStore;
  readonly #meters: { worker: Meter; object: Meter };
  readonly #shadow: Shadow;
  readonly #home: SleepingHome;
  readonly #app;
  #authorization = '';
  #agentAuthorization = '';
  /** Identifiers of received messages, ordered by time like an agent's. */
  readonly #ids: string[] = [];
  #requests = 0;
  #workerCpuMs = 0;

  constructor(workerStore: DynamoStore, home: SleepingHome, worker: Meter, object: Meter, shadow: Shadow) {
    this.#workerStore = workerStore;
    this.#meters = { worker, object };
    this.#shadow = shadow;
    this.#home = home;
    this.#app = createApp({
      store: workerStore,
      hubs: this.#home.hubs,
      access: new Access({ store: workerStore, clock }),
      clock,
      deadlines: around.deadlines,
      log: around.log,
      serveAgent: async (_, agent): Promise<SocketHandler> => {
        await this.#home.dial(agent);
        return { open: () => ({ text: () => undefined, closed: () => undefined }) };
      },
      isOurs: () => true,
      isSecure: () => true,
    });
  }

  async run(of: readonly Kind[]): Promise<DayRecord> {
    await this.#home.prepare();
    await this.#moveIn();
    const record = new Map(of.map((kind) => [kind, empty()]));
    const steps: Record<Kind, (n: number) => Promise<void>> = {
      reconnect: () => this.#reconnect(),
      probe: () => this.#probe(),
      'message in': (n) => this.#receive(n),
      'message out': (n) => this.#send(n),
      'message read': (n) => this.#read(n),
      'list page': (n) => this.#list(n),
      dashboard: (n) => this.#visit(n),
    };
    // Operations of all kinds in turn, by their share of the day.
    const rounds = Math.max(...of.map((kind) => times[kind]));
    for (let round = 0; round < rounds; round++) {
      for (const [kind, counts] of record) {
        if (counts.times >= ((round + 1) * times[kind]) / rounds) continue;
        clock.nowMs += kind === 'probe' ? probeMs : minuteMs;
        await this.#count(counts, () => steps[kind](counts.times));
      }
    }
    return Object.fromEntries(record);
  }

  async #moveIn(): Promise<void> {
    const access = new Access({ store: this.#workerStore, clock });
    await this.#workerStore.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
    const grant = { account: 'account', home, name: 'cost' };
    this.#authorization = `Bearer ${(await access.issue('api', { ...grant, scopes: ['*'] })).token}`;
    this.#agentAuthorization = `Bearer ${(await access.issue('agent', { ...grant, scopes: ['phones:approve'] })).token}`;
    await this.#reconnect();
    await this.#settle();
    for (let n = 0; n < people * earlier; n++) {
      this.#receiveAt(n, 'Read');
      if (n % 20 === 19) await this.#acknowledged();
    }
    await this.#acknowledged();
    await this.#settle();
  }

  async #reconnect(): Promise<void> {
    const { agent } = this.#home;
    if (agent.tunnel !== undefined) await this.#home.hangUp();
    const seen = agent.of('approvals').length;
    const headers = {
      authorization: this.#agentAuthorization,
      upgrade: 'websocket',
      'sec-websocket-protocol': 'homeline.v1',
    };
    await this.#fetch('GET', '/tunnel', undefined, headers);
    agent.hello(agent.seq + 1);
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    while (agent.of('approvals').length === seen) await sleep(5);
  }

  async #probe(): Promise<void> {
    this.#home.awake();
    const { agent } = this.#home;
    const proofs = agent.of('call').length;
    agent.proves();
    await this.#acknowledged();
    if (agent.of('call').length === proofs) throw new Error('The way to the phones was not put to the proof.');
  }

  async #receive(n: number): Promise<void> {
    this.#receiveAt(people * earlier + n, 'Unread');
    await this.#acknowledged();
  }

  async #read(n: number): Promise<void> {
    this.#receiveAt(people * earlier + n, 'Read');
    await this.#acknowledged();
  }

  #receiveAt(n: number, status: 'Unread' | 'Read'): void {
    this.#home.awake();
    const message = phoneMessage({ messageId: `phone-${n}`, from: personOf(n), body: textOf(`in ${n}`), status });
    this.#ids[n] ??= `m_${newUlid(clock.nowMs)}`;
    this.#home.agent.shows(this.#ids[n], message);
  }

  async #send(n: number): Promise<void> {
    const draft = { messageClass: 'SMS', to: [{ address: personOf(n).address }], body: textOf(`out ${n}`) };
    await this.#fetch('POST', `/homes/${home}/messages`, draft, { 'idempotency-key': `key-${n}` });
    await this.#acknowledged();
  }

  async #list(n: number): Promise<void> {
    const query = new URLSearchParams({ conversation: personOf(n).address, limit: '50' });
    await this.#fetch('GET', `/homes/${home}/messages?${query}`);
  }

  /** The requests of a dashboard that opens. */
  async #visit(n: number): Promise<void> {
    this.#requests += dashboardFiles.always + (n === 0 ? dashboardFiles.kept : 0);
    for (const path of ['/me', '/homes', `/homes/${home}`, `/homes/${home}/conversations?limit=50`]) {
      await this.#fetch('GET', path);
    }
    const stream = await this.#fetch('GET', `/homes/${home}/events`);
    await stream.body?.cancel();
  }

  async #fetch(method: string, path: string, body?: object, more: Record<string, string> = {}): Promise<Response> {
    this.#requests++;
    const headers = { authorization: this.#authorization, 'content-type': 'application/json', ...more };
    const request = new Request(`https://cloud.example/v1${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    // While the Worker waits for the object, the processor time is the object's.
    const [beforeMs, objectBeforeMs] = [processorMs(), this.#home.cpuMs];
    const answer = await this.#app.fetch(request, { accept: () => undefined });
    this.#workerCpuMs += processorMs() - beforeMs - (this.#home.cpuMs - objectBeforeMs);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async #acknowledged(): Promise<void> {
    while (this.#home.agent.acked < this.#home.agent.seq) await sleep(2);
  }

  async #settle(): Promise<void> {
    const { worker, object } = this.#meters;
    for (let quiet = 0; quiet < 5; quiet++) {
      if (worker.underWay + object.underWay > 0) quiet = 0;
      await sleep(4);
    }
  }

  async #count(counts: Counts, step: () => Promise<void>): Promise<void> {
    await this.#home.hibernate();
    await this.#home.prepare();
    const before = this.#total();
    await step();
    await this.#settle();
    const after = this.#total();
    counts.times++;
    for (const name of Object.keys(after) as (keyof typeof after)[]) {
      counts[name] = Math.round((counts[name] + after[name] - before[name]) * 1_000) / 1_000;
    }
  }

  #total(): Omit<Counts, 'times'> {
    const { worker, object } = this.#meters;
    const both = (name: keyof Consumption) => worker.spent[name] + object.spent[name];
    const { agent } = this.#home;
    return {
      workerRequests: this.#requests,
      cpuMs: this.#workerCpuMs,
      objectRequests: this.#home.requests,
      frames: agent.said,
      objectTrips: object.spent.turns,
      objectCpuMs: processorMs() - this.#workerCpuMs,
      phoneCalls: agent.calls,
      readUnits: both('readUnits'),
      tableWriteUnits: both('tableWriteUnits'),
      indexWriteUnits: both('indexWriteUnits'),
      receivedBytes: both('receivedBytes'),
      keptBytes: this.#shadow.keptBytes,
    };
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function empty(): Counts {
  return {
    times: 0,
    workerRequests: 0,
    cpuMs: 0,
    objectRequests: 0,
    frames: 0,
    objectTrips: 0,
    objectCpuMs: 0,
    phoneCalls: 0,
    readUnits: 0,
    tableWriteUnits: 0,
    indexWriteUnits: 0,
    receivedBytes: 0,
    keptBytes: 0,
  };
}

function personOf(n: number) {
  return { address: `+39011000${String(n % people).padStart(2, '0')}`, displayName: names[n % people] ?? '' };
}

/** About 100 letters; the same seed gives the same text. */
function textOf(seed: string): string {
  let text = '';
  for (let n = 0; text.length < textChars; n++) {
    const [first = 0, second = 0] = createHash('sha256').update(`${seed} ${n}`).digest();
    text += `${words[(first * 256 + second) % words.length]} `;
  }
  return `${text.trim()}.`;
}
