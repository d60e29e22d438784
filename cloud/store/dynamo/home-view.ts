// A home as it was when its head was read: what stands in the table, with what the head carries laid over it.
import type { HomeEvent } from '../../../protocol/model.ts';
import { attributes } from '../table.ts';
import type { DynamoEngine, Item, Range } from './engine.ts';
import { type Items, type Known, lostText } from './items.ts';
import { isPossible, type Key, keys } from './keys.ts';
import { placementOf } from './placement.ts';
import type { StoredEvents, StoredHome, StoredTold } from './stored.ts';

export interface Head {
  /** 0: there is no such home. */
  revision: number;
  stored: StoredHome | undefined;
  /** The name of the blob that holds it. */
  blob?: string | undefined;
}

/** What is known of a place: also whether anything was ever written there. */
export interface Standing extends Known {
  isNew: boolean;
}

export class HomeView {
  readonly home: string;
  readonly head: Head;
  readonly nowMs: number;
  readonly #engine: DynamoEngine;
  readonly #items: Items;

  /** The items must be read after the head: those that it no longer carries are at their places. */
  constructor(home: string, head: Head, parts: { engine: DynamoEngine; items: Items; nowMs: number }) {
    this.home = home;
    this.head = head;
    this.nowMs = parts.nowMs;
    this.#engine = parts.engine;
    this.#items = parts.items;
  }

  async get<Data>(key: Key<Data>): Promise<Data | undefined> {
    return (await this.getAll([key]))[0];
  }

  /** In the order of the keys, without those that are not there. */
  async getAll<Data>(wanted: readonly Key<Data>[]): Promise<Data[]> {
    const standing = await this.standing(wanted);
    return wanted.map(({ sk }) => standing.get(sk)?.data as Data | undefined).filter((data) => data !== undefined);
  }

  /** By sort key. Throws `store-unavailable` if a large text is missing. */
  async standing(wanted: readonly Key<unknown>[]): Promise<Map<string, Standing>> {
    const found = new Map<string, Standing>();
    const missing = new Map<string, Key<unknown>>();
    for (const key of wanted) {
      const change = this.#changes[key.sk];
      if (change === undefined) missing.set(key.sk, key);
      else found.set(key.sk, { ...change, data: change.data, isNew: change.isNew === true });
    }
    for (const item of await this.#engine.get([...missing.values()].filter(isPossible))) {
      const known = await this.#items.decode(item);
      if (known === undefined) throw lostText();
      found.set(String(item[attributes.sort]), { ...known, isNew: false });
    }
    for (const sk of missing.keys()) if (!found.has(sk)) found.set(sk, { revision: 0, data: undefined, isNew: true });
    return found;
  }

  /**
   * The caller names what is kept in that range, which keys.ts fixes. What lost its blob is passed over: one missing text
   * must not hide all others.
   */
  async *range<Data>(range: Range): AsyncGenerator<Data> {
    const carried = this.#carriedIn(range);
    const comesBefore = (one: string, other: string) => (range.newestFirst === true ? one > other : one < other);
    for await (const item of this.#engine.query(range)) {
      const sk = String(item[attributes.sort]);
      for (let next = carried[0]; next !== undefined && comesBefore(next.sk, sk); next = carried[0]) {
        yield next.data as Data;
        carried.shift();
      }
      if (this.#changes[sk] !== undefined || this.#items.isExpired(item, this.nowMs)) continue;
      const known = (await this.#items.decode(item)) ?? (await this.#readAgain(sk, range));
      if (known?.data !== undefined) yield known.data as Data;
    }
    for (const { data } of carried) yield data as Data;
  }

  /** Everything of a kind of which there are few. `prefix`: the key without its identifier. */
  async all<Data>({ pk: partition, sk: from }: Key<Data>): Promise<Data[]> {
    const found: Data[] = [];
    for await (const data of this.range<Data>({ partition, from, to: `${from}~`, count: 200 })) found.push(data);
    return found;
  }

  /** Pages of events that hold some after that one, the latest being those of the head itself. */
  async *eventsFrom(last: string): AsyncGenerator<StoredEvents> {
    const { stored } = this.head;
    if (stored === undefined) return;
    const { pk: partition, sk: from } = keys.events(this.home, last);
    const { sk: to } = keys.events(this.home, stored.paged);
    if (from <= to) yield* this.range<StoredEvents>({ partition, from, to, count: 20 });
    yield { previous: stored.paged, told: stored.told };
  }

  /** Whether that commit is part of what happened. One without events leaves no trace by which that could be told. */
  async hasHeardOf({ by, events }: StoredTold): Promise<boolean> {
    const [first] = events;
    if (first === undefined) return false;
    const isOf = (told: readonly StoredTold[]) => told.some((each) => each.by === by);
    const { stored } = this.head;
    if (stored === undefined || isOf(stored.told)) return stored !== undefined;
    if (first.id > stored.paged) return false;
    for await (const page of this.eventsFrom(first.id)) {
      if (isOf(page.told)) return true;
      if (page.previous >= first.id) return false;
    }
    return false;
  }

  get #changes(): StoredHome['changes'] {
    return this.head.stored?.changes ?? {};
  }

  #carriedIn({ partition, from, to, newestFirst, index }: Range): { sk: string; data: unknown }[] {
    const carried = Object.entries(this.#changes)
      .filter(([sk, { data }]) => {
        if (data === undefined || sk < from || sk > to) return false;
        if (index === undefined) return true;
        const { group, list } = placementOf(sk, data);
        return partition === (index.partition === attributes.group ? group : list);
      })
      .map(([sk, { data }]) => ({ sk, data }));
    return carried.sort((one, other) => (one.sk < other.sk === (newestFirst === true) ? 1 : -1));
  }

  /** An index may still name a blob that the table has replaced. */
  async #readAgain(sk: string, range: Range): Promise<Known | undefined> {
    if (range.index === undefined) return undefined;
    const [present]: Item[] = await this.#engine.get([{ pk: keys.home(this.home).pk, sk }]);
    return present && this.#items.decode(present);
  }
}

/** One after the other, whichever commit told of them. */
export function eventsOf({ told }: StoredEvents): HomeEvent[] {
  return told.flatMap(({ events }) => events);
}
