// What is known of one phone, in memory and in the journal: each look at the phone is concluded here into events.
import type { EdgeEvent, InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import { Comparison, type Conclusions, itemOf, type OpenSend } from './comparison.ts';
import { maxListChars } from './control-point.ts';
import { readDocument } from './documents.ts';
import { sessionKey } from './identity.ts';
import { type KnownItem, KnownMessage, KnownMessages, mergeInventory } from './known-messages.ts';
import type { MessageEntry } from './message-list.ts';

/** What is remembered of phones, durably. The agent's journal. */
export interface PhoneMemory {
  readPhone(udn: string): { epoch: number; comparedStore: string | undefined };
  messagesOf(udn: string): KnownItem[];
  sessionsOf(udn: string): { id: string; session: PhoneSession }[];
  /** Sends whose message may still appear; of those with an outcome, that is a refusal. */
  joinableSends(udn: string): {
    key: string;
    action: string;
    arguments: Readonly<Record<string, string>>;
    begunMs: number;
    outcome: unknown;
  }[];
  /** Keeps a change together with the events that tell of it. */
  record(
    udn: string,
    change: {
      epoch?: number;
      putMessages?: readonly KnownItem[];
      forgottenIds?: readonly string[];
      putSessions?: readonly { id: string; session: PhoneSession }[];
      deletedSessionIds?: readonly string[];
      settledSends?: ReadonlyMap<string, string>;
      comparedStore?: string;
      events: readonly EdgeEvent[];
    },
  ): void;
}

/** How a list came about. */
export interface Looked {
  /** Whether all that the phone has is asked for, so that what is not listed is gone. */
  readonly whole: boolean;
  /** Found without having been told by the phone. */
  readonly recovered: boolean;
  /** When the phone's event arrived that led to it, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
}

/** How a list ended. */
export interface Listed {
  /** Whether it was read to its end. */
  readonly isComplete: boolean;
  /** Whether the phone refused to list a part of what was asked for. */
  readonly isPartlyRefused?: boolean | undefined;
}

/** What follows from a list besides what it told. */
export interface Consequence {
  /** Only a look at all messages tells what some of these are. */
  readonly needsWhole: boolean;
  /** So many are missing that they are believed gone only if a second look, after so many ms, shows the same. */
  readonly lookAgainMs?: number;
}

export interface KnownPhoneOptions {
  readonly udn: string;
  readonly memory: PhoneMemory;
  /** Epoch milliseconds: `Date.now` unless told. */
  now?(): number;
  /** After how long a list that is suddenly short is confirmed: 30 s unless told. */
  readonly confirmMs?: number | undefined;
}

const maxClockJumps = 100;
const standardConfirmMs = 30_000;
/** A household may have a home like its phone: what two whole lists so far apart lack is deleted there. */
const confirmAbsenceMs = 10 * 60_000;

/** A list that is being compared, batch by batch. */
export interface MessageLook {
  take(entries: readonly MessageEntry[]): void;
  /** No more batches come. What was taken stays true where this is not called. */
  end(listed: Listed): Consequence;
}

interface KnownSession {
  readonly id: string;
  /** Undefined: it must be told again. */
  readonly session: PhoneSession | undefined;
}

export class KnownPhone {
  readonly #udn: string;
  readonly #memory: PhoneMemory;
  readonly #now: () => number;
  readonly #confirmMs: number;
  #messages = new KnownMessages();
  #sessions = new Map<string, KnownSession>();
  /** How each file was last told. */
  readonly #files = new Map<string, string>();
  #fileChars = 0;
  #epoch: number | undefined;
  readonly #clockJumps = new Set<number>();
  #news = 0;
  /** Number of the latest look. */
  #looks = 0;
  /** Looks up to this one were before the phone's latest boot or subscription, and prove nothing of what it has now. */
  #looksBefore = 0;
  /** Identifiers of messages that were missing from a list too short to be believed, and since when. */
  #doubt: { missing: Set<string>; readonly sinceMs: number } | undefined;
  /** What came to be known since the phone last listed all of it, UTF-16 units. */
  readonly #unlisted = { messages: 0, sessions: 0 };
  /** The cloud's store with which the next whole look compares. */
  #comparing: string | undefined;

  constructor(options: KnownPhoneOptions) {
    this.#udn = options.udn;
    this.#memory = options.memory;
    this.#now = options.now ?? Date.now;
    this.#confirmMs = options.confirmMs ?? standardConfirmMs;
  }

  get epoch(): number {
    return this.#epoch ?? this.#memory.readPhone(this.#udn).epoch;
  }

  get comparedStore(): string | undefined {
    return this.#memory.readPhone(this.#udn).comparedStore;
  }

  get isLoaded(): boolean {
    return this.#epoch !== undefined;
  }

  get counts(): { messages: number; sessions: number } {
    return { messages: this.#messages.countPresent(), sessions: this.#sessions.size };
  }

  /** Takes what the journal remembers. */
  load(): void {
    const memory = this.#memory;
    this.#messages = new KnownMessages();
    for (const item of memory.messagesOf(this.#udn)) this.#messages.add(new KnownMessage(item));
    this.#sessions = new Map(memory.sessionsOf(this.#udn).map((known) => [known.session.sessionId, known]));
    this.#forgetFiles();
    this.#looksBefore = this.#looks;
    this.#doubt = undefined;
    this.#epoch = memory.readPhone(this.#udn).epoch;
  }

  unload(): void {
    this.#epoch = undefined;
  }

  /**
   * Nothing more is taken in before the phone has listed all that it has: what is remembered of it, in memory and on the
   * disk, stays within a few times what one list can hold, whatever it tells in its events.
   */
  get isOverfull(): boolean {
    return this.#unlisted.messages > maxListChars || this.#unlisted.sessions > maxListChars;
  }

  /** Whether the phone is known to list a message by this identifier. */
  isKnown(messageId: string): boolean {
    return this.#messages.under(messageId).some((item) => item.isPresent);
  }

  /** A message that a command made. */
  learn(item: KnownItem): void {
    const made = new KnownMessage(item);
    made.lastSeen = this.#looks;
    this.#messages.add(made);
  }

  /** The phone may have been reset: what was seen before proves nothing any more. */
  doubtSeen(): void {
    this.#looksBefore = this.#looks;
  }

  /** A session keeps the identifier under which it was first told, also when the epoch advances. */
  sessionKeyOf(sessionId: string): string {
    return this.#sessions.get(sessionId)?.id ?? sessionKey(this.#udn, this.epoch, sessionId);
  }

  /**
   * Takes what the cloud knows instead of what the journal believes that it knows. It is written down only with the
   * whole look that follows, so that a crash in between compares again.
   */
  compareWith(store: string, items: readonly InventoryItem[]): void {
    this.#comparing = store;
    const epoch = items.reduce((highest, item) => Math.max(highest, item.epoch), this.epoch);
    this.#epoch = epoch;
    for (const [sessionId, { id }] of this.#sessions) this.#sessions.set(sessionId, { id, session: undefined });
    mergeInventory(this.#messages, items, { epoch, nowMs: this.#now() });
  }

  /** Begins to compare a list. Several may be open: each is told apart by its number. */
  beginLook(looked: Looked): MessageLook {
    const messages = this.#messages;
    if (this.#clockJumps.size > maxClockJumps) this.#clockJumps.clear();
    const comparison = new Comparison({
      ...looked,
      udn: this.#udn,
      known: messages,
      number: ++this.#looks,
      epoch: this.epoch,
      clockJumps: this.#clockJumps,
      openSends: () => this.#openSends(),
      sessionKeyOf: (sessionId) => this.sessionKeyOf(sessionId),
      nowMs: this.#now,
    });
    const presentBefore = looked.whole ? messages.countPresent() : 0;
    // Taken from memory meanwhile, when an approval was taken back: then nothing is concluded.
    const isCurrent = () => this.isLoaded && this.#messages === messages;
    return {
      take: (entries) => {
        if (!isCurrent()) return;
        const done = comparison.take(entries);
        this.#keep(comparison, done);
      },
      end: (listed) => {
        if (!isCurrent()) return { needsWhole: false };
        const verdict = looked.whole ? this.#verdictOf(comparison, listed, presentBefore) : undefined;
        const done = comparison.end(verdict?.missing !== undefined);
        this.#keep(comparison, done);
        if (verdict?.missing !== undefined) this.#concludeAbsences(comparison, verdict.missing);
        const needsWhole = comparison.needsWhole && !looked.whole;
        // More was to be held until the end than may be: the next list settles more of it.
        const isUnsettled = comparison.needsWhole && verdict?.missing !== undefined;
        const lookAgainMs = verdict?.lookAgainMs ?? (isUnsettled ? 0 : undefined);
        return { needsWhole, ...(lookAgainMs !== undefined && { lookAgainMs }) };
      },
    };
  }

  /** The known message of this identifier of ours. */
  find(id: string): Readonly<KnownMessage> | undefined {
    return this.#messages.find(id);
  }

  /** The one message that the phone showed by its identifier in a look after `number`; undefined also if there are two. */
  seenUnder(messageId: string, number = this.#looksBefore): Readonly<KnownMessage> | undefined {
    const seen = this.#messages.under(messageId).filter((item) => item.isPresent && item.lastSeen > number);
    return seen.length === 1 ? seen[0] : undefined;
  }

  /** How many batches held messages that came in and were not known. */
  get news(): number {
    return this.#news;
  }

  get lookNumber(): number {
    return this.#looks;
  }

  /** A message that the household's command deleted. */
  concludeDeletion(id: string): void {
    const item = this.#messages.find(id);
    if (item === undefined || item.isDeleted) return;
    item.isDeleted = true;
    item.absentMs = this.#now();
    const { epoch } = item;
    this.#record({
      putMessages: [itemOf(item)],
      events: [{ type: 'message.deleted', udn: this.#udn, epoch, id, requested: true }],
    });
  }

  /** The phone has another message in its place, or none, as a look just showed. */
  concludeAbsence(id: string): void {
    const item = this.#messages.find(id);
    if (item?.isPresent !== true) return;
    item.absentMs = this.#now();
    const { epoch } = item;
    this.#record({
      putMessages: [itemOf(item)],
      events: [{ type: 'message.deleted', udn: this.#udn, epoch, id }],
    });
  }

  /** What the list says of what is missing from it: gone, or to be looked at again. */
  #verdictOf(
    comparison: Comparison,
    { isComplete, isPartlyRefused }: Listed,
    presentBefore: number,
  ): { missing?: KnownMessage[]; lookAgainMs?: number } {
    if (!isComplete) return {};
    this.#unlisted.messages = 0;
    const missing = comparison.missing();
    // A phone that boots, or whose storage is not there yet, answers with less than it has, and with no error.
    const isShort = comparison.listed * 2 < presentBefore || isPartlyRefused === true;
    if (missing.length === 0 || !isShort) {
      this.#doubt = undefined;
      return { missing };
    }
    const doubt = this.#doubt;
    if (doubt === undefined) {
      this.#doubt = { missing: new Set(missing.map(({ id }) => id)), sinceMs: performance.now() };
      return { lookAgainMs: this.#confirmMs };
    }
    const both = missing.filter(({ id }) => doubt.missing.has(id));
    const restMs = doubt.sinceMs + this.#confirmMs - performance.now();
    if (restMs > 0) {
      doubt.missing = new Set(both.map(({ id }) => id));
      return { lookAgainMs: restMs };
    }
    this.#doubt = undefined;
    return { missing: both };
  }

  #concludeAbsences(comparison: Comparison, missing: readonly KnownMessage[]): void {
    const nowMs = this.#now();
    const events: EdgeEvent[] = [];
    const put: KnownItem[] = [];
    const { isReset, number } = comparison;
    const tell = (item: KnownMessage, isConfirmed: boolean) => {
      put.push(itemOf(item));
      const told = { type: 'message.deleted', udn: this.#udn, epoch: item.epoch, id: item.id } as const;
      events.push(isConfirmed ? { ...told, confirmed: true } : told);
    };
    for (const item of this.#messages) {
      if (!item.isKept) put.push(itemOf(item));
      item.isKept = true;
      item.isReplacing = false;
      if (item.isDeleted || item.isSettled || item.absentMs === undefined || item.lastSeen >= number) continue;
      if (nowMs - item.absentMs < confirmAbsenceMs) continue;
      item.isSettled = true;
      tell(item, true);
    }
    // A message that the list brought may have taken the place of one that was missing.
    for (const item of missing) {
      if (!item.isPresent || item.lastSeen >= number) continue;
      item.absentMs = nowMs;
      // Nobody deleted what a reset took: it stays, also in a home that is like its phone.
      item.isSettled = isReset;
      tell(item, false);
    }
    const forgottenIds = this.#messages.takeExcess(number).map(({ id }) => id);
    const comparedStore = this.#comparing;
    this.#comparing = undefined;
    if (events.length === 0 && forgottenIds.length === 0 && comparedStore === undefined) return;
    this.#record({
      epoch: comparison.epoch,
      putMessages: put,
      forgottenIds,
      ...(comparedStore !== undefined && { comparedStore }),
      events,
    });
  }

  /** What a full disk did not take must not stay known in memory: it would never be told. All is read again. */
  #record(changes: Parameters<PhoneMemory['record']>[1]): void {
    try {
      this.#memory.record(this.#udn, changes);
    } catch (error) {
      this.unload();
      throw error;
    }
  }

  #keep(comparison: Comparison, { put, toldChars, events, settled, forgotten, isNews }: Conclusions): void {
    this.#epoch = Math.max(this.epoch, comparison.epoch);
    if (isNews) this.#news++;
    if (put.length === 0) return;
    this.#record({
      epoch: this.#epoch,
      putMessages: put,
      forgottenIds: forgotten.map(({ id }) => id),
      settledSends: settled,
      events,
    });
    this.#unlisted.messages += toldChars;
  }

  /** Concludes what a list of sessions tells that was asked for by identifier, the empty one for all. */
  concludeSessions(listed: readonly PhoneSession[], asked: string): void {
    if (asked === '') this.#unlisted.sessions = 0;
    const seen = new Set(listed.map((session) => session.sessionId));
    const gone = [...this.#sessions.keys()].filter((known) => (asked === '' || asked === known) && !seen.has(known));
    const changed = listed.filter(
      (session) => JSON.stringify(this.#sessions.get(session.sessionId)?.session) !== JSON.stringify(session),
    );
    if (changed.length === 0 && gone.length === 0) return;
    // A session that the phone no longer names is over; what was said in it stays.
    const closed = gone
      .flatMap((known) => this.#sessions.get(known)?.session ?? [])
      .filter((session) => session.status !== 'Closed')
      .map((session) => ({ ...session, status: 'Closed' as const }));
    const put = changed.map((session) => ({ id: this.sessionKeyOf(session.sessionId), session }));
    this.#record({
      putSessions: put,
      deletedSessionIds: gone,
      events: [...changed, ...closed].map((session) => ({
        type: 'session.put',
        udn: this.#udn,
        epoch: this.epoch,
        id: this.sessionKeyOf(session.sessionId),
        session,
      })),
    });
    if (asked !== '') this.#unlisted.sessions += JSON.stringify(changed).length;
    for (const known of put) this.#sessions.set(known.session.sessionId, known);
    for (const known of gone) this.#sessions.delete(known);
  }

  /** Concludes how far the files of a session are. */
  concludeFiles(files: readonly FileInfo[], sessionId: string): void {
    const changed = files.filter((file) => this.#files.get(nameOf(file)) !== JSON.stringify(file));
    if (changed.length === 0) return;
    this.#record({
      events: changed.map((file) => ({
        type: 'file.progress',
        udn: this.#udn,
        epoch: this.epoch,
        sessionKey: this.sessionKeyOf(file.sessionId || sessionId),
        file,
      })),
    });
    if (this.#fileChars > maxListChars) this.#forgetFiles();
    for (const file of changed) {
      const told = JSON.stringify(file);
      this.#files.set(nameOf(file), told);
      this.#fileChars += told.length;
    }
  }

  /** They are told once more, at most: no list of a phone names all its files, so that it could be known which are gone. */
  #forgetFiles(): void {
    this.#files.clear();
    this.#fileChars = 0;
  }

  #openSends(): OpenSend[] {
    return this.#memory
      .joinableSends(this.#udn)
      .filter((send) => send.action === 'SendMessage')
      .flatMap(({ key, arguments: given, begunMs, outcome }) => {
        const message = readOrUndefined(given.MessageToSend ?? '', this.#udn);
        if (message === undefined) return [];
        return [{ key, message, refusedMs: outcome === undefined ? undefined : begunMs }];
      });
  }
}

function nameOf(file: FileInfo): string {
  return `${file.sessionId}\n${file.fileId}`;
}

function readOrUndefined(xml: string, udn: string): PhoneMessage | undefined {
  try {
    return readDocument('message', xml, { device: udn, action: 'SendMessage' });
  } catch {
    return undefined;
  }
}
