// One home: its tunnel, the calls and sends that go down it, the events that come up it, and their watchers.
import { actions } from '../../protocol/actions.ts';
import { effectOf, GatewayError } from '../../protocol/errors.ts';
import { closeCodes, type DeadLetterOutcome } from '../../protocol/frames.ts';
import type { DeadLetter, Home, HomeEvent, Phone, Trouble } from '../../protocol/model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Durability, Write } from '../store/store.ts';
import type { BackgroundTask } from './background-task.ts';
import { Calls } from './calls.ts';
import { HomeDeadLetters } from './dead-letters.ts';
import { PhoneChoice } from './delivery/phone-choice.ts';
import { SendQueue } from './delivery/queue.ts';
import { settingsOf } from './home-settings.ts';
import type { HubDeps } from './hub-deps.ts';
import type { CallAnswer, HomeHandle, PhoneCall, SendOutcome, Watch, WatchToken } from './hubs.ts';
import { type AgentIdentity, type Link, noActivity, type SocketAttachment } from './link.ts';
import { PhoneRegistry, type PhoneRegistrySnapshot } from './phone-registry.ts';
import { Retention } from './retention.ts';
import { isUnavailable } from './store-absence.ts';
import { Tunnel, type TunnelHome } from './tunnel.ts';
import { Watchers } from './watchers.ts';

/** Grace period: a router redial or a deploy takes less than this and is not reported as offline. */
const offlineGraceMs = 5_000;

export class HomeHub implements HomeHandle {
  readonly id: string;
  readonly #deadLetters: HomeDeadLetters;
  readonly #deps: HubDeps;
  readonly #phoneRegistry: PhoneRegistry;
  readonly #phoneChoice: PhoneChoice;
  readonly #calls: Calls;
  readonly #sends: SendQueue;
  readonly #watchers: Watchers;
  readonly #backgroundTasks: readonly BackgroundTask[];
  readonly #tunnelHome: TunnelHome;
  #tunnel: Tunnel | undefined;
  #published: Promise<void> = Promise.resolve();
  #stopping = false;
  /** Whether `status` answered offline during the grace period, of which watchers are told nothing. */
  #wasShownOffline = false;
  #lastActivity = noActivity;
  /** Since when no agent is connected, epoch milliseconds. */
  #awaySinceMs: number | undefined;
  #cancelGracePeriod: (() => void) | undefined;

