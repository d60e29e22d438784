// Compares one list of a phone with the known messages, batch by batch: which are new, changed or renumbered. Missing ones
// are reported only at the end. Pure: no calls, no journal.
import type { EdgeEvent } from '../../protocol/frames.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import {
  compareEvidence,
  type Evidence,
  isSameMessage,
  isTwin,
  isUnchanged,
  type Match,
  mergeFingerprints,
  readFingerprint,
  SeenMessage,
  twinPrefix,
} from './evidence.ts';
import { isMessageKey, messageKey, timeOfKey } from './identity.ts';
import { type KnownItem, KnownMessage, type KnownMessages } from './known-messages.ts';
import type { MessageEntry } from './message-list.ts';
import { joinableTo, type OpenSend, takeMatch } from './open-sends.ts';
import { unknownTime } from './profile.ts';

export type MessagePut = Extract<EdgeEvent, { type: 'message.put' }>;

/** What a batch changed; recorded together. */
export interface Conclusions {
  put: KnownItem[];
  /** XML length of the reported messages. */
  reportedChars: number;
  events: EdgeEvent[];
  settled: Map<string, string>;
  evicted: KnownMessage[];
  /** Whether a new message was received. */
  hasReceived: boolean;
}

export interface ComparisonOptions {
  readonly udn: string;
  readonly known: KnownMessages;
  /** Later passes have higher numbers. */
  readonly number: number;
  readonly epoch: number;
  /** Whether the list should contain everything that the phone has. */
  readonly whole: boolean;
  /** Found without an event or command. */
  readonly recovered: boolean;
  /** When the phone's event that led to the list arrived, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
  /** Clock corrections of the phone seen so far, ms; this list adds to it. */
  readonly clockJumps: Set<number>;
  openSends(): OpenSend[];
  sessionKeyOf(sessionId: string): string;
  nowMs(): number;
}

/** A message whose identity only the rest of the list can settle. */
interface Undecided {
  readonly entry: MessageEntry;
  readonly seen: SeenMessage;
  /** The known message that it may be, and how likely. */
  readonly item: KnownMessage;
  readonly match: Match;
}

/** A listed message that may be a known one under another identifier. */
interface Renumbered {
  readonly entry: MessageEntry;
  readonly seen: SeenMessage;
  readonly twins: readonly KnownMessage[];
}

/** A machine whose clock says less has not set it yet, so it cannot tell which times are in the future. */
const clockIsSetMs = Date.UTC(2026, 0, 1);
/** Cap on XML held until the end of the list, in UTF-16 units; parsed messages take several times as much. */
const maxHeldChars = 2 * 1024 * 1024;
/** From this many unknown messages on, an index is cheaper than scanning the known ones. */
const fewUnknown = 8;
const rank: Readonly<Record<Match, number>> = { same: 4, likely: 3, doubtful: 2, different: 1, other: 0 };

export class Comparison {
  readonly #options: ComparisonOptions;
  #epoch: number;
  #undecided: Undecided[] = [];
  #renumbered: Renumbered[] = [];
  #heldChars = 0;
  /** Listed messages that speak for and against a reset of the phone. */
  readonly #votes = { same: 0, other: 0, otherThanGone: 0 };
  #unknown = 0;
  #index: Map<string, KnownMessage[]> | undefined;
  /** The number of distinct messages in the list. */
  listed = 0;
  /** Only a complete list can settle what some of the messages are. */
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

  /** Whether the other messages show a reset: identifiers restarted, and their former messages are gone. */
  get isReset(): boolean {
    return this.#votes.other > 0 && this.#votes.other >= this.#votes.same;
  }

