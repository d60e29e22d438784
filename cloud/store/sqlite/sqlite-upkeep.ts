// Upkeep: gives messages of an earlier version or another country the present conversation keys and search texts, while
// the store is in use. It works in batches; each transaction also records the progress.
import { setTimeout } from 'node:timers/promises';
import type { MessageRecord } from '../message-store.ts';
import { conversationKey, countryIn, countrySeen, placed, rulesFor } from '../rules/conversation-rules.ts';
import { searchText, searchVersion } from '../rules/search-text.ts';
import type { Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';
import type { SqliteConversations } from './sqlite-conversations.ts';
import type { SqliteHomes } from './sqlite-homes.ts';

/** Messages in one read. */
const batchSize = 1_000;
/** Longest batch; readers and other writers then have as long a pause, up to the second limit. */
const longestBatchMs = 30;
const longestRestMs = 100;
/** Interval of progress reports to the operator. */
const tellEveryMs = 60_000;
/** Latest messages that are searched for the country of the phones' own numbers. */
const mostEvidence = 500;

/** Reports upkeep to the operator: it makes a large store slower for a while. */
export type UpkeepReport = (
  event: `upkeep.${'begun' | 'progress' | 'done'}`,
  about: { home: string; messages: number },
) => void;

interface MessageRow {
  row: number;
  record: string;
  text: string;
}

export class SqliteUpkeep {
  readonly #engine: SqliteEngine;
  readonly #homes: SqliteHomes;
  readonly #conversations: SqliteConversations;
  readonly #report: UpkeepReport;
  #running: Promise<void> | undefined;
  readonly #waiting = new Set<string>();
  /** Homes that are up to date: without this cache, the check took 4 % of the time of a send. */
  readonly #settledHomes = new Set<string>();
  #isStopped = true;
  /** Messages processed in the present home. */
  #seen = 0;

  constructor(
    engine: SqliteEngine,
    homes: SqliteHomes,
    conversations: SqliteConversations,
    report: UpkeepReport = () => {},
  ) {
    this.#report = report;
    this.#engine = engine;
    this.#homes = homes;
    this.#conversations = conversations;
  }

  start(): void {
    this.#isStopped = false;
    for (const { id } of this.#engine.all<{ id: string }>('SELECT id FROM homes')) this.look(id);
  }

  /** Resolves when the batch in flight is done; the next start resumes the rest. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Call it within a write: a message may carry the phone's own number, which names a country. */
  learnCountry(home: string, writes: readonly Write[]): void {
    if (writes.some(({ type }) => type === 'home.change')) this.#settledHomes.delete(home);
    const seenCountry = countryIn(writes);
    if (seenCountry === undefined || this.#homes.countryOf(home) !== undefined) return;
    this.#homes.setKeying(home, { ...this.#homes.keyingOf(home), seenCountry });
    this.#settledHomes.delete(home);
  }

  /** A home's country may have changed. */
  look(home: string): void {
    if (this.#isStopped || this.#settledHomes.has(home) || this.#waiting.has(home)) return;
    if (this.#rulesOf(home).isDone) {
      this.#settledHomes.add(home);
      return;
    }
    this.#waiting.add(home);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing is left to do. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const home of this.#waiting) {
      // Callers that write see the failure of the store; the next start resumes the rest.
      await this.#finish(home).catch(() => undefined);
      this.#waiting.delete(home);
    }
  }

  async #finish(home: string): Promise<void> {
    this.#seen = 0;
    let toldMs = 0;
    while (!this.#isStopped && !this.#rulesOf(home).isDone) {
      const fromMs = performance.now();
      await this.#engine.write(() => this.#doSome(home));
      // A small home takes one batch, which is not reported.
      if (!this.#rulesOf(home).isDone && (toldMs === 0 || fromMs - toldMs >= tellEveryMs)) {
        this.#report(toldMs === 0 ? 'upkeep.begun' : 'upkeep.progress', { home, messages: this.#seen });
        toldMs = fromMs;
      }
      await setTimeout(Math.min(performance.now() - fromMs, longestRestMs));
    }
    if (toldMs > 0 && !this.#isStopped) this.#report('upkeep.done', { home, messages: this.#seen });
  }

  #rulesOf(home: string): { rules: string; isDone: boolean } {
    const rules = `${searchVersion}.${rulesFor(this.#homes.countryOf(home))}`;
    return { rules, isDone: this.#homes.keyingOf(home).rules === rules };
  }

  /** Call it within a write. */
  #doSome(home: string): void {
    this.#findCountry(home);
    const { rules, isDone } = this.#rulesOf(home);
    if (isDone) return;
    const { under, ...keying } = this.#homes.keyingOf(home);
    const after = under?.rules === rules ? under.after : '';
    const rows = this.#engine.all<MessageRow>(
      'SELECT row, record, text FROM messages INDEXED BY messages_by_id WHERE home = ? AND id > ? ORDER BY id LIMIT ?',
      home,
      after,
      batchSize,
    );
    const country = this.#homes.countryOf(home);
    let last = after;
    let done = 0;
    const untilMs = performance.now() + longestBatchMs;
    for (const row of rows) {
      last = this.#renew(row, country);
      done++;
      if (performance.now() > untilMs) break;
    }
    this.#seen += done;
    const isLast = done === rows.length && rows.length < batchSize;
    this.#homes.setKeying(home, isLast ? { ...keying, rules } : { ...keying, under: { rules, after: last } });
  }

  /** Returns the id of the message. */
  #renew({ row, record, text }: MessageRow, country: string | undefined): string {
    const before = JSON.parse(record) as MessageRecord;
    const after = placed(before, country);
    const json = JSON.stringify(after);
    const newText = searchText(after);
    if (json !== record || newText !== text) {
      this.#engine.run(
        'UPDATE messages SET record = ?, conversation = ?, sender = ?, text = ? WHERE row = ?',
        json,
        conversationKey(after) ?? null,
        after.from.address,
        newText,
        row,
      );
    }
    if (newText !== text) {
      this.#engine.run('INSERT OR REPLACE INTO messages_text (rowid, text) VALUES (?, ?)', row, newText);
    }
    if (json !== record) this.#conversations.follow(before.home, before, after);
    return after.id;
  }

  /** For a home of an earlier version, whose messages have not been searched for a country yet. */
  #findCountry(home: string): void {
    const keying = this.#homes.keyingOf(home);
    if (keying.rules !== undefined || keying.under !== undefined || this.#homes.countryOf(home) !== undefined) return;
    const latest = this.#engine.all<{ record: string }>(
      'SELECT record FROM messages INDEXED BY messages_by_id WHERE home = ? ORDER BY id DESC LIMIT ?',
      home,
      mostEvidence,
    );
    for (const { record } of latest) {
      const seenCountry = countrySeen(JSON.parse(record) as MessageRecord);
      if (seenCountry === undefined) continue;
      this.#homes.setKeying(home, { ...keying, seenCountry });
      return;
    }
  }
}
