// One list of a phone compared with what is known, batch by batch: which messages are new, changed, or known under
// another identifier. What is gone is told only at the end. Pure: no calls, no journal.
import type { EdgeEvent } from '../../protocol/frames.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import {
  compareEvidence,
  type Evidence,
  isSameMessage,
  isTwin,
  isUnchanged,
  type Judgement,
  mergeFingerprints,
  partyOf,
  readFingerprint,
  SeenMessage,
  twinPrefix,
} from './evidence.ts';
import { isMessageKey, messageKey, timeOfKey } from './identity.ts';
import { type KnownItem, KnownMessage, type KnownMessages } from './known-messages.ts';
import type { MessageEntry } from './message-list.ts';
import { unknownTime } from './profile.ts';

export type MessagePut = Extract<EdgeEvent, { type: 'message.put' }>;

/** A send that was begun and whose message may still appear on the phone. */
export interface OpenSend {
  readonly key: string;
  readonly message: PhoneMessage;
  /** When it was begun, epoch milliseconds, if the phone refused it without proving that it did nothing. */
  readonly refusedMs?: number | undefined;
}

/** The same words later than this were written at the phone. A guess: no such phone was measured. */
const joinRefusedWithinMs = 3_600_000;

/** What a batch changed: to be written down together. */
export interface Conclusions {
  put: KnownItem[];
  /** How much XML the messages had that are told of. */
  toldChars: number;
  events: EdgeEvent[];
  settled: Map<string, string>;
  forgotten: KnownMessage[];
  /** Whether a message came in that was not known. */
  isNews: boolean;
}

export interface ComparisonOptions {
  readonly udn: string;
  readonly known: KnownMessages;
  /** Later looks have higher numbers. */
  readonly number: number;
  readonly epoch: number;
  /** Whether the list is to be all that the phone has. */
  readonly whole: boolean;
  /** Found without having been told by the phone. */
  readonly recovered: boolean;
  /** When the phone's event arrived that led to the list, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
  /** By how much the phone corrected times since the agent knows it, ms; later lists add to it. */
  readonly clockJumps: Set<number>;
  openSends(): OpenSend[];
  sessionKeyOf(sessionId: string): string;
  nowMs(): number;
}

/** A message of which only the rest of the list tells what it is. */
interface Undecided {
  readonly entry: MessageEntry;
  readonly seen: SeenMessage;
  /** The known message that it may be, and how likely. */
  readonly item: KnownMessage;
  readonly judgement: Judgement;
}

/** Known messages that may be the listed one under another identifier. */
interface Renumbered {
  readonly entry: MessageEntry;
  readonly seen: SeenMessage;
  readonly twins: readonly KnownMessage[];
}

/** A machine whose clock says less has not set it yet, and cannot tell what lies in the future. */
const clockIsSetMs = Date.UTC(2026, 0, 1);
/** XML that is held until the list tells more, in UTF-16 units: what is read of it takes several times as much. */
const maxHeldChars = 2 * 1024 * 1024;
/** From this many on, an index of the known ones is cheaper than going through them. */
const fewUnknown = 8;
const rank: Readonly<Record<Judgement, number>> = { same: 4, likely: 3, doubtful: 2, unlike: 1, other: 0 };

