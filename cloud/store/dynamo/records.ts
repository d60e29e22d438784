// Records by their keys: looked up, gone through in order, and changed together. What has expired is not there.
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import type { Clock } from '../store.ts';
import { attributes } from '../table.ts';
import { Batch } from './batch.ts';
import { type DynamoEngine, type Item, pause, type Range } from './engine.ts';
import type { Items, Known } from './items.ts';
import type { Key } from './keys.ts';
import { Conflict } from './outage.ts';

/** How often it is decided anew because somebody else wrote in between. */
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
    return (await this.getAll([key]))[0];
  }

  /** In the order of the keys, without those that are not there. */
  async getAll<Data>(keys: readonly Key<Data>[]): Promise<Data[]> {
    const batch = this.#newBatch();
    await batch.load(keys);
    return keys.map((key) => batch.get(key)).filter((data) => data !== undefined);
  }

  /**
   * The caller names what is kept in that range, which keys.ts fixes. What lost its blob is passed over: one missing text
   * must not hide all others.
   */
  async *range<Data>(range: Range): AsyncGenerator<Data> {
    const nowMs = this.clock.now();
    for await (const item of this.#engine.query(range)) {
      if (this.#items.isExpired(item, nowMs)) continue;
      const known = (await this.#items.decode(item)) ?? (await this.#readAgain(item, range));
      if (known !== undefined) yield known.data as Data;
    }
  }

  /** Everything of a kind of which there are few. `prefix`: the key without its identifier. */
  async all<Data>(prefix: Key<Data>): Promise<Data[]> {
    const { pk: partition, sk: from } = prefix;
    const found: Data[] = [];
    for await (const data of this.range<Data>({ partition, from, to: `${from}~`, count: 200 })) found.push(data);
    return found;
  }

  /**
   * Decides by `decide` what changes, and writes it; decides anew if somebody else wrote in between. Throws
   * `store-unavailable`. `onWritten` gets the events of each part that is durable, `onUnsure` those whose fate is open.
   */
  async change<Result>(
    decide: (batch: Batch) => Promise<Result>,
    onWritten: (events: readonly HomeEvent[]) => void = () => undefined,
    onUnsure: (events: readonly HomeEvent[]) => void = () => undefined,
  ): Promise<Result> {
    for (let tries = 1; tries <= mostDecisions; tries++) {
      const batch = this.#newBatch();
      const result = await decide(batch);
      try {
        await batch.write(onWritten);
        return result;
      } catch (error) {
        if (!(error instanceof Conflict)) {
          onUnsure(batch.begun);
          throw error;
        }
      }
      await pause(tries);
    }
    throw new GatewayError('store-unavailable', 'Too many write to this home at once.', { retryAfterMs: 1_000 });
  }

  /** An index may still name a blob that the table has replaced. */
  async #readAgain(item: Item, range: Range): Promise<Known | undefined> {
    if (range.index === undefined) return undefined;
    const key = { pk: String(item[attributes.partition]), sk: String(item[attributes.sort]) };
    const [present] = await this.#engine.get([key]);
    return present && this.#items.decode(present);
  }

  #newBatch(): Batch {
    return new Batch(this.#engine, this.#items, this.clock.now());
  }
}
