// The sends of a home: stored before they are tried, in order for each circle of recipients, never twice.
import { GatewayError } from '../../../protocol/errors.ts';
import type { MessageRecord, StoredHop } from '../../store/message-store.ts';
import type { PhoneRecord } from '../../store/phone-store.ts';
import { isOpen, moved, openStates } from '../../store/rules/delivery.ts';
import { publicMessage } from '../../store/rules/public-message.ts';
import type { HubDeps } from '../hub-deps.ts';
import type { SendOutcome } from '../hubs.ts';
import { type DueSend, SendAttempts, type SendHome } from './attempt.ts';
import { heldBecause, isPassing } from './fault.ts';
import { Lane, LaneEntry, type Turn } from './lane.ts';
import { AvailablePhones } from './phone-choice.ts';
import { isLate, laneKeyOf, overAtMs } from './send-record.ts';
import { ExpiryTimer, RetryTimer } from './timers.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

/** How many open sends are read in one go. */
const readLimit = 500;
/** A send that must not wait is over after this, even if the cloud stops while it is under way. */
const failWithinMs = 60_000;

/** Whether a read of the backlog covers this send: then everything older in its lane is in memory too. */
type Covered = (id: string) => boolean;

export class SendQueue {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #outgoing: SendHome;
  readonly #phones: AvailablePhones;
  readonly #attempts: SendAttempts;
  readonly #retry: RetryTimer;
  readonly #expiry: ExpiryTimer;
  readonly #lanes = new Map<string, Lane>();
  /** All sends in memory, by id. */
  readonly #entries = new Map<string, LaneEntry>();
  #lastSendSeq = 0;
  /** Whether the store may hold open sends that are not in memory. `reading`: only those that the read finds. */
  #backlog: 'unknown' | 'none' | 'some' | 'reading' = 'unknown';
  #lastRead: Promise<unknown> = Promise.resolve();
  /** A read that has not begun: it covers what is stored by now. */
  #nextRead: Promise<Covered> | undefined;
  #stopped = false;