export class Comparison {
  readonly #options: ComparisonOptions;
  #epoch: number;
  #undecided: Undecided[] = [];
  #renumbered: Renumbered[] = [];
  #heldChars = 0;
  /** How many listed messages speak for and against a reset of the phone. */
  readonly #votes = { same: 0, other: 0, otherThanGone: 0 };
  #unknown = 0;
  #index: Map<string, KnownMessage[]> | undefined;
  /** Different messages that the list showed. */
  listed = 0;
  /** What the list showed can be told only from a whole one. */
  needsWhole = false;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
  }

  get number(): number {
    return this.#options.number;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** By the other messages of the list: identifiers began again, and what had them before was taken away with them. */
  get isReset(): boolean {
    return this.#votes.other > 0 && this.#votes.other >= this.#votes.same;
  }

  take(entries: readonly MessageEntry[]): Conclusions {
    const done = nothing();
    for (const entry of oldestFirst(entries)) this.#take(entry, done);
    if (this.#heldChars > maxHeldChars) this.#decide(done, true);
    return done;
  }

  /**
   * @param isConclusive whether what the list does not show is not on the phone
   */
  end(isConclusive: boolean): Conclusions {
    const done = nothing();
    this.#decide(done, isConclusive);
    for (const { entry, seen, twins } of this.#renumbered) {
      const twin = twins.find((each) => !this.#wasSeen(each));
      if (twin === undefined) this.#conclude(entry, seen, undefined, done);
      else if (!isConclusive) this.needsWhole = true;
      else {
        this.#options.known.move(twin, entry.message.messageId);
        twin.told = '';
        this.#conclude(entry, seen, twin, done);
      }
    }
    this.#renumbered = [];
    return done;
  }

  /** Known messages that the list did not show. */
  missing(): KnownMessage[] {
    return [...this.#options.known].filter((item) => item.isPresent && !this.#wasSeen(item));
  }

  #wasSeen(item: KnownMessage): boolean {
    return item.lastSeen >= this.#options.number;
  }

  #take(entry: MessageEntry, done: Conclusions): void {
    const { message } = entry;
    const seen = new SeenMessage(message);
    const { item, judgement } = this.#bestOf(message, seen);
    const isKnown = item !== undefined && isSameMessage(judgement);
    if (isKnown && this.#wasSeenHere(item)) return;
    this.listed++;
    // A later look, or a command, has concluded it since this list began: what the list shows of it may be older.
    if (isKnown && this.#wasSeen(item)) return;
    switch (judgement) {
      case 'same':
        if (item?.isReplacing === true) this.#votes[this.#hasDisplaced(item) ? 'other' : 'otherThanGone']++;
        else this.#votes.same++;
        this.#conclude(entry, seen, item, done);
        break;
      case 'doubtful':
        // The same words with the very time of another known message prove more.
        if (this.#takeRenumbered(entry, seen)) break;
        if (item !== undefined) this.#hold({ entry, seen, item, judgement });
        break;
      case 'likely':
        if (item !== undefined) this.#hold({ entry, seen, item, judgement });
        break;
      case 'other':
        if (item !== undefined && !this.#wasSeenHere(item)) this.#votes[item.isPresent ? 'other' : 'otherThanGone']++;
        this.#takeUnknown(entry, seen, done);
        break;
      case 'unlike':
        this.#takeUnknown(entry, seen, done);
        break;
    }
  }

  /** Whether it took the identifier of one that was listed when the phone was last looked at whole. */
  #hasDisplaced(item: KnownMessage): boolean {
    return this.#options.known
      .under(item.messageId)
      .some((each) => each !== item && each.isPresent && !this.#wasSeen(each));
  }

  /** The known message of this identifier that the evidence fits best; of equal ones, first that not listed yet. */
  #bestOf(message: PhoneMessage, seen: SeenMessage): { item: KnownMessage | undefined; judgement: Judgement } {
    let best: { item: KnownMessage | undefined; judgement: Judgement } = { item: undefined, judgement: 'unlike' };
    let bestRank = -1;
    for (const item of this.#options.known.under(message.messageId)) {
      const judgement = seen.hasFingerprint(item.fingerprint)
        ? 'same'
        : compareEvidence(item.fingerprint, message, seen.evidence);
      const isAsCorrected = judgement === 'doubtful' && this.#options.clockJumps.has(jumpOf(item, seen.evidence));
      const preference = (this.#wasSeenHere(item) ? 0 : 0.4) + (item.isPresent ? 0.2 : 0) + (isAsCorrected ? 0.1 : 0);
      if (rank[judgement] + preference < bestRank) continue;
      bestRank = rank[judgement] + preference;
      best = { item, judgement };
    }
    return best;
  }

  #wasSeenHere(item: KnownMessage): boolean {
    return item.lastSeen === this.#options.number;
  }

  #hold(undecided: Undecided): void {
    if (!this.#options.whole && undecided.judgement === 'doubtful') {
      this.needsWhole = true;
      return;
    }
    if (undecided.judgement === 'likely') this.#votes.same++;
    this.#undecided.push(undecided);
    this.#heldChars += undecided.entry.xml.length;
  }

  /** No known message of this identifier is it: one that had another identifier, or a new one. */
  #takeUnknown(entry: MessageEntry, seen: SeenMessage, done: Conclusions): void {
    if (!this.#takeRenumbered(entry, seen)) this.#conclude(entry, seen, undefined, done);
  }

  /** Held until the end of the list tells whether the known message is still there by its own identifier. */
  #takeRenumbered(entry: MessageEntry, seen: SeenMessage): boolean {
    const twins = this.#twinsOf(entry.message, seen.evidence);
    if (twins.length === 0) return false;
    if (this.#heldChars > maxHeldChars) {
      this.needsWhole = true;
      return true;
    }
    this.#renumbered.push({ entry, seen, twins });
    this.#heldChars += entry.xml.length;
    return true;
  }

  #twinsOf(message: PhoneMessage, evidence: Evidence): KnownMessage[] {
    const { known } = this.#options;
    const prefixes = [twinPrefix(evidence), isSent(message) ? twinPrefix(evidence, true) : undefined].filter(
      (prefix) => prefix !== undefined,
    );
    if (prefixes.length === 0 || known.size === 0) return [];
    if (++this.#unknown > fewUnknown) this.#index ??= indexOf(known, this.#options.number);
    const found =
      this.#index === undefined
        ? [...known].filter(({ fingerprint }) => prefixes.some((prefix) => fingerprint.startsWith(prefix)))
        : prefixes.flatMap((prefix) => this.#index?.get(prefix) ?? []);
    return found.filter((item) => {
      if (item.messageId === message.messageId || this.#wasSeen(item)) return false;
      const before = readFingerprint(item.fingerprint);
      if (before === undefined || !isTwin(before, evidence)) return false;
      // A deleted send of which the phone never said the time is known again only among the deleted ones.
      return before.timeMs !== undefined || !item.isDeleted || message.folder === 'Deleted';
    });
  }

  #decide(done: Conclusions, isConclusive: boolean): void {
    const { isReset } = this;
    const jumps = countJumps(this.#undecided);
    for (const { entry, seen, item, judgement } of this.#undecided) {
      if (this.#wasSeenHere(item)) continue;
      if (judgement === 'doubtful' && !isConclusive) {
        this.needsWhole = true;
        continue;
      }
      const isSame = judgement === 'likely' ? !isReset : this.#isClockJump(item, seen, jumps);
      this.#conclude(entry, seen, isSame ? item : undefined, done);
    }
    this.#undecided = [];
    this.#heldChars = 0;
  }

  /**
   * Whether the phone's clock was set: the times of several were corrected by as much, or nothing speaks of a reset. The
   * same words under the identifier of a message that is gone are new otherwise, or nobody would be told of them.
   */
  #isClockJump(item: KnownMessage, { evidence }: SeenMessage, jumps: ReadonlyMap<number, number>): boolean {
    const { clockJumps } = this.#options;
    const jump = jumpOf(item, evidence);
    const isWithoutReset = this.#votes.other + this.#votes.otherThanGone === 0;
    const isJump = (item.isPresent && isWithoutReset) || clockJumps.has(jump) || (jumps.get(jump) ?? 0) > 1;
    if (isJump) clockJumps.add(jump);
    return isJump;
  }

  /** The message is the known one, or a new one. */
  #conclude(
    { message, xml }: MessageEntry,
    seen: SeenMessage,
    known: KnownMessage | undefined,
    done: Conclusions,
  ): void {
    const item = known ?? this.#meet(message, seen, done);
    const isTold = known !== undefined && item.absentMs === undefined;
    item.lastSeen = Math.max(item.lastSeen, this.#options.number);
    const isAsKept = seen.hasFingerprint(item.fingerprint);
    const fingerprint = isAsKept ? item.fingerprint : mergeFingerprints(item.fingerprint, seen.fingerprint);
    if (item.isDeleted) {
      if (item.fingerprint === fingerprint && item.told === undefined) return;
      item.fingerprint = fingerprint;
      item.told = undefined;
      done.put.push(itemOf(item));
      return;
    }
    if (isTold && isUnchanged(item.told ?? item.fingerprint, message, fingerprint)) {
      if (item.fingerprint === fingerprint) return;
      // Only how it is written down differs.
      item.told ??= item.fingerprint;
      item.fingerprint = fingerprint;
      done.put.push(itemOf(item));
      return;
    }
    item.fingerprint = fingerprint;
    item.told = undefined;
    item.absentMs = undefined;
    item.isSettled = false;
    done.put.push(itemOf(item));
    done.toldChars += xml.length;
    done.events.push(this.#putEvent(item, message));
  }

  #meet(message: PhoneMessage, { fingerprint }: SeenMessage, done: Conclusions): KnownMessage {
    const { known, udn } = this.#options;
    const { messageId } = message;
    const send = isSent(message) ? takeMatch(this.#openSendsFor(message), message, done.settled) : undefined;
    if (send !== undefined) done.settled.set(send.key, messageId);
    let epoch = known.under(messageId).reduce((least, each) => Math.max(least, each.epoch + 1), this.#epoch);
    // The key of an action that was called by name is an Idempotency-Key of any form.
    const sendId = send !== undefined && isMessageKey(send.key) ? send.key : undefined;
    let id = sendId ?? messageKey(udn, epoch, messageId, this.#birthMs(message));
    while (sendId === undefined && known.find(id) !== undefined) {
      epoch++;
      id = messageKey(udn, epoch, messageId, this.#birthMs(message));
    }
    this.#epoch = Math.max(this.#epoch, epoch);
    const item = new KnownMessage({ id, messageId, epoch, fingerprint });
    item.lastSeen = this.#options.number;
    item.isReplacing = send === undefined && known.under(messageId).length > 0;
    const forgotten = known.add(item);
    if (forgotten !== undefined) done.forgotten.push(forgotten);
    done.isNews ||= message.folder === 'Received';
    return item;
  }

  #openSendsFor({ time }: PhoneMessage): OpenSend[] {
    const times = [this.#options.nowMs(), ...(time === unknownTime ? [] : [Date.parse(time)])];
    return this.#options
      .openSends()
      .filter(
        ({ refusedMs }) =>
          refusedMs === undefined || times.some((ms) => Math.abs(ms - refusedMs) <= joinRefusedWithinMs),
      );
  }

  /** Lists are sorted by it: one from the future would stay on top for ever. */
  #birthMs({ time }: PhoneMessage): number {
    const nowMs = this.#options.nowMs();
    if (time === unknownTime) return nowMs;
    return nowMs < clockIsSetMs ? Date.parse(time) : Math.min(Date.parse(time), nowMs);
  }

  /** One message as an event. A time that the phone left out is the one at which it was first seen. */
  #putEvent(item: KnownMessage, message: PhoneMessage): MessagePut {
    const { udn, recovered, notifiedMs } = this.#options;
    const time = message.time === unknownTime ? new Date(timeOfKey(item.id)).toISOString() : message.time;
    return {
      type: 'message.put',
      udn,
      epoch: item.epoch,
      id: item.id,
      message: { ...message, time },
      fingerprint: item.fingerprint,
      ...(message.sessionId !== undefined && { sessionKey: this.#options.sessionKeyOf(message.sessionId) }),
      ...(recovered && { recovered: true as const }),
      ...(notifiedMs !== undefined && { notified: new Date(notifiedMs).toISOString() }),
    };
  }
}

/** By how much the time of a message was corrected, ms. */
function jumpOf(item: KnownMessage, { timeMs }: Evidence): number {
  return (timeMs ?? Number.NaN) - (readFingerprint(item.fingerprint)?.timeMs ?? Number.NaN);
}

function countJumps(undecided: readonly Undecided[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { item, seen, judgement } of undecided) {
    if (judgement !== 'doubtful') continue;
    const jump = jumpOf(item, seen.evidence);
    counts.set(jump, (counts.get(jump) ?? 0) + 1);
  }
  return counts;
}

/** As the journal keeps it. */
export function itemOf(item: KnownMessage): KnownItem {
  const { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted } = item;
  return { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted };
}

function nothing(): Conclusions {
  return { put: [], toldChars: 0, events: [], settled: new Map(), forgotten: [], isNews: false };
}

/** By what a fingerprint begins with, text and time; without those that this list itself brought. */
function indexOf(known: KnownMessages, number: number): Map<string, KnownMessage[]> {
  const index = new Map<string, KnownMessage[]>();
  for (const item of known) {
    if (item.lastSeen >= number) continue;
    const evidence = readFingerprint(item.fingerprint);
    if (evidence === undefined) continue;
    const prefix = twinPrefix(evidence, evidence.timeMs === undefined);
    if (prefix === undefined) continue;
    const under = index.get(prefix);
    if (under === undefined) index.set(prefix, [item]);
    else under.push(item);
  }
  return index;
}

function isSent({ folder }: PhoneMessage): boolean {
  return folder !== 'Received';
}

/** The oldest open send that this message can be: same recipients, body and class, and not taken by another message. */
export function takeMatch(
  open: readonly OpenSend[],
  message: PhoneMessage,
  taken: ReadonlyMap<string, string> = new Map(),
): OpenSend | undefined {
  if (message.folder === 'Received' || message.folder === 'Deleted') return undefined;
  return open.find(
    ({ key, message: sent }) =>
      !taken.has(key) &&
      sent.messageClass === message.messageClass &&
      sent.body === message.body &&
      addressesOf(sent) === addressesOf(message),
  );
}

/** A phone may write a number otherwise than it was given. */
function addressesOf(message: PhoneMessage): string {
  return JSON.stringify(message.to.map(({ address }) => partyOf(address)).sort());
}

function oldestFirst(entries: readonly MessageEntry[]): MessageEntry[] {
  return entries.toSorted((a, b) => (a.message.time < b.message.time ? -1 : a.message.time > b.message.time ? 1 : 0));
}
