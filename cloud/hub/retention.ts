// Deletes messages by the home's settings `keep` and `keepDays`.
import type { HomeSettings } from '../store/home-store.ts';
import type { MessageRecord, MissingMessage } from '../store/message-store.ts';
import { recentlyDeleted } from '../store/rules/deletion-count.ts';
import type { Write } from '../store/store.ts';
import type { BackgroundTask, TaskHome } from './background-task.ts';
import type { HubDeps } from './hub-deps.ts';

/** Deletions in one commit; more would hold up messages that arrive. */
const batchSize = 50;
const dayMs = 24 * 3_600_000;
/** Between two checks for messages that have become too old. */
const intervalMs = 3_600_000;
const retryMs = 60_000;
/** Clocks that were never set show 1970, 1980 or 2000: such a message is as old as its arrival at the cloud. */
const earliestBelievedMs = Date.UTC(2001);

export class Retention implements BackgroundTask {
  readonly #home: TaskHome;
  readonly #deps: HubDeps;
  /** Undefined until they are read. Only this hub changes them. */
  #settings: HomeSettings | undefined;
  #running: Promise<void> | undefined;
  #runAgain = false;
  #stopped = false;
  #cancelNext: (() => void) | undefined;

  constructor(home: TaskHome, deps: HubDeps) {
    this.#home = home;
    this.#deps = deps;
  }

  /** Runs if the writes can matter. The commit does not wait for it: deleting may take long. */
  follow(writes: readonly Write[]): void {
    const areSettings = writes.some(({ type }) => type === 'home.change' || type === 'question.answer');
    if (areSettings) this.#settings = undefined;
    const isKnownToKeep = this.#settings !== undefined && this.#settings.keep !== 'like-the-phone';
    const hasMissing = writes.some(({ type }) => type === 'message.absent' || type === 'message.put');
    if (areSettings || (hasMissing && !isKnownToKeep && this.#mayConcern(writes))) void this.run();
  }

  /** Deletes what is due, one run at a time; a call during a run starts another one after it. Never rejects. */
  async run(): Promise<void> {
    this.#runAgain = true;
    if (this.#stopped) return;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelNext?.();
    await this.#running;
  }

  /** A message that its phone lists again matters only where there is a question to the household. */
  #mayConcern(writes: readonly Write[]): boolean {
    if (writes.some(({ type }) => type === 'message.absent')) return true;
    return (this.#settings?.questions ?? []).length > 0;
  }

  async #runAll(): Promise<void> {
    while (this.#runAgain && !this.#stopped) {
      this.#runAgain = false;
      try {
        await this.#runOnce();
      } catch (error) {
        this.#deps.log.warn('retention.failed', { home: this.#home.id, error: String(error) });
        this.#runLater(retryMs);
      }
    }
  }

  async #runOnce(): Promise<void> {
    this.#cancelNext?.();
    const settings = (await this.#deps.store.homes.get(this.#home.id))?.settings ?? {};
    this.#settings = settings;
    if (settings.keepDays !== undefined) {
      this.#runLater(intervalMs);
      await this.#dropOlder(this.#deps.clock.now() - settings.keepDays * dayMs);
    }
    if (settings.keep !== 'like-the-phone') return;
    for (const phone of this.#home.phones()) await this.#followPhone(phone, settings);
  }

  #runLater(ms: number): void {
    this.#cancelNext?.();
    if (!this.#stopped) this.#cancelNext = this.#deps.deadlines.after(ms, () => void this.run());
  }

  async #dropOlder(beforeMs: number): Promise<void> {
    let after = '';
    while (!this.#stopped) {
      const records = await this.#deps.store.messages.olderThan(this.#home.id, beforeMs, {
        after,
        limit: batchSize,
      });
      const old = records.filter((record) => isOlder(record, beforeMs));
      if (old.length > 0) await this.#home.commit(old.map(({ id }) => ({ type: 'message.delete', id })));
      after = records.at(-1)?.id ?? after;
      if (records.length < batchSize) return;
    }
  }

  /** Deletes what the phone has deleted: a small part of its messages unasked, more only after the household agreed. */
  async #followPhone(phone: string, settings: HomeSettings): Promise<void> {
    const notes = settings.missing?.[phone] ?? {};
    const { keptUpToMs = -1, deleteUpToMs = -1 } = notes;
    const nowMs = this.#deps.clock.now();
    const { listed, missing } = await this.#deps.store.messages.missingFrom(this.#home.id, phone);
    const undecided = missing.filter(({ sinceMs }) => sinceMs > keptUpToMs);
    const wanted = undecided.filter(({ sinceMs }) => sinceMs <= deleteUpToMs);
    const rest = undecided.filter(({ sinceMs }) => sinceMs > deleteUpToMs);
    await this.#remove(wanted);
    if (deleteUpToMs >= 0 && !this.#stopped) {
      await this.#home.commit([{ type: 'home.missing', phone, atMs: nowMs, isAnswerDone: true }]);
    }
    const question = settings.questions?.find((each) => each.phone === phone);
    const of = listed + rest.length;
    const recently = recentlyDeleted(notes, nowMs);
    const isMuch = 2 * (rest.length + recently) > of + recently;
    const isOfBefore = rest.some(({ sinceMs }) => sinceMs < (settings.keepSinceMs ?? 0));
    if (rest.length === 0) {
      if (question !== undefined)
        await this.#home.commit([{ type: 'home.missing', phone, atMs: nowMs, question: null }]);
    } else if (isMuch || isOfBefore || question !== undefined) {
      if (question?.count === rest.length && question.of === of) return;
      const upToMs = Math.max(...rest.map(({ sinceMs }) => sinceMs));
      const asked = {
        id: `q_${crypto.randomUUID().replaceAll('-', '')}`,
        kind: 'missing-messages',
        phone,
        count: rest.length,
        of,
      } as const;
      const news = { ...asked, timeMs: question?.timeMs ?? nowMs, upToMs };
      await this.#home.commit([{ type: 'home.missing', phone, atMs: nowMs, question: news }]);
    } else {
      await this.#remove(rest, (count) => ({ type: 'home.missing', phone, atMs: nowMs, deleted: count }));
    }
  }

  async #remove(messages: readonly MissingMessage[], note?: (count: number) => Write): Promise<void> {
    for (let at = 0; at < messages.length && !this.#stopped; at += batchSize) {
      const some = messages.slice(at, at + batchSize);
      await this.#home.commit([
        // A message that the phone lists again in the meantime stays.
        ...some.map(({ id }): Write => ({ type: 'message.delete', id, onlyMissing: true })),
        ...(note === undefined ? [] : [note(some.length)]),
      ]);
    }
  }
}

function isOlder({ time, hops = [] }: MessageRecord, beforeMs: number): boolean {
  const timeMs = Date.parse(time);
  if (timeMs >= earliestBelievedMs) return timeMs < beforeMs;
  return (hops.find(([hop]) => hop === 'tunnel')?.[1] ?? 0) < beforeMs;
}
