// A home as of the read of its head: the items of the table, overlaid with the changes that the head carries.
import type { HomeEvent } from '../../../protocol/model.ts';
import { attributes } from '../table.ts';
import type { DynamoEngine, Item, Range } from './engine.ts';
import { type Items, type Known, lostText } from './items.ts';
import { isPossible, type Key, keys } from './keys.ts';
import { placementOf } from './placement.ts';
import type { StoredEvents, StoredHome, StoredTold } from './stored.ts';

export interface Head {
  /** 0: the home does not exist. */
  revision: number;
  stored: StoredHome | undefined;
  /** The name of the blob that holds the head. */
  blob?: string | undefined;
}

/** A known item, and whether it was ever written. */
export interface Standing extends Known {
  isNew: boolean;
}

export class HomeView {
  readonly home: string;
  readonly head: Head;
  readonly nowMs: number;
  readonly #engine: DynamoEngine;
  readonly #items: Items;

  /** Read items after the head: changes that it no longer carries are in their items then. */
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

  /** The existing records, in the order of the keys. */
  async getAll<Data>(wanted: readonly Key<Data>[]): Promise<Data[]> {
    const standing = await this.standing(wanted);
    return wanted.map(({ sk }) => standing.get(sk)?.data as Data | undefined).filter((data) => data !== undefined);
  }

  /** By sort key. @throws GatewayError `store-unavailable` if a blob is missing */
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
   * The caller names the type of the range's records, which keys.ts defines. Skips a record whose blob is missing: it
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

  /** All records whose sort key begins with that of the given key. Only for kinds with few records. */
  async all<Data>({ pk: partition, sk: from }: Key<Data>): Promise<Data[]> {
    const found: Data[] = [];
    for await (const data of this.range<Data>({ partition, from, to: `${from}~`, count: 200 })) found.push(data);
    return found;
  }

  /** The pages that hold events after `last`; the last page is the head's own. */
  async *eventsFrom(last: string): AsyncGenerator<StoredEvents> {
    const { stored } = this.head;
    if (stored === undefined) return;
    const { pk: partition, sk: from } = keys.events(this.home, last);
    const { sk: to } = keys.events(this.home, stored.paged);
    if (from <= to) yield* this.range<StoredEvents>({ partition, from, to, count: 20 });
    yield { previous: stored.paged, told: stored.told };
  }

  /** Whether that commit was stored. A commit without events leaves no trace: always false. */
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

  /** A stale index may name a blob that the table has replaced. */
  async #readAgain(sk: string, range: Range): Promise<Known | undefined> {
    if (range.index === undefined) return undefined;
    const [present]: Item[] = await this.#engine.get([{ pk: keys.home(this.home).pk, sk }]);
    return present && this.#items.decode(present);
  }
}

/** The events of a page, across its commits. */
export function eventsOf({ told }: StoredEvents): HomeEvent[] {
  return told.flatMap(({ events }) => events);
}