  take(entries: readonly MessageEntry[]): Conclusions {
    const done = nothing();
    for (const entry of oldestFirst(entries)) this.#take(entry, done);
    if (this.#heldChars > maxHeldChars) this.#decide(done, true);
    return done;
  }

  /** @param isConclusive whether messages that the list does not show are gone from the phone */
  end(isConclusive: boolean): Conclusions {
    const done = nothing();
    this.#decide(done, isConclusive);
    for (const { entry, seen, twins } of this.#renumbered) {
      const twin = twins.find((each) => !this.#wasSeen(each));
      if (twin === undefined) this.#conclude(entry, seen, undefined, done);
      else if (!isConclusive) this.needsWhole = true;
      else {
        this.#options.known.move(twin, entry.message.messageId);
        twin.reportedFingerprint = '';
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
    const { item, match } = this.#bestOf(message, seen);
    const isKnown = item !== undefined && isSameMessage(match);
    if (isKnown && this.#wasSeenHere(item)) return;
    this.listed++;
    // A later pass or a command has seen it since this list began, so the list may be stale here.
    if (isKnown && this.#wasSeen(item)) return;
    switch (match) {
      case 'same':
        if (item?.isReplacing === true) this.#votes[this.#hasDisplaced(item) ? 'other' : 'otherThanGone']++;
        else this.#votes.same++;
        this.#conclude(entry, seen, item, done);
        break;
      case 'doubtful':
        // An equal text with the exact time of another known message is stronger evidence.
        if (this.#takeRenumbered(entry, seen)) break;
        if (item !== undefined) this.#hold({ entry, seen, item, match });
        break;
      case 'likely':
        if (item !== undefined) this.#hold({ entry, seen, item, match });
        break;
      case 'other':
        if (item !== undefined && !this.#wasSeenHere(item)) this.#votes[item.isPresent ? 'other' : 'otherThanGone']++;
        this.#takeUnknown(entry, seen, done);
        break;
      case 'different':
        this.#takeUnknown(entry, seen, done);
        break;
    }
  }

  /** Whether it took the identifier of a message that the last complete list showed. */
  #hasDisplaced(item: KnownMessage): boolean {
    return this.#options.known
      .under(item.messageId)
      .some((each) => each !== item && each.isPresent && !this.#wasSeen(each));
  }

  /** The best match among known messages with this identifier; of equals, first one not yet listed. */
  #bestOf(message: PhoneMessage, seen: SeenMessage): { item: KnownMessage | undefined; match: Match } {
    let best: { item: KnownMessage | undefined; match: Match } = { item: undefined, match: 'different' };
    let bestRank = -1;
    for (const item of this.#options.known.under(message.messageId)) {
      const match = seen.hasFingerprint(item.fingerprint)
        ? 'same'
        : compareEvidence(item.fingerprint, message, seen.evidence);
      const isAsCorrected = match === 'doubtful' && this.#options.clockJumps.has(jumpOf(item, seen.evidence));
      const preference = (this.#wasSeenHere(item) ? 0 : 0.4) + (item.isPresent ? 0.2 : 0) + (isAsCorrected ? 0.1 : 0);
      if (rank[match] + preference < bestRank) continue;
      bestRank = rank[match] + preference;
      best = { item, match };
    }
    return best;
  }

  #wasSeenHere(item: KnownMessage): boolean {
    return item.lastSeen === this.#options.number;
  }

  #hold(undecided: Undecided): void {
    if (!this.#options.whole && undecided.match === 'doubtful') {
      this.needsWhole = true;
      return;
    }
    if (undecided.match === 'likely') this.#votes.same++;
    this.#undecided.push(undecided);
    this.#heldChars += undecided.entry.xml.length;
  }

  /** The message is not a known one with this identifier: either renumbered or new. */
  #takeUnknown(entry: MessageEntry, seen: SeenMessage, done: Conclusions): void {
    if (!this.#takeRenumbered(entry, seen)) this.#conclude(entry, seen, undefined, done);
  }

  /** Holds the message until the end of the list shows whether the known one is still listed under its own identifier. */
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
      // A deleted send whose time the phone never stated is recognised only in the folder Deleted.
      return before.timeMs !== undefined || !item.isDeleted || message.folder === 'Deleted';
    });
  }

  #decide(done: Conclusions, isConclusive: boolean): void {
    const { isReset } = this;
    const jumps = countJumps(this.#undecided);
    for (const { entry, seen, item, match } of this.#undecided) {
      if (this.#wasSeenHere(item)) continue;
      if (match === 'doubtful' && !isConclusive) {
        this.needsWhole = true;
        continue;
      }
      const isSame = match === 'likely' ? !isReset : this.#isClockJump(item, seen, jumps);
      this.#conclude(entry, seen, isSame ? item : undefined, done);
    }
    this.#undecided = [];
    this.#heldChars = 0;
  }

  /**
   * Whether the phone's clock was corrected: several times moved by the same amount, or nothing indicates a reset. Otherwise
   * an equal text under the identifier of a missing message counts as new, so that it is reported.
   */
  #isClockJump(item: KnownMessage, { evidence }: SeenMessage, jumps: ReadonlyMap<number, number>): boolean {
    const { clockJumps } = this.#options;
    const jump = jumpOf(item, evidence);
    const isWithoutReset = this.#votes.other + this.#votes.otherThanGone === 0;
    const isJump = (item.isPresent && isWithoutReset) || clockJumps.has(jump) || (jumps.get(jump) ?? 0) > 1;
    if (isJump) clockJumps.add(jump);
    return isJump;
  }

  /** Settles a message as the known one, or as new. */
  #conclude(
    { message, xml }: MessageEntry,
    seen: SeenMessage,
    known: KnownMessage | undefined,
    done: Conclusions,
  ): void {
    const item = known ?? this.#addNew(message, seen, done);
    const isReported = known !== undefined && item.absentMs === undefined;
    item.lastSeen = Math.max(item.lastSeen, this.#options.number);
    const hasSameDigest = seen.hasFingerprint(item.fingerprint);
    const fingerprint = hasSameDigest ? item.fingerprint : mergeFingerprints(item.fingerprint, seen.fingerprint);
    if (item.isDeleted) {
      if (item.fingerprint === fingerprint && item.reportedFingerprint === undefined) return;
      item.fingerprint = fingerprint;
      item.reportedFingerprint = undefined;
      done.put.push(itemOf(item));
      return;
    }
    if (isReported && isUnchanged(item.reportedFingerprint ?? item.fingerprint, message, fingerprint)) {
      if (item.fingerprint === fingerprint) return;
      // Only the form of the fingerprint changed.
      item.reportedFingerprint ??= item.fingerprint;
      item.fingerprint = fingerprint;
      done.put.push(itemOf(item));
      return;
    }
    item.fingerprint = fingerprint;
    item.reportedFingerprint = undefined;
    item.absentMs = undefined;
    item.isSettled = false;
    done.put.push(itemOf(item));
    done.reportedChars += xml.length;
    done.events.push(this.#putEvent(item, message));
  }

  #addNew(message: PhoneMessage, { fingerprint }: SeenMessage, done: Conclusions): KnownMessage {
    const { known, udn, openSends, nowMs } = this.#options;
    const { messageId } = message;
    const send = isSent(message)
      ? takeMatch(joinableTo(message, openSends(), nowMs()), message, done.settled)
      : undefined;
    if (send !== undefined) done.settled.set(send.key, messageId);
    let epoch = known.under(messageId).reduce((least, each) => Math.max(least, each.epoch + 1), this.#epoch);
    // A text-form call may use any Idempotency-Key, which need not be a message key.
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
    if (forgotten !== undefined) done.evicted.push(forgotten);
    done.hasReceived ||= message.folder === 'Received';
    return item;
  }

  /** Lists are sorted by it, so a time in the future would stay on top forever. */
  #birthMs({ time }: PhoneMessage): number {
    const nowMs = this.#options.nowMs();
    if (time === unknownTime) return nowMs;
    return nowMs < clockIsSetMs ? Date.parse(time) : Math.min(Date.parse(time), nowMs);
  }

  /** The event for a message. A time omitted by the phone becomes the time it was first seen. */
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

/** The correction of a message's time, ms. */
function jumpOf(item: KnownMessage, { timeMs }: Evidence): number {
  return (timeMs ?? Number.NaN) - (readFingerprint(item.fingerprint)?.timeMs ?? Number.NaN);
}

function countJumps(undecided: readonly Undecided[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { item, seen, match } of undecided) {
    if (match !== 'doubtful') continue;
    const jump = jumpOf(item, seen.evidence);
    counts.set(jump, (counts.get(jump) ?? 0) + 1);
  }
  return counts;
}

/** The form that the journal stores. */
export function itemOf(item: KnownMessage): KnownItem {
  const { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted } = item;
  return { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted };
}

function nothing(): Conclusions {
  return { put: [], reportedChars: 0, events: [], settled: new Map(), evicted: [], hasReceived: false };
}

/** Index by the prefix of the fingerprint (text and time), without messages that this list has shown. */
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

function oldestFirst(entries: readonly MessageEntry[]): MessageEntry[] {
  return entries.toSorted((a, b) => (a.message.time < b.message.time ? -1 : a.message.time > b.message.time ? 1 : 0));
}
