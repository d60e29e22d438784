// The events of each home, kept for 24 hours. Each names the one before it, so that a gap is seen where expired ones
// were deleted, without anybody having to write down what was.
import type { HomeEvent } from '../../../protocol/model.ts';
import type { EventBody } from '../changes.ts';
import { idFloor, nextId } from '../ordered-id.ts';
import type { Batch } from './batch.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';
import type { StoredEvent } from './stored.ts';

const keptMs = 24 * 3_600_000;
/** Longer than any identifier, shorter than a key may be. */
const longestPoint = 64;

export class DynamoEvents {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Numbers an event and puts it into the batch, beside what it tells of. */
  append(batch: Batch, home: string, body: EventBody): void {
    const stored = batch.get(keys.home(home));
    if (stored === undefined) return;
    const nowMs = this.#records.clock.now();
    const id = nextId(stored.lastEvent, nowMs);
    const event: HomeEvent = { id, home, time: new Date(nowMs).toISOString(), ...body };
    const key = keys.event(home, id);
    batch.make(key, { event, previous: stored.lastEvent }, { expiresAtMs: nowMs + keptMs });
    batch.put(keys.home(home), { ...stored, lastEvent: id });
    batch.tell(event);
  }

  /** Those of these that are stored. */
  async stored(home: string, events: readonly HomeEvent[]): Promise<HomeEvent[]> {
    const stored = await this.#records.getAll(events.map(({ id }) => keys.event(home, id)));
    return stored.map(({ event }) => event);
  }

  /** In their order; undefined if some after that point are no longer kept, or the point has not been reached yet. */
  async after(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined> {
    const stored = await this.#records.get(keys.home(home));
    const nowMs = this.#records.clock.now();
    if (stored === undefined || after.length > longestPoint) return undefined;
    if (after > stored.lastEvent) return after > idFloor(nowMs + 1) ? undefined : [];
    const events: HomeEvent[] = [];
    const floor = idFloor(nowMs - keptMs);
    const { pk: partition, sk: from } = keys.event(home, after > floor ? after : floor);
    const to = keys.event(home, stored.lastEvent).sk;
    if (from > to) return after === stored.lastEvent ? [] : undefined;
    let previous = after;
    for await (const each of this.#records.range<StoredEvent>({ partition, from, to, count: limit + 1 })) {
      if (each.event.id <= after) continue;
      if (each.previous > previous) return undefined;
      previous = each.event.id;
      events.push(each.event);
      if (events.length === limit) return events;
    }
    return previous === stored.lastEvent ? events : undefined;
  }
}
