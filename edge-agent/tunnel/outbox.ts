// Events on their way to the cloud: kept on the disk, in their order, until the cloud has stored them.
import { randomUUID } from 'node:crypto';
import type { EdgeEvent, SequencedEvent } from '../../protocol/frames.ts';
import type { AgentDatabase } from './database.ts';
import { DeadLetters } from './dead-letters.ts';

export interface OutboxOptions {
  readonly database: AgentDatabase;
  report(line: string): void;
  /** More events than this are not kept: the oldest go. */
  readonly maxEvents?: number;
  /** Older events are not kept. */
  readonly maxAgeMs?: number;
  now?(): number;
}

/** What became of an event: `undefined` when the cloud has stored it, or why it never can. */
export type Refusal = { readonly code: string; readonly reason: string } | undefined;

/** An acknowledgement that a crash forgets costs only a repetition, so acknowledged events are removed in batches. */
const pruneAfterMs = 250;
const dayMs = 86_400_000;

/**
 * The bounds: 100,000 events and 30 days. What goes over them is dropped, oldest first, with a warning, and its phone
 * is marked as not compared, so that at the next connection the inventory finds what the phone still holds of it.
 */
export class Outbox {
  readonly #database: AgentDatabase;
  readonly #report: (line: string) => void;
  readonly #maxEvents: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #statements;
  readonly deadLetters: DeadLetters;
  readonly #bootId: string;
  /** Whoever waits to hear what becomes of an event, by its sequence number. */
  readonly #waiters = new Map<number, { udn: string; settle(refusal: Refusal): void }>();
  #count: number;
  #acked = 0;
  /** On the clock of `performance.now()`. */
  #appendedMs = performance.now();
  #prune: NodeJS.Timeout | undefined;
  #listener: () => void = () => {};

