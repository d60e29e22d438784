// The store under test, with the steps that most contract tests share.
import type { Clock } from '../../../cloud/store/clock.ts';
import type { MessageFilter } from '../../../cloud/store/message-store.ts';
import type { PhoneRecord } from '../../../cloud/store/phone-store.ts';
import type { Store, Write } from '../../../cloud/store/store.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import type { PhoneMessage, PhoneSession } from '../../../protocol/phone-model.ts';
import { phoneMessage, phoneSession, presence } from '../messages.ts';

/** Opens the store in `place`, at first an empty folder. A store opened there again has the same contents. */
export type MakeStore = (place: string, clock: Clock) => Store;

export interface Places {
  make(): string | Promise<string>;
  clear(place: string): void;
}

export const minuteMs = 60_000;
export const dayMs = 24 * 3_600_000;
export const home = 'home';

/** A store with one home and one phone, on a clock that only the test moves. */
export class StoreUnderTest {
  readonly clock = { nowMs: 0, now: (): number => this.clock.nowMs };
  readonly #makeStore: MakeStore;
  readonly #places: Places;
  #place = '';
  #opened: { store: Store; phone: PhoneRecord } | undefined;

  constructor(makeStore: MakeStore, places: Places) {
    this.#makeStore = makeStore;
    this.#places = places;
  }

  get store(): Store {
    return this.#open.store;
  }

  get phone(): PhoneRecord {
    return this.#open.phone;
  }

  async start(): Promise<void> {
    this.clock.nowMs = Date.UTC(2026, 10, 22, 12);
    this.#place = await this.#places.make();
    const store = this.#makeStore(this.#place, this.clock);
    await store.start();
    await store.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
    this.#opened = { store, phone: only(await store.phones.put(home, [presence('uuid:1')])) };
  }

  async stop(): Promise<void> {
    await this.store.stop();
    this.#places.clear(this.#place);
  }

  async reopen(): Promise<void> {
    await this.store.stop();
    const store = this.#makeStore(this.#place, this.clock);
    await store.start();
    this.#opened = { store, phone: this.phone };
  }

  commit(...writes: Write[]): Promise<HomeEvent[]> {
    return this.store.commit(home, writes);
  }

  /** The phone lists a message. */
  put(
    id: string,
    message: Partial<PhoneMessage> = {},
    more: Partial<Extract<Write, { type: 'message.put' }>> = {},
  ): Write {
    const seen = { phone: this.phone.id, epoch: 0, session: null, fingerprint: 'f', message: phoneMessage(message) };
    return { type: 'message.put', id, ...seen, ...more };
  }

  /** The phone reports a session. */
  putSession(id: string, session: Partial<PhoneSession> = {}): Write {
    return { type: 'session.put', id, phone: this.phone.id, session: phoneSession(session) };
  }

  /** The ids of the messages that pass the filter, in the order of the list. */
  async ids(filter: MessageFilter = {}): Promise<string[]> {
    const { items } = await this.store.messages.list(home, filter, { limit: 200 });
    return items.map((message) => message.id);
  }

  get #open(): { store: Store; phone: PhoneRecord } {
    if (this.#opened === undefined) throw new Error('The store under test was not started.');
    return this.#opened;
  }
}

export async function snapshot(store: Store, of = home) {
  return {
    messages: (await store.messages.list(of, {}, { limit: 200 })).items,
    conversations: (await store.conversations.list(of, { limit: 200 })).items,
    sessions: (await store.sessions.list(of, {}, { limit: 200 })).items,
    phones: await store.phones.list(of),
    events: await store.events.after(of, '', 1000),
    unread: await store.conversations.countUnread(of),
    open: await store.messages.openSends(of, ['queued'], 10),
    home: await store.homes.get(of),
  };
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

export function ascending(events: readonly HomeEvent[]): boolean {
  return events.every((event, index) => index === 0 || (events[index - 1]?.id ?? '') < event.id);
}

export function only<Item>(items: readonly Item[]): Item {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`One was expected, not ${items.length}.`);
  return item;
}

export const iso = (timeMs: number) => new Date(timeMs).toISOString();
