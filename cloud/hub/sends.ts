// The queue of a home's sends: stored before they are tried, in order for each circle of recipients, never twice.
import { GatewayError } from '../../protocol/errors.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { MessageRecord, StoredHop } from '../store/message-store.ts';
import { publicMessage } from '../store/rules/public-message.ts';
import type { Write } from '../store/store.ts';
import type { HubDeps } from './hub-deps.ts';
import type { SendOutcome } from './hubs.ts';
import { type Asked, SendAttempts, type SendHome } from './send-attempts.ts';
import { doubtful, heldBecause, isLate, isPassing, laneOf, open, overAtMs } from './send-record.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

/** How many open sends are looked at in one go. */
const drainLimit = 500;
const retryTimes = { firstMs: 5_000, capMs: 300_000 };
/** Timers of most hosts hold 31 bits of milliseconds; later ends are looked at again after a day. */
const longestWaitMs = 24 * 3_600_000;
/** A send that must not wait is over after this, even if the cloud stops while it is under way. */
const failWithinMs = 60_000;

interface Waiter extends Asked {
  readonly record: MessageRecord;
  settle(outcome: SendOutcome): void;
}

export class SendQueue {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #outgoing: SendHome;
  readonly #attempts: SendAttempts;
  /** Records in memory by circle of recipients; the first of each lane is being tried. */
  readonly #lanes = new Map<string, MessageRecord[]>();
  readonly #held = new Set<string>();
  /** Lanes whose first record is just being stored as the next to be tried. */
  readonly #coming = new Set<string>();
  readonly #waiters = new Map<string, Waiter>();
  #lastSendSeq = 0;
  /** Whether the store may hold open sends that are in no lane. */
  #backlog: 'unknown' | 'none' | 'some' = 'unknown';
  #looking: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #drainAgain = false;
  readonly #retryBackOff = new BackOff(retryTimes);
  #cancelRetry: (() => void) | undefined;
  #expiry: { atMs: number; cancel(): void } | undefined;
  #stopped = false;

  constructor(home: string, deps: HubDeps, outgoing: SendHome) {
    this.#home = home;
    this.#deps = deps;
    this.#outgoing = outgoing;
    this.#attempts = new SendAttempts(home, deps, outgoing, this.#waiters);
  }

