// Events that the cloud has not stored yet: kept on the disk, in order.
import { randomUUID } from 'node:crypto';
import { type SequencedText, sequence } from '../../protocol/codec.ts';
import type { EdgeEvent } from '../../protocol/frames.ts';
import type { AgentDatabase } from './database.ts';
import { type DeadLetterBounds, DeadLetterTable } from './dead-letter-table.ts';

export interface OutboxOptions {
  readonly database: AgentDatabase;
  report(line: string): void;
  /** More events than this are not kept: the oldest go. */
  readonly maxEvents?: number;
  /** Nor more than this of their JSON, in UTF-8: 256 MiB unless told. */
  readonly maxBytes?: number;
  /** Older events are not kept. */
  readonly maxAgeMs?: number;
  readonly deadLetters?: DeadLetterBounds;
  now?(): number;
}

/** The cloud's final answer to an event: why it can never be stored; `undefined` when it is stored. */
export type TermReason = { readonly code: string; readonly reason: string } | undefined;

/** A crash that loses an acknowledgement costs one repetition, so acknowledged events are removed in batches. */
const pruneAfterMs = 1000;
const dayMs = 86_400_000;
const mib = 1024 * 1024;

/**
 * The bounds: 100,000 events, 256 MiB and 30 days. What goes over them is dropped, oldest first, with a warning, and
 * its phone is marked as not compared, so that at the next connection the inventory finds what the phone still holds
 * of it.
 */
export class Outbox {
  readonly #database: AgentDatabase;
  readonly #report: (line: string) => void;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #statements;
  readonly deadLetters: DeadLetterTable;
  readonly #bootId: string;
  /** Retries that wait for the cloud's answer, by the sequence number of their event. */
  readonly #waiters = new Map<number, { udn: string; settle(refusal: TermReason): void }>();
  #held: { events: number; bytes: number };
  #acked = 0;
  /** The highest sequence number that was given. */
  #last: number;
  /** On the clock of `performance.now()`. */
  #appendedMs = performance.now();
  #prune: NodeJS.Timeout | undefined;
  #listener: () => void = () => {};