  /** `snapshot`: from the attachment of a socket that survived eviction. */
  constructor(id: string, deps: HubDeps, snapshot: PhoneRegistrySnapshot = { online: [] }) {
    this.id = id;
    this.#deps = deps;
    this.#phoneRegistry = new PhoneRegistry(id, deps.store, snapshot);
    this.#phoneChoice = new PhoneChoice(this.#phoneRegistry, () => this.#online());
    this.#calls = new Calls(id, deps);
    this.#deadLetters = new HomeDeadLetters(this.#phoneRegistry, this.#calls, () => this.#online());
    this.#watchers = new Watchers(id, deps);
    this.#sends = new SendQueue(id, deps, {
      commit: (writes, durability) => this.commit(writes, undefined, durability),
      phoneFor: (record) => this.#phoneChoice.phoneFor(record),
      call: (call) => this.#begin(call),
      awaySinceMs: () => this.#awaySinceMs,
    });
    const taskHome = {
      id,
      phones: () => this.#phoneRegistry.phones.map((phone) => phone.id),
      commit: (writes: readonly Write[]) => this.#commit(writes),
    };
    this.#backgroundTasks = [new Retention(taskHome, deps)];
    this.#tunnelHome = {
      id,
      phoneRegistry: this.#phoneRegistry,
      calls: this.#calls,
      commit: (writes, onStored) => this.commit(writes, onStored),
      phonesChanged: () => this.#sends.drain(),
      corrections: () => this.#corrections(),
      livenessChanged: () => this.#livenessChanged(),
    };
  }

  /** Handles sends that became due, and a home that went offline, while this hub was not in memory. May run again. */
  async start(): Promise<void> {
    await this.#phoneRegistry.load();
    if (this.#tunnel === undefined) await this.#loadAbsence();
    await this.#sends.expire();
    for (const task of this.#backgroundTasks) void task.run();
    if (this.#tunnel?.greeted === true) this.#sends.drain();
  }

  /** Drains the home: tells its watchers and its agent (within `spreadMs`) to reconnect, and fails calls in flight. */
  async stop(spreadMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelGracePeriod?.();
    this.#sends.stop();
    const tunnel = this.#tunnel;
    if (tunnel !== undefined) {
      tunnel.send({ type: 'drain', spreadMs });
      tunnel.close(1001, 'the cloud stops');
      await this.detach(tunnel);
    }
    await Promise.all(this.#backgroundTasks.map((task) => task.stop()));
    this.#watchers.end('draining');
    await this.#published;
  }

  /** Takes a new link, which the host has authenticated. It replaces the one before. */
  attach(link: Link, { id, name, mayApprove }: AgentIdentity): Tunnel {
    const nowMs = this.#deps.clock.now();
    const attachment: SocketAttachment = {
      agent: { id, name },
      mayApprove,
      bootId: null,
      ackedSeq: 0,
      online: [],
      lastActivity: this.#lastActivity,
      probedMs: nowMs,
    };
    link.keep(attachment);
    return this.#setTunnel(new Tunnel(link, attachment, this.#tunnelHome, this.#deps));
  }

  /** Takes a link that survived hibernation or eviction. */
  resume(link: Link, attachment: SocketAttachment): Tunnel {
    return this.#setTunnel(new Tunnel(link, attachment, this.#tunnelHome, this.#deps));
  }

  /** The link of this tunnel is closed. */
  async detach(tunnel: Tunnel): Promise<void> {
    tunnel.closed();
    if (this.#tunnel !== tunnel) return;
    this.#tunnel = undefined;
    this.#lastActivity = tunnel.lastActivity;
    this.#deps.observer.tunnel(-1);
    this.#calls.lost();
    this.#phoneRegistry.setOnline([]);
    this.#phoneRegistry.setTroubles([]);
    this.#awaySinceMs = this.#deps.clock.now();
    this.#startGracePeriod();
  }

  async status(): Promise<Home | undefined> {
    const [record] = await Promise.all([this.#deps.store.homes.get(this.id), this.#phoneRegistry.load()]);
    if (record === undefined) return undefined;
    const activity = this.#tunnel?.lastActivity ?? this.#lastActivity;
    this.#tunnel?.probe();
    if (record.online && this.#tunnel?.hasShownPhones !== true) this.#wasShownOffline = true;
    const trouble = this.#trouble();
    return {
      id: record.id,
      name: record.name,
      online: this.#tunnel?.greeted === true,
      since: timeOf((this.#tunnel === undefined ? this.#awaySinceMs : undefined) ?? record.sinceMs),
      agent: record.agent,
      phones: this.#phoneRegistry.phones,
      ...settingsOf(record),
      ...(trouble !== undefined && { trouble }),
      flow: { fromPhones: timeOf(activity.fromPhonesMs), toPhones: timeOf(activity.toPhonesMs) },
      ...this.#tunnel?.counts,
    };
  }

  /** Run every few seconds by a host whose timers cost nothing, so that watchers are told when the agent stops answering. */
  probeIfWatched(): void {
    if (!this.#watchers.isEmpty) this.#tunnel?.probe();
  }

  #trouble(): Trouble | undefined {
    const trouble = this.#deps.storeTrouble?.();
    if (trouble !== undefined || this.#tunnel?.isSilent !== true) return trouble;
    const detail =
      `The agent “${this.#tunnel.agent.name}” is connected but does not answer. The machine that it runs on may be ` +
      'suspended, overloaded or cut off. Messages wait until it answers. If it does not, restart the agent.';
    return { code: 'agent-silent', detail };
  }

  #livenessChanged(): void {
    this.commit([{ type: 'home.updated' }]).catch((error) => {
      if (isUnavailable(error)) return;
      this.#deps.log.warn('home.silence-not-stored', { home: this.id, error: String(error) });
    });
  }

  /** The store makes an event of `online` only after one of `offline`; clients that read `status` in between need one too. */
  #corrections(): Write[] {
    if (!this.#wasShownOffline) return [];
    this.#wasShownOffline = this.#tunnel?.hasShownPhones !== true;
    return [{ type: 'home.updated' }];
  }

  async call(call: PhoneCall): Promise<CallAnswer> {
    await this.#phoneRegistry.load();
    try {
      return await this.#begin(call);
    } catch (error) {
      if (!(error instanceof GatewayError) || actions[call.action].repeatable) throw error;
      if (effectOf(error) !== 'pending' || error.code === 'outcome-pending') throw error;
      if (call.key !== undefined) {
        // Asked again under the same key, the agent answers the outcome.
        const detail = `${error.message} Whether it did ${call.action} is told when it is repeated under its Idempotency-Key.`;
        throw new GatewayError('outcome-pending', detail, { cause: error });
      }
      const detail = `${error.message} ${call.action} may or may not have happened: look before trying again.`;
      throw new GatewayError('outcome-unknown', detail, { cause: error });
    }
  }

  async send(record: MessageRecord, ifOffline: 'queue' | 'fail', requestId?: string): Promise<SendOutcome> {
    await this.#phoneRegistry.load();
    const phone = record.phone ?? this.#phoneChoice.meant() ?? null;
    const isNobodyKnown = this.#phoneRegistry.phones.length === 0 && this.#tunnel?.greeted !== true;
    if (phone !== null || isNobodyKnown) return this.#sends.send({ ...record, phone }, ifOffline, requestId);
    return this.#sends.earlier(record.id, new GatewayError('invalid-request', 'Say which phone is to send this.'));
  }

  /** Watchers get commits in the order in which they began, which is the order of the store's event ids. */
  commit(writes: readonly Write[], onStored?: () => void, durability?: Durability): Promise<HomeEvent[]> {
    const follow = () => {
      onStored?.();
      for (const task of this.#backgroundTasks) task.follow(writes);
    };
    return this.#commit(writes, follow, durability);
  }

  #commit(writes: readonly Write[], onStored?: () => void, durability?: Durability): Promise<HomeEvent[]> {
    const stored = this.#deps.store.commit(this.id, writes, durability).then((events) => {
      onStored?.();
      return events;
    });
    const published = this.#published.then(async () => {
      const events = await stored;
      this.#watchers.publish(events);
      return events;
    });
    this.#published = published.then(nothing, nothing);
    return published;
  }

  async watch(after?: string, token?: WatchToken): Promise<Watch> {
    return this.#watchers.watch(after, token);
  }

  async endWatches(token: string): Promise<void> {
    this.#watchers.endOf(token);
  }

  async approve(id: string, approved: boolean, change?: string): Promise<Phone | undefined> {
    await this.#phoneRegistry.load();
    const isChange = this.#phoneRegistry.phones.some(
      (phone) => phone.id === id && (phone.approved !== approved || phone.changed !== undefined),
    );
    const changed = this.#phoneRegistry.change(
      () => this.#deps.store.phones.approve(this.id, id, approved, change),
      (phone) => phone && this.#phoneRegistry.update(phone),
    );
    this.#tunnel?.keepPhoneRegistry();
    const record = await changed;
    this.#tunnel?.keepPhoneRegistry();
    if (record === undefined) return undefined;
    const phone = this.#phoneRegistry.phoneOf(record);
    if (this.#tunnel?.greeted) this.#tunnel.send(this.#phoneRegistry.approvals);
    await this.commit([{ type: 'phone.status', phone }, ...(isChange ? [{ type: 'home.updated' } as const] : [])]);
    if (approved) this.#sends.drain();
    return phone;
  }

  deadLetters(page: PageRequest): Promise<Page<DeadLetter>> {
    return this.#deadLetters.list(page);
  }

  settleDeadLetter(id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome> {
    return this.#deadLetters.settle(id, step);
  }

  async dismiss(agent: string): Promise<void> {
    const tunnel = this.#tunnel;
    if (tunnel?.agent.id !== agent) return;
    tunnel.close(closeCodes.revoked, 'the token was revoked');
    await this.detach(tunnel);
  }

  #setTunnel(tunnel: Tunnel): Tunnel {
    if (this.#stopping) {
      tunnel.close(1001, 'the cloud stops');
      return tunnel;
    }
    const old = this.#tunnel;
    this.#tunnel = tunnel;
    this.#cancelGracePeriod?.();
    this.#cancelGracePeriod = undefined;
    if (old === undefined) this.#deps.observer.tunnel(1);
    else {
      // No `offline` event: the home stays online.
      old.close(closeCodes.replaced, 'another connection of this home took over');
      this.#calls.lost();
    }
    return tunnel;
  }

  #begin(call: PhoneCall): Promise<CallAnswer> {
    try {
      const { phone, tunnel } = this.#phoneChoice.reachable(call.phone);
      tunnel.probe();
      return this.#calls.begin(tunnel.link, phone.udn, call);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #online(): Tunnel {
    if (this.#tunnel?.greeted === true) return this.#tunnel;
    const detail = 'No agent of this home is connected. See that it runs and reaches the cloud.';
    throw new GatewayError('home-offline', detail);
  }

  /** No agent is connected at the start: a home that is stored as online gets a grace period. */
  async #loadAbsence(): Promise<void> {
    const record = await this.#deps.store.homes.get(this.id);
    if (record === undefined) return;
    this.#awaySinceMs = record.online ? this.#deps.clock.now() : (record.sinceMs ?? undefined);
    if (record.online) this.#startGracePeriod();
  }

  #startGracePeriod(): void {
    this.#cancelGracePeriod?.();
    if (this.#stopping) return;
    this.#cancelGracePeriod = this.#deps.deadlines.after(this.#deps.offlineGraceMs ?? offlineGraceMs, () => {
      this.#storeOffline().catch((error) => {
        // The host reports an unavailable store, once.
        if (!isUnavailable(error)) {
          this.#deps.log.warn('home.offline-not-stored', { home: this.id, error: String(error) });
        }
        if (this.#tunnel === undefined) this.#startGracePeriod();
      });
    });
  }

  async #storeOffline(): Promise<void> {
    const record = await this.#deps.store.homes.get(this.id);
    if (record === undefined || this.#tunnel !== undefined) return;
    await this.commit([
      ...this.#phoneRegistry.phones.map((phone) => ({ type: 'phone.status', phone }) as const),
      { type: 'home.status', online: false, agent: record.agent },
    ]);
    // From here on events tell watchers and readers alike.
    this.#wasShownOffline = false;
  }
}

/** Drops the value of an awaited commit, which `#published` would otherwise keep in memory. */
const nothing = () => undefined;

function timeOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}
