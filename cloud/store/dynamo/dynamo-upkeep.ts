// Upkeep: gives messages of an earlier version or another country their present conversation keys. The home's next
// commit starts it; each batch is a commit of its own. After an eviction or an outage, a later commit resumes it.
import { countryFor, countryIn, countrySeen, placed, rulesFor } from '../rules/conversation-rules.ts';
import type { Write } from '../store.ts';
import type { DynamoConversations } from './dynamo-conversations.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { keys } from './keys.ts';
import { present } from './message-parts.ts';
import type { StoredHome, StoredMessageOrTombstone } from './stored.ts';

/** Messages in one read: about one page of DynamoDB. */
const readAtOnce = 500;
/** Changed messages in one commit: each costs a write, and their conversations cost some more. */
const changedAtOnce = 50;
/** Latest messages that are searched for the country of the phones' own numbers. */
const mostEvidence = 200;

export class DynamoUpkeep {
  readonly #records: HomeRecords;
  readonly #conversations: DynamoConversations;
  readonly #running = new Map<string, Promise<void>>();
  #isStopped = true;

  constructor(records: HomeRecords, conversations: DynamoConversations) {
    this.#records = records;
    this.#conversations = conversations;
  }

  start(): void {
    this.#isStopped = false;
  }

  /** Resolves when the batches in flight are done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.settled();
  }

  /** Resolves when no upkeep runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** A message may carry the phone's own number, which names a country. */
  learnCountry(batch: HomeBatch, writes: readonly Write[]): void {
    if (countryOf(batch) !== undefined) return;
    const seenCountry = countryIn(writes);
    if (seenCountry !== undefined) batch.keying = { ...batch.keying, seenCountry };
  }

  /** Call it after a commit: starts upkeep if the home needs it. */
  look(home: string): void {
    if (this.#isStopped || this.#running.has(home)) return;
    const stored = this.#records.remembered(home);
    if (stored === undefined || isDone(stored)) return;
    const run = this.#run(home)
      // The next commit resumes it.
      .catch(() => undefined)
      .finally(() => this.#running.delete(home));
    this.#running.set(home, run);
  }

  async #run(home: string): Promise<void> {
    for (;;) {
      if (this.#isStopped) return;
      const { result: isLeft } = await this.#records.change(home, (batch) => this.#doSome(batch, home));
      if (!isLeft) return;
    }
  }

  /** Returns whether messages are left. */
  async #doSome(batch: HomeBatch, home: string): Promise<boolean> {
    await this.#findCountry(batch, home);
    const country = countryOf(batch);
    const rules = rulesFor(country);
    const { under, ...keying } = batch.keying;
    if (keying.rules === rules) return false;
    let after = under?.rules === rules ? under.after : '';
    let [seen, changed] = [0, 0];
    for await (const message of messagesAfter(batch.view, home, after)) {
      if (seen === readAtOnce || changed === changedAtOnce) {
        batch.keying = { ...keying, under: { rules, after } };
        return true;
      }
      seen++;
      after = message.id;
      const before = present(message);
      const next = before && placed(before, country);
      if (before === undefined || next === undefined || JSON.stringify(next) === JSON.stringify(before)) continue;
      changed++;
      const key = keys.message(home, message.id);
      await batch.load([key]);
      batch.put(key, next);
      await this.#conversations.follow(batch, home, before, next);
    }
    batch.keying = { ...keying, rules };
    return false;
  }

  /** For a home of an earlier version, whose messages have not been searched for a country yet. */
  async #findCountry(batch: HomeBatch, home: string): Promise<void> {
    const { keying } = batch;
    if (keying.rules !== undefined || keying.under !== undefined || countryOf(batch) !== undefined) return;
    let seen = 0;
    for await (const message of messagesAfter(batch.view, home, '', true)) {
      if (seen++ === mostEvidence) return;
      const record = present(message);
      const seenCountry = record && countrySeen(record);
      if (seenCountry === undefined) continue;
      batch.keying = { ...keying, seenCountry };
      return;
    }
  }
}

function countryOf(batch: HomeBatch): string | undefined {
  return countryFor(batch.home.settings, batch.keying);
}

function isDone({ home, keying = {} }: StoredHome): boolean {
  return keying.rules === rulesFor(countryFor(home.settings, keying));
}

async function* messagesAfter(
  view: HomeView,
  home: string,
  after: string,
  newestFirst = false,
): AsyncGenerator<StoredMessageOrTombstone> {
  const { pk: partition, sk: from } = keys.message(home, after);
  const range = { partition, from, to: keys.message(home, '~').sk, newestFirst, count: readAtOnce };
  for await (const message of view.range<StoredMessageOrTombstone>(range)) if (message.id !== after) yield message;
}
