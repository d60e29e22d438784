// The records of each home. A commit is one conditional put of the home's head, which carries its changes. When a head
// has no room for the next commit, its changes are first written to their own items. Every reader reads the head first.
import { GatewayError } from '../../../protocol/errors.ts';
import { timeOfUlid } from '../../../shared/ulid.ts';
import type { Clock } from '../clock.ts';
import { attributes } from '../table.ts';
import { type DynamoEngine, pause } from './engine.ts';
import { HomeBatch } from './home-batch.ts';
import { type Head, HomeView } from './home-view.ts';
import { bytesOf, type Draft, draftOf, type Items, lostText } from './items.ts';
import { isPossible, keys } from './keys.ts';
import { Conflict } from './outage.ts';
import { placementOf } from './placement.ts';
import { tooMany } from './records.ts';
import { keptMs, type StoredHome, type StoredTold } from './stored.ts';

/** One write unit: a commit costs one while the head is no larger. */
const headBytes = 1_024;
/** One read unit: a larger head, as after many changes at once, is emptied at once, because each reader reads it. */
const largestHeadBytes = 4_096;
const writtenAtOnce = 16;
/** The next commit deletes the blob of a large head, perhaps between the reads of the head and of its blob. */
const mostReadings = 3;
/** Retries after conflicts with other writers: they take a few seconds. */
const mostDecisions = 40;
/** Cached heads, which save the next commit of a home a read. */
const mostHeads = 1_000;

export interface HomeChange<Result> {
  result: Result;
  told: StoredTold;
}

export class HomeRecords {
  readonly clock: Clock;
  readonly #engine: DynamoEngine;
  readonly #items: Items;
  /** Possibly stale. Reads do not use them, and a commit that was decided on a stale head conflicts. */
  readonly #heads = new Map<string, Head>();

  constructor(engine: DynamoEngine, items: Items, clock: Clock) {
    this.#engine = engine;
    this.#items = items;
    this.clock = clock;
  }

  /** The home as this process saw it last; undefined if it never did. */
  remembered(home: string): StoredHome | undefined {
    return this.#heads.get(home)?.stored;
  }

  /** The home as it is now. */
  async open(home: string): Promise<HomeView> {
    const key = keys.home(home);
    for (let tries = 1; tries <= mostReadings; tries++) {
      const [item] = isPossible(key) ? await this.#engine.get([key]) : [];
      if (item === undefined) return this.#view(home, { revision: 0, stored: undefined });
      const known = await this.#items.decode(item);
      if (known === undefined) continue;
      const { revision, data, blob } = known;
      return this.#view(home, this.#remember(home, { revision, stored: data as StoredHome, blob }));
    }
    throw lostText();
  }

  /**
   * Commits the changes that `decide` makes; calls it again if another writer committed in between. When a commit fails
   * without a known outcome, `onUnsure` gets the events that it may nevertheless have stored.
   * @throws GatewayError `not-found`, `store-unavailable`
   */
  async change<Result>(
    home: string,
    decide: (batch: HomeBatch) => Promise<Result>,
    onUnsure: (told: StoredTold) => void = () => undefined,
  ): Promise<HomeChange<Result>> {
    const remembered = this.#heads.get(home);
    let view = remembered === undefined ? await this.open(home) : this.#view(home, remembered);
    let isSeenNow = remembered === undefined;
    for (let tries = 1; tries <= mostDecisions; tries++) {
      const { stored } = view.head;
      if (stored === undefined) throw new GatewayError('not-found', 'There is no such home.');
      const batch = new HomeBatch(view, stored);
      const result = await decide(batch);
      const { told } = batch;
      if (batch.isEmpty) {
        if (isSeenNow) return { result, told };
        const { revision } = view.head;
        view = await this.open(home);
        isSeenNow = true;
        if (view.head.revision === revision) return { result, told };
        continue;
      }
      try {
        await this.#commit(batch, stored);
        return { result, told };
      } catch (error) {
        if (!(error instanceof Conflict)) {
          onUnsure(told);
          throw error;
        }
      }
      // The engine's own retry after a lost answer conflicts with its first attempt.
      view = await this.open(home);
      if (await view.hasHeardOf(told)) return { result, told };
      // The shortest pause: a writer that waits for long conflicts again with one that keeps writing.
      if (isSeenNow) await pause(1);
      isSeenNow = true;
    }
    throw tooMany();
  }