  /** Stores the send and tries it if a phone can take it now; answers when the phone did or when it has to wait. */
  async send(given: MessageRecord, ifOffline: 'queue' | 'fail', requestId?: string): Promise<SendOutcome> {
    if (this.#backlog === 'unknown') await this.#lookForBacklog();
    const nowMs = this.#deps.clock.now();
    const failFast = ifOffline === 'fail';
    const hops: StoredHop[] = [
      ['api', Date.parse(given.time)],
      ['store', nowMs],
    ];
    let record: MessageRecord = { ...given, sendSeq: this.#nextSendSeq(), hops };
    if (failFast) record.deliverByMs ??= nowMs + failWithinMs;
    const absence = this.#attempts.absence(record);
    if (absence !== undefined && (failFast || !isPassing(absence))) return this.earlier(record.id, absence);
    if (absence !== undefined) {
      record.stateReason = heldBecause(absence, this.#outgoing.awaySinceMs(), record.deliverByMs);
      const stored = await this.#create(record, []);
      this.#backlog = 'some';
      this.#expireAt(stored.deliverByMs);
      return { message: publicMessage(stored) };
    }
    const lane = laneOf(record);
    const isNext =
      this.#backlog === 'none' && this.#draining === undefined && !this.#lanes.has(lane) && !this.#coming.has(lane);
    if (isNext) this.#coming.add(lane);
    try {
      record = await this.#create(record, isNext ? [this.#attempts.begin(record)] : []);
    } finally {
      if (isNext) this.#coming.delete(lane);
    }
    if (!open.includes(record.state)) return { message: publicMessage(record) };
    const { promise, resolve } = Promise.withResolvers<SendOutcome>();
    // Of a request that is repeated, also the first is still to be answered.
    const twin = this.#waiters.get(record.id);
    const settle = (outcome: SendOutcome) => {
      twin?.settle(outcome);
      resolve(outcome);
    };
    this.#waiters.set(record.id, { record, failFast, requestId, settle });
    // Older sends that wait in the store go first.
    if (this.#backlog !== 'none' || this.#draining !== undefined) this.#drain();
    else this.#enqueue(record);
    return promise;
  }

  /**
   * For a send that cannot be made now, but was perhaps stored before and is asked for once more because its answer was
   * lost. Throws `absence` if it was not.
   */
  async earlier(id: string, absence: GatewayError): Promise<SendOutcome> {
    const stored = await this.#deps.store.messages.get(this.#home, id);
    if (stored === undefined) throw absence;
    return { message: publicMessage(stored) };
  }

  /**
   * For a hub that was just made: a look costs a read, storing a send and its first attempt apart costs ten writes.
   * Sends that come meanwhile wait for the same look, so that they keep their order.
   */
  #lookForBacklog(): Promise<void> {
    this.#looking ??= this.#deps.store.messages
      .openSends(this.#home, open, 1)
      .then(
        (waiting) => {
          if (this.#backlog === 'unknown' && waiting.length === 0) this.#backlog = 'none';
        },
        // Then it is drained, as if there were one.
        () => undefined,
      )
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** Stores the record, with what follows at once; answers it as it is stored, also where it was stored before. */
  async #create(record: MessageRecord, more: readonly Write[]): Promise<MessageRecord> {
    const events = await this.#outgoing.commit([{ type: 'send.create', message: record }, ...more]);
    const isNew = events.some(
      (event) => event.type === 'send.updated' && event.data.id === record.id && event.data.state === record.state,
    );
    if (isNew) return more.length === 0 ? record : { ...record, state: 'sending' };
    const stored = await this.#deps.store.messages.get(this.#home, record.id);
    if (stored === undefined) throw new GatewayError('not-found', 'This message was deleted.');
    return stored;
  }

  #nextSendSeq(): number {
    this.#lastSendSeq = Math.max(this.#lastSendSeq + 1, this.#deps.clock.now());
    return this.#lastSendSeq;
  }

  /** Tries what waits in the store, oldest first: records that were under way when a cloud stopped are among them. */
  drain(): void {
    this.#attempts.endRest();
    this.#drain();
  }

  #drain(): void {
    this.#backlog = 'some';
    if (this.#stopped) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#drainAgain = true;
    this.#draining ??= this.#takeBacklog();
  }

  /** Gives up what is past its time; called for a home that nobody is connected to. */
  async expire(): Promise<void> {
    const records = await this.#readOpen();
    for (const record of records) {
      if (this.#held.has(record.id)) continue;
      if (isLate(record, this.#deps.clock.now())) await this.#attempts.giveUp(record);
      else this.#expireAt(overAtMs(record));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#expiry?.cancel();
  }

  async #takeBacklog(): Promise<void> {
    while (this.#drainAgain && !this.#stopped) {
      this.#drainAgain = false;
      try {
        const records = await this.#readOpen();
        this.#backlog = records.length === drainLimit ? 'some' : 'none';
        if (this.#backlog === 'some') this.#retryLater();
        for (const record of records) {
          if (this.#held.has(record.id)) continue;
          if (record.state === 'sending') doubtful.add(record);
          if (this.#attempts.absence(record) === undefined) this.#enqueue(record);
          else this.#leaveWaiting(record);
        }
        if (!this.#drainAgain) await this.#settleElsewhere();
      } catch (error) {
        this.#deps.log.warn('sends.drain-failed', { home: this.#home, error: String(error) });
        // They are stored, and are tried when the store can be read again.
        for (const { record } of this.#waiters.values()) {
          if (!this.#held.has(record.id)) this.#settle(record.id, { message: publicMessage(record) });
        }
        this.#retryLater();
      }
    }
    // In the same turn as the last look at what else there is to do: who comes later begins anew.
    this.#draining = undefined;
  }

  /** What waits in the store, in the order in which it came. */
  async #readOpen(): Promise<MessageRecord[]> {
    const records = await this.#deps.store.messages.openSends(this.#home, open, drainLimit);
    for (const { sendSeq: place = 0 } of records) this.#lastSendSeq = Math.max(this.#lastSendSeq, place);
    return records.sort((one, other) => (one.sendSeq ?? 0) - (other.sendSeq ?? 0));
  }

  /** Whoever waits for a send that is no longer open was overtaken: by the phone's own event, or by a deletion. */
  async #settleElsewhere(): Promise<void> {
    for (const { record } of [...this.#waiters.values()]) {
      if (this.#held.has(record.id)) continue;
      const stored = await this.#deps.store.messages.get(this.#home, record.id);
      if (!this.#held.has(record.id)) this.#settle(record.id, { message: publicMessage(stored ?? record) });
    }
  }

  #enqueue(record: MessageRecord): void {
    if (this.#held.has(record.id)) return;
    this.#held.add(record.id);
    const key = laneOf(record);
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      lane.push(record);
      return;
    }
    const fresh = [record];
    this.#lanes.set(key, fresh);
    void this.#run(key, fresh);
  }

  async #run(key: string, lane: MessageRecord[]): Promise<void> {
    for (let record = lane[0]; record !== undefined; record = lane[0]) {
      const attempt = await this.#attempts.try(record);
      lane.shift();
      this.#held.delete(record.id);
      this.#settle(record.id, attempt.outcome);
      if (!attempt.ends) {
        this.#expireAt(overAtMs(record));
        for (const behind of lane) {
          this.#held.delete(behind.id);
          this.#leaveWaiting(behind);
        }
        this.#lanes.delete(key);
        this.#retryLater();
        return;
      }
      this.#retryBackOff.reset();
    }
    this.#lanes.delete(key);
  }

  /** A record stays in the store; whoever waits for it is told so. */
  #leaveWaiting(record: MessageRecord): void {
    this.#backlog = 'some';
    this.#expireAt(overAtMs(record));
    const waiter = this.#waiters.get(record.id);
    const absence = this.#attempts.absence(record);
    if (waiter?.failFast !== true || doubtful.has(record)) {
      this.#settle(record.id, { message: publicMessage(record) });
      if (absence instanceof UnconfirmedPhone) void this.#attempts.noteUnconfirmed(record, absence);
      return;
    }
    const error = absence ?? new GatewayError('phone-offline', 'The phone went away.');
    void this.#attempts.fault(record, error).then(({ outcome }) => this.#settle(record.id, outcome));
  }

  #settle(id: string, outcome: SendOutcome): void {
    this.#waiters.get(id)?.settle(outcome);
    this.#waiters.delete(id);
  }

  #retryLater(): void {
    this.#backlog = 'some';
    if (this.#stopped || this.#cancelRetry !== undefined) return;
    this.#cancelRetry = this.#deps.deadlines.after(this.#retryBackOff.currentMs(), () => {
      this.#cancelRetry = undefined;
      // Only what was waited for in vain makes the next wait longer, not a new send that has all tried again.
      this.#retryBackOff.grow();
      this.drain();
    });
  }

  #expireAt(deliverByMs: number | null): void {
    if (deliverByMs === null || this.#stopped) return;
    const nowMs = this.#deps.clock.now();
    const atMs = Math.min(Math.max(deliverByMs, nowMs) + 1, nowMs + longestWaitMs);
    if (this.#expiry !== undefined && this.#expiry.atMs <= atMs) return;
    this.#expiry?.cancel();
    const cancel = this.#deps.deadlines.after(atMs - nowMs, () => {
      this.#expiry = undefined;
      this.expire().catch((error) => {
        this.#deps.log.warn('sends.expire-failed', { home: this.#home, error: String(error) });
        this.#expireAt(this.#deps.clock.now() + retryTimes.firstMs);
      });
    });
    this.#expiry = { atMs, cancel };
  }
}
