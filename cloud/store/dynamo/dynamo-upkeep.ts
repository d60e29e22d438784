// What an earlier version stored, or another country's rules, brought up to date in the background: each message into its
// conversation by the present rules. Begun by the home's next commit, in batches that are commits of their own; where it
// breaks off (an eviction, an outage), a later commit goes on from there.
import { countryFor, countryIn, countrySeen, placed, rulesFor } from '../rules/conversation-rules.ts';
import type { Write } from '../store.ts';
import type { DynamoConversations } from './dynamo-conversations.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { keys } from './keys.ts';
import { present } from './message-parts.ts';
import type { StoredHome, StoredMessageOrTombstone } from './stored.ts';

/** Messages that are looked at in one go: about one page of DynamoDB. */
const readAtOnce = 500;
/** Messages that one commit changes: each takes a write of its own, and their conversations take some. */
const changedAtOnce = 50;
/** Looked at for the country of the phones' own numbers. */
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

  /** Resolves when the batches under way are done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.settled();
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Of messages that come, those which tell the phones' own number tell the country it is of. */
  learnCountry(batch: HomeBatch, writes: readonly Write[]): void {
    if (countryOf(batch) !== undefined) return;
    const seenCountry = countryIn(writes);
    if (seenCountry !== undefined) batch.keying = { ...batch.keying, seenCountry };
  }

  /** After a commit: whether the home's messages are where they belong. */
  look(home: string): void {
    if (this.#isStopped || this.#running.has(home)) return;
    const stored = this.#records.remembered(home);
    if (stored === undefined || isDone(stored)) return;
    const run = this.#run(home)
      // The next commit goes on.
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

  /** Answers whether something is left to do. */
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

  /** For a home of an earlier version, whose messages nobody has asked yet. */
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
