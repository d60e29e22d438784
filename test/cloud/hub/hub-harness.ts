// A hub without a host: links in memory, a manual clock, the real SQLite store with injected faults.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HomeHub } from '../../../cloud/hub/home-hub.ts';
import type { Deadlines, HubDeps } from '../../../cloud/hub/hub-deps.ts';
import type { Link, SocketAttachment } from '../../../cloud/hub/link.ts';
import type { PhoneRegistrySnapshot } from '../../../cloud/hub/phone-registry.ts';
import type { Tunnel } from '../../../cloud/hub/tunnel.ts';
import { interceptStore } from '../../../cloud/store/intercept.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Store, Write } from '../../../cloud/store/store.ts';
import { GatewayError } from '../../../protocol/errors.ts';
import {
  type CloudFrame,
  type EdgeEvent,
  type EdgeFrame,
  type FrameOf,
  heartbeat,
  type PhonePresence,
} from '../../../protocol/frames.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';

export const udn = 'uuid:phone-1';

/** A clock and deadlines that the test moves. */
export class HandClock implements Deadlines {
  nowMs = Date.UTC(2026, 10, 22, 12);
  readonly waiting = new Map<object, { atMs: number; fire: () => void }>();

  now(): number {
    return this.nowMs;
  }

  after(ms: number, fire: () => void): () => void {
    const key = {};
    this.waiting.set(key, { atMs: this.nowMs + ms, fire });
    return () => this.waiting.delete(key);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const [key, { atMs, fire }] of [...this.waiting]) {
      if (atMs > this.nowMs || !this.waiting.delete(key)) continue;
      fire();
    }
  }
}

/** An agent at the other end of a link in memory. */
export class LinkedAgent implements Link {
  readonly frames: CloudFrame[] = [];
  attachment: SocketAttachment | undefined;
  closed: { code: number; reason: string } | undefined;
  tunnel: Tunnel | undefined;
  isPaused = false;
  /** How often the hub sent `ping`. */
  pings = 0;

  send(text: string): void {
    if (text === heartbeat.ping) this.pings++;
    else this.frames.push(JSON.parse(text));
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }

  keep(attachment: SocketAttachment): void {
    this.attachment = structuredClone(attachment);
  }

  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
  }

  says(frame: EdgeFrame): void {
    this.tunnel?.receive(JSON.stringify(frame));
  }

  hello(firstSeq = 1, bootId = 'boot', features?: string[]): void {
    const more = features === undefined ? {} : { features };
    this.says({ type: 'hello', protocol: [1], software: 'linked 1.0', bootId, firstSeq, ...more });
  }

  events(...events: [seq: number, event: unknown][]): void {
    const time = '2026-11-22T12:00:00.000Z';
    this.says({ type: 'events', events: events.map(([seq, event]) => ({ seq, time, event })) });
  }

  of<Type extends CloudFrame['type']>(type: Type): FrameOf<CloudFrame, Type>[] {
    return this.frames.filter((frame): frame is FrameOf<CloudFrame, Type> => frame.type === type);
  }

  /** Answers the latest call. */
  answer(given: Record<string, unknown>): void {
    const id = this.of('call').at(-1)?.id ?? '';
    this.says({ type: 'result', id, arguments: given });
  }

  fail(code: string, more: { upnpCode?: number; upnpDescription?: string } = {}): void {
    const id = this.of('call').at(-1)?.id ?? '';
    this.says({ type: 'failure', id, code, detail: 'as the test says', ...more });
  }
}

export class HubHarness {
  readonly #folder = mkdtempSync(join(tmpdir(), 'homeline-hub-'));
  readonly clock = new HandClock();
  readonly #sqlite = new SqliteStore({ path: join(this.#folder, 'cloud.db'), clock: this.clock });
  readonly logged: string[] = [];
  /** While set, commits fail with its error. */
  fault: ((writes: readonly Write[]) => Error | undefined) | undefined;
  /** While set, commits are stored and then fail with its error. */
  lost: ((writes: readonly Write[]) => Error | undefined) | undefined;
  commits: (readonly Write[])[] = [];
  reads = 0;
  hub!: HomeHub;