  constructor(home: string, deps: HubDeps, outgoing: SendHome) {
    this.#home = home;
    this.#deps = deps;
    this.#outgoing = outgoing;
    this.#phones = new AvailablePhones((record) => outgoing.phoneFor(record));
    this.#attempts = new SendAttempts(home, deps, outgoing, this.#phones);
    this.#retry = new RetryTimer(deps.deadlines, () => this.drain());
    this.#expiry = new ExpiryTimer(deps, () => void this.#expireAgain());
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
    const deliverByMs = given.deliverByMs ?? (failFast ? nowMs + failWithinMs : null);
    const record: MessageRecord = { ...given, sendSeq: this.#nextSendSeq(), hops, deliverByMs };
    const found = this.#phones.find(record);
    if ('absence' in found) {
      if (failFast || !isPassing(found.absence)) return this.earlier(record.id, found.absence);
      return this.#storeWaiting(record, found.absence);
    }
    const asked = { failFast, requestId };
    const twin = this.#entries.get(record.id);
    if (twin !== undefined) {
      twin.asked = asked;
      return twin.outcome;
    }
    const { phone } = found;
    const lane = this.#laneFor(record, phone);
    const isNext = this.#backlog === 'none' && lane.isEmpty;
    const turn = this.#store(record, isNext ? phone : undefined);
    const entry = this.#place(lane, new LaneEntry(record, turn, asked));
    turn.then(
      (next) => {
        if (next.do === 'pass') this.#settle(entry, { message: next.message });
      },
      (error) => {
        this.#entries.delete(entry.id);
        // The commit may have happened all the same.
        this.#backlog = 'some';
        entry.fail(error);
      },
    );
    return entry.outcome;
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

  /** Tries what waits in the store, oldest first, with what was under way when a cloud stopped. */
  drain(): void {
    this.#phones.forgetRefusals();
    void this.#readBacklog();
  }

  /** Gives up what is past its time; called for a home that nobody is connected to. */
  async expire(): Promise<void> {
    for (const record of await this.#readOpen()) {
      if (this.#entries.has(record.id)) continue;
      if (isLate(record, this.#deps.clock.now())) await this.#attempts.giveUp(record);
      else this.#wakeWhenOver(record);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#retry.clear();
    this.#expiry.clear();
  }

  async #storeWaiting(record: MessageRecord, absence: GatewayError): Promise<SendOutcome> {
    // Before it is stored: a later send may come once its phone is back, and must not overtake it.
    this.#backlog = 'some';
    const stateReason = heldBecause(absence, this.#outgoing.awaySinceMs(), record.deliverByMs);
    const { record: stored } = await this.#create({ ...record, stateReason });
    this.#wakeWhenOver(stored);
    // Its phone may have come back before it was stored.
    if ('phone' in this.#phones.find(stored)) void this.#readBacklog();
    return { message: publicMessage(stored) };
  }

  /** Stores a send; with `phone` its attempt begins in the same commit. */
  async #store(record: MessageRecord, phone: PhoneRecord | undefined): Promise<Turn> {
    const { record: stored, isNew } = await this.#create(record, phone);
    if (!isOpen(stored.state)) return { do: 'pass', message: publicMessage(stored) };
    if (isNew && phone !== undefined) return { do: 'try', send: { record: stored, phone, wasUnderWay: false } };
    const send = dueSend(stored);
    if (this.#backlog === 'none') return { do: 'try', send };
    // Older sends that wait in the store go first.
    const isCovered = await this.#readBacklog();
    return { do: isCovered(record.id) ? 'try' : 'wait', send };
  }

  /** Answers the record as it is stored, also where an earlier request stored it. */
  async #create(record: MessageRecord, phone?: PhoneRecord): Promise<{ record: MessageRecord; isNew: boolean }> {
    const beginning = phone && this.#attempts.beginning(record, phone);
    const writes = [{ type: 'send.create', message: record } as const, ...(beginning === undefined ? [] : [beginning])];
    const events = await this.#outgoing.commit(writes);
    const isNew = events.some(
      (event) => event.type === 'send.updated' && event.data.id === record.id && event.data.state === record.state,
    );
    if (isNew) return { record: (beginning && moved(record, beginning)) ?? record, isNew };
    const stored = await this.#deps.store.messages.get(this.#home, record.id);
    if (stored === undefined) throw new GatewayError('not-found', 'This message was deleted.');
    return { record: stored, isNew };
  }

  #nextSendSeq(): number {
    this.#lastSendSeq = Math.max(this.#lastSendSeq + 1, this.#deps.clock.now());
    return this.#lastSendSeq;
  }

  /**
   * For a hub that was just made: one read costs less than storing a send and its first attempt apart. Sends that come
   * at the same time share it, so that they keep their order.
   */
  async #lookForBacklog(): Promise<void> {
    const read = this.#lastRead.then(async () => {
      if (this.#backlog !== 'unknown') return;
      const [waiting] = await this.#deps.store.messages.openSends(this.#home, openStates, 1);
      if (this.#backlog === 'unknown') this.#backlog = waiting === undefined ? 'none' : 'some';
    });
    this.#lastRead = read.catch(() => {
      this.#backlog = 'some';
    });
    await this.#lastRead;
  }

  /** Never rejects. Calls before the read begins share it. */
  #readBacklog(): Promise<Covered> {
    this.#backlog = 'some';
    if (this.#stopped) return Promise.resolve(() => false);
    this.#retry.clear();
    this.#nextRead ??= this.#lastRead.then(() => {
      this.#nextRead = undefined;
      return this.#takeBacklog();
    });
    this.#lastRead = this.#nextRead;
    return this.#nextRead;
  }

