// The events of each home: kept for 24 hours and at most 10,000, for watchers that reconnect.
import type { HomeEvent } from '../../../protocol/model.ts';
import { nextUlid, ulidFloor } from '../../../shared/ulid.ts';
import type { Clock } from '../clock.ts';
import type { EventStore } from '../event-store.ts';
import { eventOfText, textOfEvent } from '../event-text.ts';
import type { EventBody } from '../rules/change.ts';
import type { SqliteEngine } from './engine.ts';

const keptMs = 24 * 3_600_000;
const keptCount = 10_000;

interface Span {
  last_event: string;
  pruned_event: string;
}

export class SqliteEvents implements EventStore {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Gives the events their ids and stores them. Call it within a write. */
  append(home: string, bodies: readonly EventBody[]): HomeEvent[] {
    const span = this.#span(home);
    if (bodies.length === 0 || span === undefined) return [];
    const nowMs = this.#clock.now();
    const time = new Date(nowMs).toISOString();
    let last = span.last_event;
    const events = bodies.map((body): HomeEvent => {
      last = nextUlid(last, nowMs);
      return { id: last, home, time, ...body };
    });
    for (const event of events) {
      this.#engine.run('INSERT INTO events VALUES (?, ?, ?)', home, event.id, textOfEvent(event));
    }
    this.#engine.run('UPDATE homes SET last_event = ? WHERE id = ?', last, home);
    return events;
  }

  async after(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined> {
    const span = this.#span(home);
    if (span === undefined || after < span.pruned_event) return undefined;
    if (after > span.last_event && after > ulidFloor(this.#clock.now() + 1)) return undefined;
    const expired = this.#engine.get(
      'SELECT 1 FROM events WHERE home = ? AND id > ? AND id < ? LIMIT 1',
      home,
      after,
      this.#floor(),
    );
    if (expired !== undefined) return undefined;
    return this.#engine
      .all<{ event: string }>(
        'SELECT event FROM events WHERE home = ? AND id > ? ORDER BY id LIMIT ?',
        home,
        after,
        limit,
      )
      .map(({ event }) => eventOfText(event));
  }

  /** Deletes events beyond the age and the number that are kept. Call it within a write. */
  prune(): void {
    for (const { id: home } of this.#engine.all<{ id: string }>('SELECT id FROM homes')) {
      const surplus = this.#engine.get<{ id: string }>(
        'SELECT id FROM events WHERE home = ? ORDER BY id DESC LIMIT 1 OFFSET ?',
        home,
        keptCount,
      );
      const expired = this.#engine.get<{ id: string }>(
        'SELECT id FROM events WHERE home = ? AND id < ? ORDER BY id DESC LIMIT 1',
        home,
        this.#floor(),
      );
      const cut = [surplus?.id ?? '', expired?.id ?? ''].sort()[1] ?? '';
      if (cut === '') continue;
      this.#engine.run('DELETE FROM events WHERE home = ? AND id <= ?', home, cut);
      this.#engine.run('UPDATE homes SET pruned_event = ? WHERE id = ?', cut, home);
    }
  }

  #span(home: string): Span | undefined {
    return this.#engine.get<Span>('SELECT last_event, pruned_event FROM homes WHERE id = ?', home);
  }

  #floor(): string {
    return ulidFloor(this.#clock.now() - keptMs);
  }
}
