// What an earlier version stored, or another country's rules, brought up to date while the store is in use: conversations
// by the present rules, and the text that is searched. In batches, each a transaction that says how far they are.
import { setTimeout } from 'node:timers/promises';
import type { MessageRecord } from '../message-store.ts';
import { conversationKey, countryIn, countrySeen, placed, rulesFor } from '../rules/conversation-rules.ts';
import { searchText, searchVersion } from '../rules/search-text.ts';
import type { Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';
import type { SqliteConversations } from './sqlite-conversations.ts';
import type { SqliteHomes } from './sqlite-homes.ts';

/** Read in one go. */
const batchSize = 1_000;
/** After so much work readers and other writers have their turn, for as long again. */
const longestBatchMs = 30;
const longestRestMs = 100;
/** How often the operator is told how far it is. */
const tellEveryMs = 60_000;
/** Looked at for the country of the phones' own numbers. */
const mostEvidence = 500;

/** Tells the operator of work on what an earlier version stored: it makes a large store slower for a while. */
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
  /** Homes with nothing to bring up to date: to find that out took 4 % of what a send takes. */
  readonly #settledHomes = new Set<string>();
  #isStopped = true;
  /** Messages that were looked at since the last start. */
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

  /** Resolves when the batch under way is done; the rest goes on at the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Within a write: of messages that come, those which tell the phones' own number tell the country it is of. */
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
      // A store that fails says so to whoever writes; the rest is done at the next start.
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
      // A small home is done in one go, and nothing is told of it.
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

  /** Within a write. */
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

  /** Answers the id of the message. */
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

  /** For a home of an earlier version, whose messages nobody has asked yet. */
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
