// Sessions that the phones report.
import type { Session } from '../../../protocol/model.ts';
import type { Clock } from '../clock.ts';
import type { Page, PageRequest } from '../page.ts';
import type { EventBody } from '../rules/change.ts';
import type { Cursors } from '../rules/cursor.ts';
import { putSession } from '../rules/session-rules.ts';
import type { SessionFilter, SessionStore } from '../session-store.ts';
import type { Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';
import { readSqlitePage } from './sqlite-page.ts';

interface SessionRow {
  id: string;
  record: string;
}

export class SqliteSessions implements SessionStore {
  readonly #engine: SqliteEngine;
  readonly #cursors: Cursors;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, cursors: Cursors, clock: Clock) {
    this.#engine = engine;
    this.#cursors = cursors;
    this.#clock = clock;
  }

  async get(home: string, id: string): Promise<Session | undefined> {
    return this.#read(home, id);
  }

  /** Call it within a write. */
  put(home: string, write: Extract<Write, { type: 'session.put' }>): EventBody | undefined {
    const change = putSession(this.#read(home, write.id), write, home, this.#clock.now());
    if (change === undefined) return undefined;
    const { next } = change;
    this.#engine.run(
      'INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)',
      home,
      next.id,
      next.phone,
      next.sessionClass,
      next.status,
      JSON.stringify(next),
    );
    return change.event;
  }

  async list(home: string, filter: SessionFilter, page: PageRequest): Promise<Page<Session>> {
    const wanted = [
      ['phone', filter.phone],
      ['session_class', filter.sessionClass],
      ['status', filter.status],
    ].filter((pair): pair is [string, string] => pair[1] !== undefined);
    const conditions = wanted.map(([column]) => `AND ${column} = ?`).join(' ');
    const sql = `SELECT id, record FROM sessions WHERE home = ? ${conditions} AND id < ? ORDER BY id DESC LIMIT ?`;
    const values = wanted.map(([, value]) => value);
    return readSqlitePage(this.#cursors, { kind: 'sessions', home, filter }, page, (position, count) =>
      this.#engine
        .all<SessionRow>(sql, home, ...values, position, count)
        .map((row) => ({ position: row.id, item: JSON.parse(row.record) as Session })),
    );
  }

  #read(home: string, id: string): Session | undefined {
    const row = this.#engine.get<SessionRow>('SELECT id, record FROM sessions WHERE home = ? AND id = ?', home, id);
    return row && (JSON.parse(row.record) as Session);
  }
}