  async #commit(batch: HomeBatch, before: StoredHome): Promise<void> {
    const { view } = batch;
    const key = keys.home(view.home);
    const revision = view.head.revision + 1;
    let stored = batch.head('all');
    let draft = draftOf(key, revision, stored);
    if (bytesOf(draft) > headBytes && (before.told.length > 0 || Object.keys(before.changes).length > 0)) {
      // This commit replaces the items that it touches: do not write their old contents first.
      await this.#settle(view, before, batch.touched);
      stored = batch.head('this');
      draft = draftOf(key, revision, stored);
    }
    const head = await this.#put(view, draft, stored);
    if (bytesOf(draft) > largestHeadBytes || batch.isErasing) await this.#empty(this.#view(view.home, head), stored);
  }

  /** The commit is stored already: if this fails, the next commit empties the head. */
  async #empty(view: HomeView, stored: StoredHome): Promise<void> {
    try {
      await this.#settle(view, stored, new Set());
      const emptied = { ...stored, changes: {}, told: [], paged: stored.lastEvent };
      await this.#put(view, draftOf(keys.home(view.home), view.head.revision + 1, emptied), emptied);
    } catch {
      this.#heads.delete(view.home);
    }
  }

  /** @throws Conflict if the head is no longer the one of the view */
  async #put(view: HomeView, draft: Draft, stored: StoredHome): Promise<Head> {
    const { home, head } = view;
    const { key, revision } = draft;
    const item = await this.#items.encode(draft);
    try {
      await this.#engine.write([{ key, before: head.revision, item }]);
    } catch (error) {
      this.#heads.delete(home);
      throw error;
    }
    if (head.blob !== undefined) await this.#items.forget(head.blob);
    const blob = item[attributes.blob];
    return this.#remember(home, { revision, stored, ...(typeof blob === 'string' && { blob }) });
  }

  /** Writes the changes that the head carries to their own items. Idempotent, also when it comes late. */
  async #settle(view: HomeView, stored: StoredHome, but: ReadonlySet<string>): Promise<void> {
    const { pk } = keys.home(view.home);
    const writes: { draft: Draft; replaced?: string | undefined }[] = [];
    for (const [sk, { revision, data, blob }] of Object.entries(stored.changes)) {
      if (but.has(sk)) continue;
      // A deleted item keeps its revision for a day, so that a late writer does not restore it.
      const placement = data === undefined ? { expiresAtMs: view.nowMs + keptMs } : placementOf(sk, data);
      writes.push({ draft: draftOf({ pk, sk }, revision, data, placement), replaced: blob });
    }
    const expiresAtMs = stored.told.length === 0 ? 0 : timeOfUlid(stored.lastEvent) + keptMs;
    if (expiresAtMs > view.nowMs) {
      const page = { previous: stored.paged, told: stored.told };
      const key = keys.events(view.home, stored.lastEvent);
      writes.push({ draft: draftOf(key, view.head.revision, page, { expiresAtMs }) });
    }
    for (let at = 0; at < writes.length; at += writtenAtOnce) {
      await Promise.all(
        writes.slice(at, at + writtenAtOnce).map(async ({ draft, replaced }) => {
          const isWritten = await this.#engine.putIfNewer(await this.#items.encode(draft));
          if (isWritten && replaced !== undefined) await this.#items.forget(replaced);
        }),
      );
    }
  }

  #view(home: string, head: Head): HomeView {
    return new HomeView(home, head, { engine: this.#engine, items: this.#items, nowMs: this.clock.now() });
  }

  #remember(home: string, head: Head): Head {
    this.#heads.delete(home);
    this.#heads.set(home, head);
    const oldest = this.#heads.keys().next().value;
    if (this.#heads.size > mostHeads && oldest !== undefined) this.#heads.delete(oldest);
    return head;
  }
}
