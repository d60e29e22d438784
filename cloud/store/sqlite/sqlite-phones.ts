// The phones of each home, and people's decisions about them.
import type { PhonePresence } from '../../../protocol/frames.ts';
import type { Clock } from '../clock.ts';
import type { PhoneRecord, PhoneStore } from '../phone-store.ts';
import type { EventBody } from '../rules/change.ts';
import { decide } from '../rules/phone-approval.ts';
import { setPhoneStatus, showPhones } from '../rules/phone-rules.ts';
import type { Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';
import type { SqliteHomes } from './sqlite-homes.ts';

export class SqlitePhones implements PhoneStore {
  readonly #engine: SqliteEngine;
  readonly #homes: SqliteHomes;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, homes: SqliteHomes, clock: Clock) {
    this.#engine = engine;
    this.#homes = homes;
    this.#clock = clock;
  }

  /** SQLite writes no page for a phone that has not changed. */
  put(home: string, presences: readonly PhonePresence[]): Promise<PhoneRecord[]> {
    return this.#engine.write(() => {
      this.#homes.require(home);
      const { phones, forgotten } = showPhones(this.#all(home), presences, this.#clock.now());
      for (const phone of phones) if (presences.some(({ udn }) => udn === phone.udn)) this.#write(home, phone);
      for (const { id } of forgotten) this.#engine.run('DELETE FROM phones WHERE home = ? AND id = ?', home, id);
      return phones;
    });
  }

  async list(home: string): Promise<PhoneRecord[]> {
    return this.#all(home);
  }

  approve(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined> {
    return this.#engine.write(() => {
      const phone = this.read(home, id);
      if (phone === undefined) return undefined;
      const next = decide(phone, approved, change);
      this.#write(home, next);
      return next;
    });
  }

  read(home: string, id: string): PhoneRecord | undefined {
    const row = this.#engine.get<{ record: string }>('SELECT record FROM phones WHERE home = ? AND id = ?', home, id);
    return row && parse(row);
  }

  /** Call it within a write. */
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

  #all(home: string): PhoneRecord[] {
    return this.#engine
      .all<{ record: string }>('SELECT record FROM phones WHERE home = ? ORDER BY id', home)
      .map(parse);
  }

  #write(home: string, phone: PhoneRecord): void {
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
