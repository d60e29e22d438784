// Records outside of homes (for those see home-records.ts): looked up by key, listed, and changed together. Expired
// records count as absent.
import { GatewayError } from '../../../protocol/errors.ts';
import type { Clock } from '../clock.ts';
import { Batch } from './batch.ts';
import { type DynamoEngine, pause } from './engine.ts';
import type { Items } from './items.ts';
import type { Key } from './keys.ts';
import { Conflict } from './outage.ts';

/** Retries after conflicts with other writers. */
const mostDecisions = 12;

export class Records {
  readonly clock: Clock;
  readonly #engine: DynamoEngine;
  readonly #items: Items;

  constructor(engine: DynamoEngine, items: Items, clock: Clock) {
    this.#engine = engine;
    this.#items = items;
    this.clock = clock;
  }

  async get<Data>(key: Key<Data>): Promise<Data | undefined> {
    const batch = this.#newBatch();
    await batch.load([key]);
    return batch.get(key);
  }

  /** All records whose sort key begins with that of the given key. Only for kinds with few records. */
  async all<Data>({ pk: partition, sk: from }: Key<Data>): Promise<Data[]> {
    const nowMs = this.clock.now();
    const found: Data[] = [];
    for await (const item of this.#engine.query({ partition, from, to: `${from}~`, count: 200 })) {
      const known = this.#items.isExpired(item, nowMs) ? undefined : await this.#items.decode(item);
      if (known !== undefined) found.push(known.data as Data);
    }
    return found;
  }

  /**
   * Writes the changes that `decide` makes; calls it again, with `isFirst` false, if another writer was first.
   * @throws GatewayError `store-unavailable`
   */
  async change<Result>(decide: (batch: Batch, isFirst: boolean) => Promise<Result>): Promise<Result> {
    for (let tries = 1; tries <= mostDecisions; tries++) {
      const batch = this.#newBatch();
      const result = await decide(batch, tries === 1);
      try {
        await batch.write();
        return result;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      await pause(tries);
    }
    throw tooMany();
  }

  #newBatch(): Batch {
    return new Batch(this.#engine, this.#items, this.clock.now());
  }
}

export function tooMany(): GatewayError {
  return new GatewayError('store-unavailable', 'Too many write to this home at once.', { retryAfterMs: 1_000 });
}