  constructor(options: OutboxOptions) {
    const { database } = options;
    this.#database = database;
    this.#report = options.report;
    this.#maxEvents = options.maxEvents ?? 100_000;
    this.#maxBytes = options.maxBytes ?? 256 * mib;
    this.#maxAgeMs = options.maxAgeMs ?? 30 * dayMs;
    this.#now = options.now ?? Date.now;
    this.#statements = {
      append: database.prepare('INSERT INTO outbox (udn, time_ms, event) VALUES (?, ?, ?)'),
      after: database.prepare('SELECT seq, time_ms, event FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?'),
      oldest: database.prepare('SELECT seq, time_ms, octet_length(event) AS bytes FROM outbox ORDER BY seq'),
      next: database.prepare("SELECT seq + 1 AS seq FROM sqlite_sequence WHERE name = 'outbox'"),
      size: database.prepare('SELECT count(*) AS events, total(octet_length(event)) AS bytes FROM outbox'),
      removeUpTo: database.prepare('DELETE FROM outbox WHERE seq <= ? RETURNING octet_length(event) AS bytes'),
      removeOf: database.prepare('DELETE FROM outbox WHERE udn = ? RETURNING octet_length(event) AS bytes'),
      uncompare: database.prepare(
        'UPDATE phones SET compared_store = NULL WHERE udn IN (SELECT udn FROM outbox WHERE seq <= ?)',
      ),
      uncompareOf: database.prepare('UPDATE phones SET compared_store = NULL WHERE udn = ?'),
      remove: database.prepare('DELETE FROM outbox WHERE seq = ? RETURNING octet_length(event) AS bytes'),
      fact: database.prepare('SELECT value FROM facts WHERE name = ?'),
      keepFact: database.prepare('INSERT OR IGNORE INTO facts VALUES (?, ?)'),
    };
    this.deadLetters = new DeadLetterTable(database, options.deadLetters);
    this.#statements.keepFact.run('bootId', randomUUID());
    this.#bootId = String(this.#statements.fact.get('bootId')?.value);
    const size = this.#statements.size.get();
    this.#held = { events: Number(size?.events), bytes: Number(size?.bytes) };
    this.#last = Number(this.#statements.next.get()?.seq ?? 1) - 1;
  }

  /** Names the series of sequence numbers: as old as the database file. */
  get bootId(): string {
    return this.#bootId;
  }

  /** How many events the cloud has not acknowledged, or at most some of the last acknowledged more. */
  get waiting(): number {
    return this.#held.events;
  }

  /** The same without those that were acknowledged and are still to be removed. */
  get unacknowledged(): number {
    return Math.min(this.#held.events, this.#last - this.#acked);
  }

  /** How long nothing was appended, milliseconds. */
  get quietMs(): number {
    return performance.now() - this.#appendedMs;
  }

  /** The lowest sequence still held, or the next one. */
  get firstSeq(): number {
    return Math.max(this.#acked + 1, Number((this.#statements.oldest.get() ?? this.#statements.next.get())?.seq ?? 1));
  }

  /** Called after each commit that appended. */
  onAppended(listener: () => void): void {
    this.#listener = listener;
  }

  /** Keeps events, in one commit; with `also` other writes are part of the same commit. */
  append(events: readonly EdgeEvent[], also: () => void = () => {}): void {
    const dropped = this.#commit(() => {
      also();
      const now = this.#now();
      for (const event of events) {
        const text = JSON.stringify(event);
        this.#last = Number(this.#statements.append.run(event.udn, now, text).lastInsertRowid);
        this.#held.events++;
        this.#held.bytes += Buffer.byteLength(text);
      }
      return events.length > 0 ? this.#shed(now) : 0;
    });
    if (dropped > 0) {
      this.#report(
        `Warning: ${dropped} events that waited for the cloud were dropped, the oldest: too many, too large or too old. ` +
          'What the phone still holds of them is sent when the cloud is back.',
      );
    }
    if (events.length === 0) return;
    this.#appendedMs = performance.now();
    this.#listener();
  }

  /** Up to `limit` events after a sequence number, in order, as they were written down. */
  after(seq: number, limit: number): SequencedText[] {
    return this.#statements.after
      .all(Math.max(seq, this.#acked), limit)
      .map((row) => sequence(Number(row.seq), new Date(Number(row.time_ms)).toISOString(), String(row.event)));
  }

  /** The cloud has stored everything up to and including `seq`. */
  ack(seq: number): void {
    if (seq <= this.#acked) return;
    this.#acked = seq;
    for (const waiting of this.#waiters.keys()) if (waiting <= seq) this.#settle(waiting, undefined);
    this.#prune ??= setTimeout(() => this.#removeAcked(), pruneAfterMs);
  }

  /** The cloud can never store this event: it becomes a dead letter, with a warning. */
  term(seq: number, code: string, reason: string): void {
    const dropped = this.#commit(() => {
      const excess = this.deadLetters.put(seq, { timeMs: this.#now(), code, reason });
      this.deadLetters.overtake(seq);
      this.#release(this.#statements.remove.all(seq));
      return excess;
    });
    this.#report(`Warning: event ${seq} was refused for good (${code}: ${reason}). It is kept among the dead letters.`);
    if (dropped > 0) {
      this.#report(`Warning: ${dropped} dead letters, the oldest, were dropped to make room.`);
    }
    this.deadLetters.recount();
    this.#settle(seq, { code, reason });
  }

  /** Sends a dead letter again and resolves with the cloud's answer; undefined if there is no letter of this id. */
  retry(id: string): Promise<TermReason> | undefined {
    this.deadLetters.overtake(Number.MAX_SAFE_INTEGER);
    const event = this.deadLetters.find(id);
    this.deadLetters.recount();
    if (event === undefined) return undefined;
    const seq = Number(this.#statements.next.get()?.seq ?? 1);
    const { promise, resolve } = Promise.withResolvers<TermReason>();
    this.#waiters.set(seq, { udn: event.udn, settle: resolve });
    try {
      this.append([event], () => this.deadLetters.remove(id));
    } catch (error) {
      this.#waiters.delete(seq);
      throw error;
    }
    this.deadLetters.recount();
    return promise;
  }

  /** Drops the events of a phone whose approval was taken back; the inventory finds them again after a new approval. */
  drop(udn: string): void {
    this.#commit(() => {
      this.#statements.uncompareOf.run(udn);
      this.deadLetters.removeOf(udn);
      this.#release(this.#statements.removeOf.all(udn));
    });
    this.deadLetters.recount();
    const refusal = { code: 'phone-not-approved', reason: 'The approval of the phone was taken back.' };
    for (const [seq, waiter] of this.#waiters) if (waiter.udn === udn) this.#settle(seq, refusal);
  }

  /** Removes what was acknowledged. The database stays open: its opener closes it. */
  stop(): void {
    if (this.#prune === undefined) return;
    clearTimeout(this.#prune);
    this.#removeAcked();
  }

  #settle(seq: number, refusal: TermReason): void {
    this.#waiters.get(seq)?.settle(refusal);
    this.#waiters.delete(seq);
  }

  #removeAcked(): void {
    this.#prune = undefined;
    try {
      this.#commit(() => {
        this.deadLetters.overtake(this.#acked);
        this.#release(this.#statements.removeUpTo.all(this.#acked));
      });
      this.deadLetters.recount();
    } catch {
      // A full disk. The next acknowledgement removes these too; forgotten in a crash, they are sent again.
    }
  }

  /** Drops what is over the bounds, from the oldest on; answers how many. */
  #shed(now: number): number {
    let { events, bytes } = this.#held;
    let last = 0;
    for (const row of this.#statements.oldest.iterate()) {
      const isOverdue = Number(row.time_ms) < now - this.#maxAgeMs;
      if (events <= this.#maxEvents && bytes <= this.#maxBytes && !isOverdue) break;
      last = Number(row.seq);
      events--;
      bytes -= Number(row.bytes);
    }
    if (last === 0) return 0;
    this.#statements.uncompare.run(last);
    return this.#release(this.#statements.removeUpTo.all(last));
  }

  /** Subtracts removed events from the counts; returns their number. */
  #release(removed: readonly Record<string, unknown>[]): number {
    this.#held.events -= removed.length;
    for (const { bytes } of removed) this.#held.bytes -= Number(bytes);
    return removed.length;
  }

  /** Takes back the counts of a commit that fails. */
  #commit<Result>(work: () => Result): Result {
    const before = { ...this.#held };
    try {
      return this.#database.commit(work);
    } catch (error) {
      this.#held = before;
      throw error;
    }
  }
}
