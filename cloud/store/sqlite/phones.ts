// The phones of each home, and what people decided about them.
import type { PhonePresence } from '../../../protocol/frames.ts';
import { type EventBody, phonesToForget, seePhone, setPhoneStatus } from '../changes.ts';
import { decide } from '../phone-evidence.ts';
import type { Clock, PhoneRecord, Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';

export class SqlitePhones {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Within a write. For a phone that is as it was, SQLite writes no page. Answers all phones of the home. */
  see(home: string, presences: readonly PhonePresence[]): PhoneRecord[] {
    for (const presence of presences) this.#put(home, seePhone(this.list(home), presence, this.#clock.now()));
    const known = this.list(home);
    const forgotten = phonesToForget(known, presences);
    for (const { id } of forgotten) this.#engine.run('DELETE FROM phones WHERE home = ? AND id = ?', home, id);
    return known.filter((phone) => !forgotten.includes(phone));
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
  approve(home: string, id: string, approved: boolean, change?: string): PhoneRecord | undefined {
    const phone = this.get(home, id);
    if (phone === undefined) return undefined;
    const next = decide(phone, approved, change);
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
