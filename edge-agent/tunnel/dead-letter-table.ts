// Events that the cloud refused for good, kept for the household to see, to retry or to discard.
import type { DatabaseSync } from 'node:sqlite';
import type { DeadLetterNote, DeadLetterPage, EdgeEvent } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';

/** Older ones go when there are more, or when the JSON of their events is more, in UTF-8. */
export interface DeadLetterBounds {
  readonly letters: number;
  readonly bytes: number;
}
const standardBounds: DeadLetterBounds = { letters: 1000, bytes: 64 * 1024 * 1024 };
/** Enough to recognise a message by; a page of excerpts must fit a frame. */
const excerptChars = 200;
const reasonChars = 500;
/** Bounds what a Raspberry Pi parses for one page while a person waits. */
const readChars = 4 * 1024 * 1024;

/** What an event is about: a message, a session, or a file of a session. As in the index of database.ts. */
function thingOf(table: string): string {
  const part = (name: string) => `(${table}.event ->> '$.${name}')`;
  return `coalesce(${part('id')}, ${part('sessionKey')} || ${part('file.fileId')})`;
}

/**
 * A dead letter is overtaken when a later event of the same thing has its answer, or waits for it while the letter is
 * tried again: so that sending it again never puts something old in place of something new.
 */
export class DeadLetterTable {
  readonly #statements;
  readonly #bounds: DeadLetterBounds;
  #count: number;
  #listener: () => void = () => {};

  constructor(database: DatabaseSync, bounds = standardBounds) {
    this.#bounds = bounds;
    this.#statements = {
      count: database.prepare('SELECT count(*) AS count FROM dead_letters'),
      // A probe's answer is of no use later.
      put: database.prepare(
        `INSERT OR REPLACE INTO dead_letters SELECT seq, ?, event, ?, ? FROM outbox
         WHERE seq = ? AND event ->> '$.type' <> 'phone.answered'`,
      ),
      forget: database.prepare(
        `DELETE FROM dead_letters WHERE seq <= (
           SELECT max(seq) FROM (
             SELECT seq, count(*) OVER newest AS letters, sum(octet_length(event)) OVER newest AS bytes
             FROM dead_letters WINDOW newest AS (ORDER BY seq DESC))
           WHERE letters > ? OR bytes > ?)`,
      ),
      before: database.prepare('SELECT * FROM dead_letters WHERE seq < ? ORDER BY seq DESC'),
      event: database.prepare('SELECT event FROM dead_letters WHERE seq = ?'),
      remove: database.prepare('DELETE FROM dead_letters WHERE seq = ?'),
      removeOf: database.prepare("DELETE FROM dead_letters WHERE event ->> '$.udn' = ?"),
      // CROSS JOIN and the pluses lead SQLite to look each event up by dead_letters_by_thing, not to read every letter.
      overtake: database.prepare(
        `DELETE FROM dead_letters WHERE seq IN (
           SELECT letter.seq FROM outbox CROSS JOIN dead_letters AS letter
           ON (letter.event ->> '$.udn') = +outbox.udn AND ${thingOf('letter')} = ${thingOf('outbox')}
             AND +letter.seq < outbox.seq
           WHERE outbox.seq <= ?)`,
      ),
    };
    this.#count = this.#read();
  }

  get count(): number {
    return this.#count;
  }

  /** Called when the count has changed. */
  onChanged(listener: () => void): void {
    this.#listener = listener;
  }

  /** The letters before the one of the id, newest first; from the newest on without it. */
  page({ before, limit }: { before?: string | undefined; limit: number }): DeadLetterPage {
    const items: DeadLetterNote[] = [];
    let read = 0;
    let written = 0;
    for (const row of this.#statements.before.iterate(before === undefined ? Number.MAX_SAFE_INTEGER : seqOf(before))) {
      const last = items.at(-1);
      if (last !== undefined && (items.length === limit || read > readChars || written > limits.frameChars / 2)) {
        return { items, next: last.id };
      }
      const note = noteOf(row);
      read += String(row.event).length;
      written += JSON.stringify(note).length;
      items.push(note);
    }
    return { items };
  }

  find(id: string): EdgeEvent | undefined {
    const event = this.#statements.event.get(seqOf(id))?.event;
    return event === undefined ? undefined : JSON.parse(String(event));
  }

  /** False if there is none of this id. */
  discard(id: string): boolean {
    const removed = this.remove(id);
    this.recount();
    return removed;
  }

  // The outbox calls the methods below within its commits, and recount() after them.

  /** Returns how many of the oldest were dropped for it. */
  put(seq: number, letter: { timeMs: number; code: string; reason: string }): number {
    this.#statements.put.run(letter.timeMs, letter.code, letter.reason, seq);
    return Number(this.#statements.forget.run(this.#bounds.letters, this.#bounds.bytes).changes);
  }

  remove(id: string): boolean {
    return this.#statements.remove.run(seqOf(id)).changes > 0;
  }

  /** Drops those that an event of the outbox overtook, up to `seq`. */
  overtake(seq: number): void {
    if (this.#count > 0) this.#statements.overtake.run(seq);
  }

  removeOf(udn: string): void {
    this.#statements.removeOf.run(udn);
  }

  recount(): void {
    const before = this.#count;
    this.#count = this.#read();
    if (this.#count !== before) this.#listener();
  }

  #read(): number {
    return Number(this.#statements.count.get()?.count);
  }
}

function seqOf(id: string): number {
  return /^d\d{1,15}$/.test(id) ? Number(id.slice(1)) : 0;
}

function noteOf(row: Record<string, unknown>): DeadLetterNote {
  const event: EdgeEvent = JSON.parse(String(row.event));
  const note: DeadLetterNote = {
    id: `d${row.seq}`,
    udn: event.udn,
    time: new Date(Number(row.time_ms)).toISOString(),
    code: String(row.code),
    reason: String(row.reason).slice(0, reasonChars),
    event: event.type,
  };
  if (event.type !== 'message.put') return note;
  const { folder, from, to, subject, body, time } = event.message;
  const party = folder === 'Received' ? from : (to[0] ?? from);
  const { address, displayName } = party;
  note.message = {
    folder,
    with: { address: excerpt(address), ...(displayName !== undefined && { displayName: excerpt(displayName) }) },
    ...(subject !== undefined && { subject: excerpt(subject) }),
    text: excerpt(body),
    time,
  };
  return note;
}

function excerpt(text: string): string {
  return text.length > excerptChars ? `${text.slice(0, excerptChars - 1).toWellFormed()}…` : text;
}
