// The phone's messaging sessions and their participants: Pending → Running ⇄ Parked → Closed.
import type { Party, PhoneSession } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';

/** A non-empty field filters; the empty string matches everything. */
export interface SessionSearch {
  readonly sessionId: string;
  readonly sessionClass: string;
  readonly status: string;
}

export type NewPhoneSession = Omit<PhoneSession, 'sessionId' | 'startedAt' | 'updatedAt'>;

/** Closed sessions over this are deleted, oldest first. */
export const sessionCapacity = 500;
const maxCachedSearches = 64;

export class PhoneSessions {
  readonly #insert;
  readonly #byId;
  readonly #search;
  readonly #update;
  readonly #prune;
  /** Cached searches since the last change: control points poll, and sessions rarely change. */
  readonly #found = new Map<string, readonly PhoneSession[]>();

  constructor(database: PhoneDatabase) {
    this.#insert = database.prepare(
      'INSERT INTO sessions (session_class, status, updated_ms, content) VALUES (?, ?, ?, ?)',
    );
    this.#byId = database.prepare('SELECT * FROM sessions WHERE number = ?');
    this.#search = database.prepare(
      `SELECT * FROM sessions
       WHERE (?1 IS NULL OR number = ?1) AND (?2 = '' OR session_class = ?2) AND (?3 = '' OR status = ?3)
       ORDER BY number`,
    );
    this.#update = database.prepare(
      'UPDATE sessions SET session_class = ?, status = ?, updated_ms = ?, content = ? WHERE number = ?',
    );
    this.#prune = database.prepare(
      `DELETE FROM sessions WHERE number IN (
         SELECT number FROM sessions WHERE status = 'Closed' ORDER BY number
         LIMIT max(0, (SELECT count(*) FROM sessions WHERE status = 'Closed') - ?))`,
    );
  }

  // Call the mutating methods below inside PhoneDatabase.write.

  add(session: NewPhoneSession, nowMs: number): PhoneSession {
    this.#found.clear();
    const { sessionClass, status, ...rest } = session;
    const content = { ...rest, startedAt: new Date(nowMs).toISOString() };
    const { lastInsertRowid } = this.#insert.run(sessionClass, status, nowMs, JSON.stringify(content));
    return { ...session, ...content, sessionId: `s-${lastInsertRowid}`, updatedAt: content.startedAt };
  }

  update(session: PhoneSession, nowMs: number): PhoneSession {
    this.#found.clear();
    const { sessionId, sessionClass, status, updatedAt: _, ...content } = session;
    this.#update.run(sessionClass, status, nowMs, JSON.stringify(content), numberOf(sessionId));
    return { ...session, updatedAt: new Date(nowMs).toISOString() };
  }

  prune(): void {
    this.#found.clear();
    this.#prune.run(sessionCapacity);
  }

  find(sessionId: string): PhoneSession | undefined {
    const row = this.#byId.get(numberOf(sessionId));
    return row && sessionOf(row);
  }

  /** Returns the same array until something changes. */
  search(search: SessionSearch): readonly PhoneSession[] {
    const key = `${search.sessionClass} ${search.status} ${search.sessionId}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const number = search.sessionId === '' ? null : numberOf(search.sessionId);
    const found = this.#search.all(number, search.sessionClass, search.status).map(sessionOf);
    if (this.#found.size < maxCachedSearches) this.#found.set(key, found);
    return found;
  }
}

/** Merges parties by address: appends new ones, sets known ones to the new state. */
export function withParties(parties: readonly Party[], changed: readonly Party[], state: Party['state']): Party[] {
  const addresses = new Set(changed.map((party) => party.address));
  const present = new Set(parties.map((party) => party.address));
  const kept = parties.map((party) => (addresses.has(party.address) ? { ...party, state } : party));
  const added = changed.filter((party) => !present.has(party.address));
  return [...kept, ...added.map((party) => ({ ...party, state }))] as Party[];
}

/** The row number in `s-4`; 0, which no row has, for foreign identifiers. */
function numberOf(sessionId: string): number {
  return /^s-[1-9]\d{0,14}$/.test(sessionId) ? Number(sessionId.slice(2)) : 0;
}

function sessionOf(row: Record<string, unknown>): PhoneSession {
  return {
    ...(JSON.parse(String(row.content)) as object),
    sessionId: `s-${row.number}`,
    sessionClass: row.session_class,
    status: row.status,
    updatedAt: new Date(Number(row.updated_ms)).toISOString(),
  } as PhoneSession;
}
