// The events of each home, kept for 24 hours, in pages. Each page names the event before it, so that a reader detects
// the gap where expired pages were deleted.
import type { HomeEvent } from '../../../protocol/model.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import type { EventStore } from '../event-store.ts';
import type { HomeRecords } from './home-records.ts';
import { eventsOf } from './home-view.ts';
import { keptMs } from './stored.ts';

/** More than the length of any identifier, less than that of a key. */
const longestPoint = 64;

export class DynamoEvents implements EventStore {
  readonly #records: HomeRecords;

  constructor(records: HomeRecords) {
    this.#records = records;
  }

  async after(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined> {
    const view = await this.#records.open(home);
    const { stored } = view.head;
    if (stored === undefined || after.length > longestPoint) return undefined;
    if (after > stored.lastEvent) return after > ulidFloor(view.nowMs + 1) ? undefined : [];
    const events: HomeEvent[] = [];
    const floor = ulidFloor(view.nowMs - keptMs);
    let reached = after;
    for await (const page of view.eventsFrom(after > floor ? after : floor)) {
      let previous = page.previous;
      for (const event of eventsOf(page)) {
        const before = previous;
        previous = event.id;
        if (event.id <= reached || event.id < floor) continue;
        if (before > reached) return undefined;
        reached = event.id;
        events.push(event);
        if (events.length === limit) return events;
      }
    }
    return reached === stored.lastEvent ? events : undefined;
  }
}
