// All homes in one process: a hub is made when its home is first asked for, and kept.
import { GatewayError } from '../../protocol/errors.ts';
import type { DeadLetterOutcome } from '../../protocol/frames.ts';
import type { DeadLetter, Home, HomeEvent, Phone } from '../../protocol/model.ts';
import type { MessageRecord, Page, PageRequest, Write } from '../store/store.ts';
import { HomeHub } from './home-hub.ts';
import type { HubDeps } from './hub-deps.ts';
import type { CallAnswer, Hubs, PhoneCall, SendOutcome, Watch, WatchToken } from './hubs.ts';

/** How long a drained fleet takes to come back, so that it does not all at once: 500 a second. */
const shortestSpreadMs = 2_000;
const spreadMsEach = 2;
/** How often homes that are watched are looked at. */
const lookMs = 5_000;

export class LocalHubs implements Hubs {
  readonly #deps: HubDeps;
  readonly #hubs = new Map<string, Promise<HomeHub>>();
  readonly #made = new Set<HomeHub>();
  #cancelLook: (() => void) | undefined;

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  async stop(): Promise<void> {
    this.#cancelLook?.();
    this.#made.clear();
    const hubs = await Promise.allSettled(this.#hubs.values());
    const spreadMs = Math.max(shortestSpreadMs, hubs.length * spreadMsEach);
    await Promise.all(hubs.map((hub) => (hub.status === 'fulfilled' ? hub.value.stop(spreadMs) : undefined)));
    this.#hubs.clear();
  }

  /** The hub of a home that exists. Throws `not-found`. */
  async hub(home: string): Promise<HomeHub> {
    let hub = this.#hubs.get(home);
    if (hub === undefined) {
      hub = this.#make(home);
      this.#hubs.set(home, hub);
      // What failed once (no such home, no store) is asked anew.
      hub.catch(() => this.#hubs.delete(home));
    }
    return hub;
  }

  async status(home: string): Promise<Home | undefined> {
    return (await this.hub(home)).status();
  }

  async call(home: string, call: PhoneCall): Promise<CallAnswer> {
    return (await this.hub(home)).call(call);
  }

  async commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    return (await this.hub(home)).commit(writes);
  }

  async send(
    home: string,
    record: MessageRecord,
    ifOffline: 'queue' | 'fail',
    requestId?: string,
  ): Promise<SendOutcome> {
    return (await this.hub(home)).send(record, ifOffline, requestId);
  }

  async watch(home: string, after: string | undefined, token: WatchToken): Promise<Watch> {
    return (await this.hub(home)).watch(after, token);
  }

  async endWatches(home: string, token: string): Promise<void> {
    // A home without a hub has no watchers.
    (await this.#hubs.get(home)?.catch(() => undefined))?.endWatches(token);
  }

  async approve(home: string, phone: string, approved: boolean, change?: string): Promise<Phone | undefined> {
    return (await this.hub(home)).approve(phone, approved, change);
  }

  async deadLetters(home: string, page: PageRequest): Promise<Page<DeadLetter>> {
    return (await this.hub(home)).deadLetters.list(page);
  }

  async settleDeadLetter(home: string, id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome> {
    return (await this.hub(home)).deadLetters.settle(id, step);
  }

  async dismiss(home: string, agent: string): Promise<void> {
    await (await this.hub(home)).dismiss(agent);
  }

  async #make(home: string): Promise<HomeHub> {
    if ((await this.#deps.store.getHome(home)) === undefined) {
      throw new GatewayError('not-found', 'There is no such home.');
    }
    const hub = new HomeHub(home, this.#deps);
    await hub.start();
    this.#made.add(hub);
    if (this.#made.size === 1) this.#lookLater();
    return hub;
  }

  #lookLater(): void {
    this.#cancelLook = this.#deps.deadlines.after(lookMs, () => {
      for (const hub of this.#made) hub.look();
      this.#lookLater();
    });
  }
}