  async start(): Promise<void> {
    await this.#sqlite.start();
    await this.#sqlite.homes.create({ id: 'home', account: 'a', name: 'Home', owner: 'Ada' });
    await this.revive();
  }

  /** A new hub over the same store, as after a restart or an eviction. */
  async revive(snapshot?: PhoneRegistrySnapshot): Promise<void> {
    this.hub = new HomeHub('home', this.deps, snapshot);
    if (snapshot === undefined) await this.hub.start();
  }

  async stop(): Promise<void> {
    await this.hub.stop(0);
    await this.#sqlite.stop();
    rmSync(this.#folder, { recursive: true });
  }

  get store(): Store {
    return this.#sqlite;
  }

  get deps(): HubDeps {
    const log = (event: string) => this.logged.push(event);
    return {
      store: this.#faulty(),
      clock: this.clock,
      deadlines: this.clock,
      log: { info: log, warn: log, error: log },
      observer: { call: () => {}, event: () => {}, tunnel: () => {}, watcher: () => {} },
      heartbeatMs: 30_000,
    };
  }

  attach(id = 't_agent'): LinkedAgent {
    const agent = new LinkedAgent();
    agent.tunnel = this.hub.attach(agent, { id, name: 'agent', mayApprove: true });
    return agent;
  }

  /** Connects an agent with one trusted phone; answers the phone's id too. */
  async online(...phones: PhonePresence[]): Promise<{ agent: LinkedAgent; phone: string }> {
    const agent = this.attach();
    agent.hello();
    agent.says({ type: 'phones', phones: phones.length > 0 ? phones : [presence(udn, { trusted: true })] });
    await settled(() => agent.of('approvals').length > 0);
    const phone = (await this.store.phones.list('home'))[0]?.id ?? '';
    await settled(async () => (await this.hub.status())?.phones.some((each) => each.online) === true);
    await settled(() => this.commits.at(-1)?.[0]?.type === 'phone.status');
    // Earlier events are published before this resolves, so a later watcher does not get them.
    await this.hub.commit([]);
    return { agent, phone };
  }

  async follow(after?: string): Promise<{ events: HomeEvent[]; types(): string[]; stop(): void }> {
    const watch = await this.hub.watch(after);
    const events: HomeEvent[] = [];
    void (async () => {
      for (let event = await watch.next(); event !== undefined; event = await watch.next()) {
        if (event.type !== 'reset') events.push(event);
      }
    })();
    return { events, types: () => events.map((event) => event.type), stop: () => watch.stop() };
  }

  #faulty(): Store {
    return interceptStore(this.#sqlite, (operation, call, given) => {
      if (operation === 'commit') return this.#commit(call, given[1] as readonly Write[]);
      this.reads++;
      return call();
    });
  }

  async #commit(call: () => unknown, writes: readonly Write[]): Promise<unknown> {
    const fault = this.fault?.(writes);
    if (fault !== undefined) throw fault;
    this.commits.push(writes);
    const events = await call();
    const lost = this.lost?.(writes);
    if (lost !== undefined) throw lost;
    return events;
  }
}

export const unavailable = () => new GatewayError('store-unavailable', 'The store is away.');

export function put(n: number, message: Partial<PhoneMessage> = {}): EdgeEvent {
  return {
    type: 'message.put',
    udn,
    epoch: 0,
    id: messageId(n),
    message: phoneMessage({ messageId: `m-${n}`, ...message }),
    fingerprint: `f-${n}`,
  };
}

/** Waits until `isSo`, for at most 2,000 turns of the event loop. */
export async function settled(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2_000; turn++) {
    if (await isSo()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`This never became true: ${isSo}`);
}
