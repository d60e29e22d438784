// A batch of changes that are decided together: what was read, what becomes of it, and the transactions that say so.
// Every item is written only if it is still as it was read, so that nothing is decided on what is no longer true.
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { attributes } from '../table.ts';
import type { DynamoEngine } from './engine.ts';
import { type Draft, draftBytes, type Items, type Known, type Placement } from './items.ts';
import { isPossible, type Key } from './keys.ts';

/** What one write touches at most: home, event, message, grave, open send, the conversation that it left and joined. */
const itemsPerStep = 7;
/** TransactWriteItems takes 4 MB; the rest of that is left for one more step. */
const bytesPerPart = 3_000_000;

interface Change {
  key: Key<unknown>;
  before: Known;
  draft: Draft | undefined;
}

/** What is written in one transaction. */
interface Part {
  changes: Map<string, Change>;
  events: HomeEvent[];
}

const absent: Known = { revision: 0, data: undefined };

export class Batch {
  readonly #engine: DynamoEngine;
  readonly #items: Items;
  readonly #nowMs: number;
  readonly #known = new Map<string, Known>();
  readonly #parts: [Part, ...Part[]] = [newPart()];
  #begun: readonly HomeEvent[] = [];

  /** Items that have expired at `nowMs` are not there for it. */
  constructor(engine: DynamoEngine, items: Items, nowMs: number) {
    this.#engine = engine;
    this.#items = items;
    this.#nowMs = nowMs;
  }

  /** Reads what has not been read yet. */
  async load(keys: readonly Key<unknown>[]): Promise<void> {
    const missing = new Map(keys.map((key) => [nameOf(key), key]));
    for (const name of missing.keys()) if (this.#known.has(name)) missing.delete(name);
    for (const item of await this.#engine.get([...missing.values()].filter(isPossible))) {
      const name = nameOf({ pk: String(item[attributes.partition]), sk: String(item[attributes.sort]) });
      const known = await this.#items.decode(item);
      if (known === undefined) {
        throw new GatewayError('store-unavailable', 'A stored text is missing where large texts are kept: restore it.');
      }
      this.#known.set(name, this.#items.isExpired(item, this.#nowMs) ? { ...known, data: undefined } : known);
      missing.delete(name);
    }
    for (const name of missing.keys()) this.#known.set(name, absent);
  }

  /** As the batch will leave it. To be loaded before. */
  get<Data>(key: Key<Data>): Data | undefined {
    return this.#find(key).data as Data | undefined;
  }

  /** Whether it is there; also of what was not loaded, and is then not there. */
  has(key: Key<unknown>): boolean {
    return this.#known.get(nameOf(key))?.data !== undefined;
  }

  /** Puts what is certainly new, without looking: should it be there after all, the batch is decided anew. */
  make<Data>(key: Key<Data>, data: Data, placement: Placement): void {
    this.#known.set(nameOf(key), absent);
    this.put(key, data, placement);
  }

  put<Data>(key: Key<Data>, data: Data, placement: Placement = {}): void {
    const change = this.#change(key, this.#find(key));
    const revision = change.before.revision + 1;
    change.draft = { key, revision, json: JSON.stringify(data), placement };
    this.#known.set(nameOf(key), { revision, data });
  }

  delete(key: Key<unknown>): void {
    const change = this.#change(key, this.#find(key));
    change.draft = undefined;
    if (change.before.revision === 0) this.#part.changes.delete(nameOf(key));
    this.#known.set(nameOf(key), absent);
  }

  tell(event: HomeEvent): void {
    this.#part.events.push(event);
  }

  /** What may be said together ends here: what follows may come in another transaction. */
  endStep(): void {
    const { changes } = this.#part;
    const bytes = [...changes.values()].reduce((sum, { draft }) => sum + (draft ? draftBytes(draft) : 0), 0);
    if (changes.size > this.#engine.transactionItems - itemsPerStep || bytes > bytesPerPart)
      this.#parts.push(newPart());
  }

  /** What the batch has read or decided of the things whose keys begin so. */
  *known<Data>(prefix: Key<Data>): Generator<Data> {
    const name = nameOf(prefix);
    for (const [each, { data }] of this.#known) {
      if (each.startsWith(name) && data !== undefined) yield data as Data;
    }
  }

  /** The events of the part whose writing was begun last: if it failed, nobody knows yet whether they happened. */
  get begun(): readonly HomeEvent[] {
    return this.#begun;
  }

  /** Writes it, each part by itself, and hands over the events of a part as soon as it is durable. */
  async write(onWritten: (events: readonly HomeEvent[]) => void): Promise<void> {
    for (const { changes, events } of this.#parts) {
      this.#begun = events;
      const written = await Promise.all(
        [...changes.values()].map(async ({ key, before, draft }) => ({
          key,
          before: before.revision,
          ...(draft !== undefined && { item: await this.#items.encode(draft) }),
        })),
      );
      await this.#engine.write(written, randomUUID());
      onWritten(events);
      const kept = new Set(written.map((change) => change.item?.[attributes.blob]));
      for (const { before } of changes.values()) {
        if (before.blob !== undefined && !kept.has(before.blob)) await this.#items.forget(before.blob);
      }
    }
  }

  get #part(): Part {
    return this.#parts.at(-1) ?? this.#parts[0];
  }

  #find(key: Key<unknown>): Known {
    const known = this.#known.get(nameOf(key));
    if (known === undefined) throw new Error('An item was used before it was loaded.');
    return known;
  }

  #change(key: Key<unknown>, before: Known): Change {
    const name = nameOf(key);
    let change = this.#part.changes.get(name);
    if (change === undefined) {
      change = { key, before, draft: undefined };
      this.#part.changes.set(name, change);
    }
    return change;
  }
}

function newPart(): Part {
  return { changes: new Map(), events: [] };
}

function nameOf({ pk, sk }: Key<unknown>): string {
  return `${pk}\n${sk}`;
}
