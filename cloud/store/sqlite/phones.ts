// The phones of each home, and what people decided about them.
import type { PhonePresence } from '../../../protocol/frames.ts';
import { type EventBody, seePhone, setPhoneStatus } from '../changes.ts';
import { nextId } from '../ordered-id.ts';
import type { Clock, PhoneRecord, Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';

export class SqlitePhones {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Within a write. For a phone that is as it was, SQLite writes no page. */
  see(home: string, presence: PhonePresence): void {
    const row = this.#engine.get<{ record: string }>(
      'SELECT record FROM phones WHERE home = ? AND udn = ?',
      home,
      presence.udn,
    );
    const current = row && parse(row);
    this.#put(home, seePhone(current, presence, current?.id ?? this.#newId(home)));
  }

  /** In the order in which they were first seen. */
  list(home: string): PhoneRecord[] {
    return this.#engine
      .all<{ record: string }>('SELECT record FROM phones WHERE home = ? ORDER BY id', home)
      .map(parse);
  }

  get(home: string, id: string): PhoneRecord | undefined {
    const row = this.#engine.get<{ record: string }>('SELECT record FROM phones WHERE home = ? AND id = ?', home, id);
    return row && parse(row);
  }

  /** Within a write. */
  approve(home: string, id: string, approved: boolean): PhoneRecord | undefined {
    const phone = this.get(home, id);
    if (phone === undefined) return undefined;
    const next = { ...phone, approved };
    this.#put(home, next);
    return next;
  }

  /** Within a write. */
  setStatus(home: string, write: Extract<Write, { type: 'phone.status' }>): EventBody | undefined {
    const row = this.#engine.get<{ online: number }>(
      'SELECT online FROM phones WHERE home = ? AND id = ?',
      home,
      write.phone.id,
    );
    const change = row && setPhoneStatus(row.online === 1, write);
    if (change === undefined) return undefined;
    this.#engine.run(
      'UPDATE phones SET online = ? WHERE home = ? AND id = ?',
      Number(change.next),
      home,
      write.phone.id,
    );
    return change.event;
  }

  #newId(home: string): string {
    const last = this.#engine.get<{ id: string | null }>('SELECT max(id) AS id FROM phones WHERE home = ?', home)?.id;
    return `p_${nextId(last?.slice(2) ?? '', this.#clock.now())}`;
  }

  #put(home: string, phone: PhoneRecord): void {
    this.#engine.run(
      `INSERT INTO phones (home, id, udn, record) VALUES (?, ?, ?, ?)
       ON CONFLICT (home, id) DO UPDATE SET record = excluded.record`,
      home,
      phone.id,
      phone.udn,
      JSON.stringify(phone),
    );
  }
}

function parse(row: { record: string }): PhoneRecord {
  return JSON.parse(row.record) as PhoneRecord;
}