  constructor(options: OutboxOptions) {
    const { database } = options;
    this.#database = database;
    this.#report = options.report;
    this.#maxEvents = options.maxEvents ?? 100_000;
    this.#maxAgeMs = options.maxAgeMs ?? 30 * dayMs;
    this.#now = options.now ?? Date.now;
    this.#statements = {
      append: database.prepare('INSERT INTO outbox (udn, time_ms, event) VALUES (?, ?, ?)'),
      after: database.prepare('SELECT seq, time_ms, event FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?'),
      first: database.prepare('SELECT seq, time_ms FROM outbox ORDER BY seq LIMIT 1'),
      next: database.prepare("SELECT seq + 1 AS seq FROM sqlite_sequence WHERE name = 'outbox'"),
      count: database.prepare('SELECT count(*) AS count FROM outbox'),
      removeUpTo: database.prepare('DELETE FROM outbox WHERE seq <= ?'),
      removeOf: database.prepare('DELETE FROM outbox WHERE udn = ?'),
      overdue: database.prepare(
        'SELECT max(seq) AS seq FROM (SELECT seq FROM outbox WHERE time_ms < ? UNION ALL SELECT ? WHERE ? > 0)',
      ),
      edge: database.prepare('SELECT seq FROM outbox ORDER BY seq LIMIT 1 OFFSET ?'),
      uncompare: database.prepare(
        'UPDATE phones SET compared_store = NULL WHERE udn IN (SELECT udn FROM outbox WHERE seq <= ?)',
      ),
      uncompareOf: database.prepare('UPDATE phones SET compared_store = NULL WHERE udn = ?'),
      remove: database.prepare('DELETE FROM outbox WHERE seq = ?'),
      fact: database.prepare('SELECT value FROM facts WHERE name = ?'),
      keepFact: database.prepare('INSERT OR IGNORE INTO facts VALUES (?, ?)'),
    };
    this.deadLetters = new DeadLetters(database);
    this.#statements.keepFact.run('bootId', randomUUID());
    this.#bootId = String(this.#statements.fact.get('bootId')?.value);
    this.#count = Number(this.#statements.count.get()?.count);
  }

  /** Names the series of sequence numbers: as old as the database file. */
  get bootId(): string {
    return this.#bootId;
  }

  /** How long nothing was appended, milliseconds. */
  get quietMs(): number {
    return performance.now() - this.#appendedMs;
  }

  /** The lowest sequence still held, or the next one. */
  get firstSeq(): number {
    return Math.max(this.#acked + 1, Number((this.#statements.first.get() ?? this.#statements.next.get())?.seq ?? 1));
  }

  /** Called after each commit that appended. */
  onAppended(listener: () => void): void {
    this.#listener = listener;
  }

  /** Keeps events, in one commit; with `also` other writes are part of the same commit. */
  append(events: readonly EdgeEvent[], also: () => void = () => {}): void {
    const countBefore = this.#count;
    try {
      this.#database.commit(() => {
        also();
        const now = this.#now();
        for (const event of events) this.#statements.append.run(event.udn, now, JSON.stringify(event));
        this.#count += events.length;
        if (events.length > 0) this.#shed(now);
      });
    } catch (error) {
      this.#count = countBefore;
      throw error;
    }
    if (events.length === 0) return;
    this.#appendedMs = performance.now();
    this.#listener();
  }

  /** Up to `limit` events after a sequence number, in order. */
  after(seq: number, limit: number): SequencedEvent[] {
    return this.#statements.after.all(Math.max(seq, this.#acked), limit).map((row) => ({
      seq: Number(row.seq),
      time: new Date(Number(row.time_ms)).toISOString(),
      event: JSON.parse(String(row.event)),
    }));
  }

  /** The cloud has stored everything up to and including `seq`. */
  ack(seq: number): void {
    if (seq <= this.#acked) return;
    this.#acked = seq;
    for (const waiting of this.#waiters.keys()) if (waiting <= seq) this.#settle(waiting, undefined);
    this.#prune ??= setTimeout(() => this.#removeAcked(), pruneAfterMs);
  }

  /** The cloud can never store this event: it is put aside, with a warning. */
  bury(seq: number, code: string, reason: string): void {
    this.#database.commit(() => {
      this.deadLetters.put(seq, { timeMs: this.#now(), code, reason });
      this.deadLetters.overtake(seq);
      this.#count -= Number(this.#statements.remove.run(seq).changes);
    });
    this.#report(`Warning: event ${seq} was refused for good (${code}: ${reason}). It is kept among the dead letters.`);
    this.deadLetters.recount();
    this.#settle(seq, { code, reason });
  }

  /** Sends a dead letter again, and resolves with what became of it; undefined if there is none of this id. */
  retry(id: string): Promise<Refusal> | undefined {
    this.deadLetters.overtake(Number.MAX_SAFE_INTEGER);
    const event = this.deadLetters.find(id);
    this.deadLetters.recount();
    if (event === undefined) return undefined;
    const seq = Number(this.#statements.next.get()?.seq ?? 1);
    const { promise, resolve } = Promise.withResolvers<Refusal>();
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

  /** Forgets what waits of a phone whose approval was taken back; the inventory makes it good if it is given again. */
  drop(udn: string): void {
    this.#database.commit(() => {
      this.#statements.uncompareOf.run(udn);
      this.deadLetters.removeOf(udn);
      this.#count -= Number(this.#statements.removeOf.run(udn).changes);
    });
    this.deadLetters.recount();
    const refusal = { code: 'phone-not-approved', reason: 'The approval of the phone was taken back.' };
    for (const [seq, waiter] of this.#waiters) if (waiter.udn === udn) this.#settle(seq, refusal);
  }

  /** Writes down what was acknowledged. The database stays open: it belongs to whoever opened it. */
  stop(): void {
    if (this.#prune === undefined) return;
    clearTimeout(this.#prune);
    this.#removeAcked();
  }

  #settle(seq: number, refusal: Refusal): void {
    this.#waiters.get(seq)?.settle(refusal);
    this.#waiters.delete(seq);
  }

  #removeAcked(): void {
    this.#prune = undefined;
    try {
      this.#count -= this.#database.commit(() => {
        this.deadLetters.overtake(this.#acked);
        return Number(this.#statements.removeUpTo.run(this.#acked).changes);
      });
      this.deadLetters.recount();
    } catch {
      // A full disk. The next acknowledgement removes these too; forgotten in a crash, they are sent again.
    }
  }

  #shed(now: number): void {
    const excess = this.#count - this.#maxEvents;
    const first = this.#statements.first.get();
    if (excess <= 0 && (first === undefined || Number(first.time_ms) >= now - this.#maxAgeMs)) return;
    const edge = excess > 0 ? Number(this.#statements.edge.get(excess - 1)?.seq ?? 0) : 0;
    const last = Number(this.#statements.overdue.get(now - this.#maxAgeMs, edge, edge)?.seq ?? 0);
    this.#statements.uncompare.run(last);
    const dropped = Number(this.#statements.removeUpTo.run(last).changes);
    this.#count -= dropped;
    if (dropped === 0) return;
    this.#report(
      `Warning: ${dropped} events waited too long for the cloud and were dropped. ` +
        'What the phone still holds of them is sent when the cloud is back.',
    );
  }
}
