// Changes outside of homes that are decided together: the items read, their new contents, and the one transaction that
// writes them. It writes an item only if it is still at the revision that was read.
import { attributes } from '../table.ts';
import type { DynamoEngine } from './engine.ts';
import { type Draft, draftOf, type Items, type Known, lostText, type Placement } from './items.ts';
import { isPossible, type Key } from './keys.ts';

interface Change {
  key: Key<unknown>;
  before: Known;
  draft: Draft | undefined;
}

const absent: Known = { revision: 0, data: undefined };

export class Batch {
  readonly #engine: DynamoEngine;
  readonly #items: Items;
  readonly #nowMs: number;
  readonly #known = new Map<string, Known>();
  readonly #changes = new Map<string, Change>();

  /** Treats items that have expired at `nowMs` as absent. */
  constructor(engine: DynamoEngine, items: Items, nowMs: number) {
    this.#engine = engine;
    this.#items = items;
    this.#nowMs = nowMs;
  }

  /** Reads the items that have not been read yet. */
  async load(keys: readonly Key<unknown>[]): Promise<void> {
    const missing = new Map(keys.map((key) => [nameOf(key), key]));
    for (const name of missing.keys()) if (this.#known.has(name)) missing.delete(name);
    for (const item of await this.#engine.get([...missing.values()].filter(isPossible))) {
      const name = nameOf({ pk: String(item[attributes.partition]), sk: String(item[attributes.sort]) });
      const known = await this.#items.decode(item);
      if (known === undefined) throw lostText();
      this.#known.set(name, this.#items.isExpired(item, this.#nowMs) ? { ...known, data: undefined } : known);
      missing.delete(name);
    }
    for (const name of missing.keys()) this.#known.set(name, absent);
  }

  /**
   * Assumes the item's most likely content and saves the read. If it is wrong, the write conflicts and is decided
   * again.
   */
  assume<Data>(key: Key<Data>, revision: number, data: Data | undefined): void {
    this.#known.set(nameOf(key), { revision, data });
  }

  /** The item as the batch will leave it. Load it first. */
  get<Data>(key: Key<Data>): Data | undefined {
    return this.#find(key).data as Data | undefined;
  }

  has(key: Key<unknown>): boolean {
    return this.#find(key).data !== undefined;
  }

  /** Returns the revision that the item will have once it is written. */
  put<Data>(key: Key<Data>, data: Data, placement: Placement = {}): number {
    const change = this.#change(key, this.#find(key));
    const revision = change.before.revision + 1;
    change.draft = draftOf(key, revision, data, placement);
    this.#known.set(nameOf(key), { revision, data });
    return revision;
  }

  delete(key: Key<unknown>): void {
    const change = this.#change(key, this.#find(key));
    change.draft = undefined;
    if (change.before.revision === 0) this.#changes.delete(nameOf(key));
    this.#known.set(nameOf(key), absent);
  }

  async write(): Promise<void> {
    const changes = [...this.#changes.values()];
    const written = await Promise.all(
      changes.map(async ({ key, before, draft }) => ({
        key,
        before: before.revision,
        ...(draft !== undefined && { item: await this.#items.encode(draft) }),
      })),
    );
    await this.#engine.write(written);
    for (const { before } of changes) if (before.blob !== undefined) await this.#items.forget(before.blob);
  }

  #find(key: Key<unknown>): Known {
    const known = this.#known.get(nameOf(key));
    if (known === undefined) throw new Error('An item was used before it was loaded.');
    return known;
  }

  #change(key: Key<unknown>, before: Known): Change {
    const name = nameOf(key);
    let change = this.#changes.get(name);
    if (change === undefined) {
      change = { key, before, draft: undefined };
      this.#changes.set(name, change);
    }
    return change;
  }
}

function nameOf({ pk, sk }: Key<unknown>): string {
  return `${pk}\n${sk}`;
}