  async #takeBacklog(): Promise<Covered> {
    this.#backlog = 'reading';
    // One that is settled during the read may still look open in it: its lane has told what to do with it.
    const inMemory = new Set(this.#entries.keys());
    try {
      const records = await this.#readOpen();
      const isCut = records.length === readLimit;
      if (isCut) this.#retryLater();
      else if (this.#backlog === 'reading') this.#backlog = 'none';
      for (const record of records) {
        if (!inMemory.has(record.id) && !this.#entries.has(record.id)) this.#take(record);
      }
      const ids = new Set(records.map(({ id }) => id));
      return isCut ? (id) => ids.has(id) : () => true;
    } catch (error) {
      this.#deps.log.warn('sends.drain-failed', { home: this.#home, error: String(error) });
      this.#retryLater();
      return () => false;
    }
  }

  #take(record: MessageRecord): void {
    const found = this.#phones.find(record);
    if ('absence' in found) this.#leave(record, found.absence);
    else {
      const turn = Promise.resolve({ do: 'try', send: dueSend(record) } as const);
      this.#place(this.#laneFor(record, found.phone), new LaneEntry(record, turn));
    }
  }

  /** What waits in the store, in the order in which it came. */
  async #readOpen(): Promise<MessageRecord[]> {
    const records = await this.#deps.store.messages.openSends(this.#home, openStates, readLimit);
    if (this.#backlog === 'unknown' && records.length === 0) this.#backlog = 'none';
    for (const { sendSeq = 0 } of records) this.#lastSendSeq = Math.max(this.#lastSendSeq, sendSeq);
    return records.sort((one, other) => (one.sendSeq ?? 0) - (other.sendSeq ?? 0));
  }

  #laneFor(record: MessageRecord, { id }: PhoneRecord): Lane {
    const key = laneKeyOf(record, id);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane = new Lane({
      attempt: (entry, send) => this.#attempt(entry, send),
      release: (entries) => {
        this.#retryLater();
        for (const entry of entries) void this.#release(entry);
      },
      ended: () => this.#lanes.delete(key),
    });
    this.#lanes.set(key, lane);
    return lane;
  }

  #place(lane: Lane, entry: LaneEntry): LaneEntry {
    this.#entries.set(entry.id, entry);
    lane.place(entry);
    return entry;
  }

  async #attempt(entry: LaneEntry, send: DueSend): Promise<boolean> {
    const { ends, record, outcome } = await this.#attempts.try(send, () => entry.asked);
    this.#settle(entry, outcome);
    if (ends) this.#retry.reset();
    else this.#wakeWhenOver(record);
    return ends;
  }

  /** The send stays in the store, and its sender is told so; one who does not wait is told that it failed. */
  async #release(entry: LaneEntry): Promise<void> {
    const turn = await entry.turn.catch(() => undefined);
    if (turn === undefined || turn.do === 'pass' || this.#entries.get(entry.id) !== entry) return;
    const { record, wasUnderWay } = turn.send;
    const found = this.#phones.find(record);
    const absence = 'absence' in found ? found.absence : undefined;
    if (entry.asked?.failFast === true && !wasUnderWay && turn.do === 'try') {
      const error = absence ?? new GatewayError('phone-offline', 'The phone went away.');
      const { outcome } = await this.#attempts.drop(record, error);
      this.#settle(entry, outcome);
      return;
    }
    this.#settle(entry, { message: publicMessage(record) });
    this.#leave(record, absence);
  }

  #leave(record: MessageRecord, absence: GatewayError | undefined): void {
    this.#backlog = 'some';
    this.#wakeWhenOver(record);
    // A phone that comes back has everything tried; a refusal for now ends unseen.
    if (absence === undefined || absence.refusal !== undefined) this.#retryLater();
    if (absence instanceof UnconfirmedPhone) void this.#attempts.explain(record, absence);
  }

  #settle(entry: LaneEntry, outcome: SendOutcome): void {
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    entry.settle(outcome);
  }

  #retryLater(): void {
    this.#backlog = 'some';
    if (!this.#stopped) this.#retry.set();
  }

  #wakeWhenOver(record: MessageRecord): void {
    if (!this.#stopped) this.#expiry.set(overAtMs(record));
  }

  async #expireAgain(): Promise<void> {
    try {
      await this.expire();
    } catch (error) {
      this.#deps.log.warn('sends.expire-failed', { home: this.#home, error: String(error) });
      if (!this.#stopped) this.#expiry.setAgain();
    }
  }
}

/** What is stored as `sending` was begun before now. */
function dueSend(record: MessageRecord): DueSend {
  return { record, wasUnderWay: record.state === 'sending' };
}
