// The knowledge of one phone, in memory and in the journal; turns each list of the phone into events.
import type { EdgeEvent, InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import { Comparison, type Conclusions, itemOf } from './comparison.ts';
import { maxListChars } from './control-point.ts';
import { readDocument } from './documents.ts';
import { sessionKey } from './identity.ts';
import { type KnownItem, KnownMessage, KnownMessages, mergeInventory } from './known-messages.ts';
import type { MessageEntry } from './message-list.ts';
import type { OpenSend } from './open-sends.ts';

/** Durable memory of phones: the agent's journal. */
export interface PhoneMemory {
  readPhone(udn: string): { epoch: number; comparedStore: string | undefined };
  messagesOf(udn: string): KnownItem[];
  sessionsOf(udn: string): { id: string; session: PhoneSession }[];
  /** Sends whose message may still appear; those with an outcome were refused. */
  joinableSends(udn: string): {
    key: string;
    action: string;
    arguments: Readonly<Record<string, string>>;
    begunMs: number;
    outcome: unknown;
  }[];
  /** Records a change and its events in one transaction. */
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

/** The origin of a list. */
export interface ListOrigin {
  /** Whether the list covers everything on the phone, so that unlisted messages are gone. */
  readonly whole: boolean;
  /** Found without an event or command. */
  readonly recovered: boolean;
  /** When the phone's event that led to it arrived, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
}

/** How a list ended. */
export interface ListEnd {
  /** Whether it was read to its end. */
  readonly isComplete: boolean;
  /** Whether the phone refused to list a part of the request. */
  readonly isPartlyRefused?: boolean | undefined;
}

/** What to do after a list. */
export interface ListOutcome {
  /** Only a complete list can settle some of these messages. */
  readonly needsWhole: boolean;
  /** So many messages are missing that a second list, after this many ms, must confirm it. */
  readonly confirmAfterMs?: number;
}

export interface KnownPhoneOptions {
  readonly udn: string;
  readonly memory: PhoneMemory;
  /** Epoch milliseconds; default `Date.now`. */
  now?(): number;
  /** How long after a suspiciously short list to list again; default 30 s. */
  readonly confirmMs?: number | undefined;
}

const maxClockJumps = 100;
const defaultConfirmMs = 30_000;
/** A home may be set to mirror its phone: messages missing from two complete lists this far apart are deleted there. */
const confirmAbsenceMs = 10 * 60_000;

/** A list being compared, batch by batch. */
export interface OpenList {
  take(entries: readonly MessageEntry[]): void;
  /** Ends the list. Without this call the batches taken stay valid. */
  end(listed: ListEnd): ListOutcome;
}

interface KnownSession {
  readonly id: string;
  /** Undefined: it must be reported again. */
  readonly session: PhoneSession | undefined;
}

export class KnownPhone {
  readonly #udn: string;
  readonly #memory: PhoneMemory;
  readonly #now: () => number;
  readonly #confirmMs: number;
  #messages = new KnownMessages();
  #sessions = new Map<string, KnownSession>();
  /** The last reported state of each file. */
  readonly #files = new Map<string, string>();
  #fileChars = 0;
  #epoch: number | undefined;
  readonly #clockJumps = new Set<number>();
  #receivedBatches = 0;
  /** Number of the latest pass. */
  #passes = 0;
  /** Passes up to this one precede the phone's latest boot or subscription, and prove nothing about its current messages. */
  #lastStalePass = 0;
  /** Messages missing from a suspiciously short list, and since when. */
  #shortList: { missing: Set<string>; readonly sinceMs: number } | undefined;
  /** What became known since the last complete list, UTF-16 units. */
  readonly #unlisted = { messages: 0, sessions: 0 };
  /** The cloud's store with which the next complete list compares. */
  #comparing: string | undefined;

  constructor(options: KnownPhoneOptions) {
    this.#udn = options.udn;
    this.#memory = options.memory;
    this.#now = options.now ?? Date.now;
    this.#confirmMs = options.confirmMs ?? defaultConfirmMs;
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

  /** Loads what the journal remembers. */
  load(): void {
    const memory = this.#memory;
    this.#messages = new KnownMessages();
    for (const item of memory.messagesOf(this.#udn)) this.#messages.add(new KnownMessage(item));
    this.#sessions = new Map(memory.sessionsOf(this.#udn).map((known) => [known.session.sessionId, known]));
    this.#forgetFiles();
    this.#lastStalePass = this.#passes;
    this.#shortList = undefined;
    this.#epoch = memory.readPhone(this.#udn).epoch;
  }

  unload(): void {
    this.#epoch = undefined;
  }

  /**
   * Over this cap nothing more is taken in before a complete list, so that memory and disk stay within a few times the size
   * of one list, whatever the phone reports in its events.
   */
  get isOverfull(): boolean {
    return this.#unlisted.messages > maxListChars || this.#unlisted.sessions > maxListChars;
  }

  /** Whether the phone is known to list a message with this identifier. */
  isKnown(messageId: string): boolean {
    return this.#messages.under(messageId).some((item) => item.isPresent);
  }

  /** Adds a message created by a command. */
  learn(item: KnownItem): void {
    const made = new KnownMessage(item);
    made.lastSeen = this.#passes;
    this.#messages.add(made);
  }

  /** The phone may have been reset: earlier passes prove nothing any more. */
  invalidateSeen(): void {
    this.#lastStalePass = this.#passes;
  }

  /** A session keeps the identifier under which it was first reported, also across epochs. */
  sessionKeyOf(sessionId: string): string {
    return this.#sessions.get(sessionId)?.id ?? sessionKey(this.#udn, this.epoch, sessionId);
  }

  /**
   * Replaces what the journal believes about the cloud by the cloud's own inventory. It is recorded only with the next
   * complete list, so that a crash in between compares again.
   */
  compareWith(store: string, items: readonly InventoryItem[]): void {
    this.#comparing = store;
    const epoch = items.reduce((highest, item) => Math.max(highest, item.epoch), this.epoch);
    this.#epoch = epoch;
    for (const [sessionId, { id }] of this.#sessions) this.#sessions.set(sessionId, { id, session: undefined });
    mergeInventory(this.#messages, items, { epoch, nowMs: this.#now() });
  }

  /** Starts to compare a list. Several may be open at once; each has its number. */
  beginList(origin: ListOrigin): OpenList {
    const messages = this.#messages;
    if (this.#clockJumps.size > maxClockJumps) this.#clockJumps.clear();
    const comparison = new Comparison({
      ...origin,
      udn: this.#udn,
      known: messages,
      number: ++this.#passes,
      epoch: this.epoch,
      clockJumps: this.#clockJumps,
      openSends: () => this.#openSends(),
      sessionKeyOf: (sessionId) => this.sessionKeyOf(sessionId),
      nowMs: this.#now,
    });
    const presentBefore = origin.whole ? messages.countPresent() : 0;
    // Unloaded in the meantime, because the approval was revoked: conclude nothing.
    const isCurrent = () => this.isLoaded && this.#messages === messages;
    return {
      take: (entries) => {
        if (!isCurrent()) return;
        const done = comparison.take(entries);
        this.#recordBatch(comparison, done);
      },
      end: (listed) => {
        if (!isCurrent()) return { needsWhole: false };
        const verdict = origin.whole ? this.#verdictOf(comparison, listed, presentBefore) : undefined;
        const done = comparison.end(verdict?.missing !== undefined);
        this.#recordBatch(comparison, done);
        if (verdict?.missing !== undefined) this.#recordMissing(comparison, verdict.missing);
        const needsWhole = comparison.needsWhole && !origin.whole;
        // More had to be held until the end than the cap allows: the next list settles the rest.
        const isUnsettled = comparison.needsWhole && verdict?.missing !== undefined;
        const confirmAfterMs = verdict?.confirmAfterMs ?? (isUnsettled ? 0 : undefined);
        return { needsWhole, ...(confirmAfterMs !== undefined && { confirmAfterMs: confirmAfterMs }) };
      },
    };
  }

  /** The known message with this identifier of ours. */
  find(id: string): Readonly<KnownMessage> | undefined {
    return this.#messages.find(id);
  }

  /** The only message listed under its identifier in a pass after `number`; undefined if there are none or two. */
  seenUnder(messageId: string, number = this.#lastStalePass): Readonly<KnownMessage> | undefined {
    const seen = this.#messages.under(messageId).filter((item) => item.isPresent && item.lastSeen > number);
    return seen.length === 1 ? seen[0] : undefined;
  }

  /** Number of batches with newly received messages. */
  get receivedBatches(): number {
    return this.#receivedBatches;
  }

  get passNumber(): number {
    return this.#passes;
  }

  /** Records that a command of the household deleted a message. */
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

  /** Records that the phone has another message in its place, or none, as a list just showed. */
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

  /** Decides what the missing messages mean: they are gone, or the phone must be listed again. */
  #verdictOf(
    comparison: Comparison,
    { isComplete, isPartlyRefused }: ListEnd,
    presentBefore: number,
  ): { missing?: KnownMessage[]; confirmAfterMs?: number } {
    if (!isComplete) return {};
    this.#unlisted.messages = 0;
    const missing = comparison.missing();
    // A booting phone, or one whose storage is not mounted yet, lists less than it has, without an error.
    const isShort = comparison.listed * 2 < presentBefore || isPartlyRefused === true;
    if (missing.length === 0 || !isShort) {
      this.#shortList = undefined;
      return { missing };
    }
    const shortList = this.#shortList;
    if (shortList === undefined) {
      this.#shortList = { missing: new Set(missing.map(({ id }) => id)), sinceMs: performance.now() };
      return { confirmAfterMs: this.#confirmMs };
    }
    const both = missing.filter(({ id }) => shortList.missing.has(id));
    const restMs = shortList.sinceMs + this.#confirmMs - performance.now();
    if (restMs > 0) {
      shortList.missing = new Set(both.map(({ id }) => id));
      return { confirmAfterMs: restMs };
    }
    this.#shortList = undefined;
    return { missing: both };
  }

  #recordMissing(comparison: Comparison, missing: readonly KnownMessage[]): void {
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
      if (!item.isJournalled) put.push(itemOf(item));
      item.isJournalled = true;
      item.isReplacing = false;
      if (item.isDeleted || item.isSettled || item.absentMs === undefined || item.lastSeen >= number) continue;
      if (nowMs - item.absentMs < confirmAbsenceMs) continue;
      item.isSettled = true;
      tell(item, true);
    }
    // A message in this list may have taken the place of a missing one.
    for (const item of missing) {
      if (!item.isPresent || item.lastSeen >= number) continue;
      item.absentMs = nowMs;
      // A reset is not a deletion, so the message stays even in a home that mirrors its phone.
      item.isSettled = isReset;
      tell(item, false);
    }
    const forgottenIds = this.#messages.evictExcess(number).map(({ id }) => id);
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

  /** On a full disk, unload: what is known in memory but not recorded would never be reported. */
  #record(changes: Parameters<PhoneMemory['record']>[1]): void {
    try {
      this.#memory.record(this.#udn, changes);
    } catch (error) {
      this.unload();
      throw error;
    }
  }

  #recordBatch(
    comparison: Comparison,
    { put, reportedChars: toldChars, events, settled, evicted: forgotten, hasReceived: isNews }: Conclusions,
  ): void {
    this.#epoch = Math.max(this.epoch, comparison.epoch);
    if (isNews) this.#receivedBatches++;
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

  /** Concludes a list of sessions requested by identifier; '' means all. */
  concludeSessions(listed: readonly PhoneSession[], asked: string): void {
    if (asked === '') this.#unlisted.sessions = 0;
    const seen = new Set(listed.map((session) => session.sessionId));
    const gone = [...this.#sessions.keys()].filter((known) => (asked === '' || asked === known) && !seen.has(known));
    const changed = listed.filter(
      (session) => JSON.stringify(this.#sessions.get(session.sessionId)?.session) !== JSON.stringify(session),
    );
    if (changed.length === 0 && gone.length === 0) return;
    // A session that the phone no longer lists is closed; its messages stay.
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

  /** Reports the progress of a session's files. */
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

  /** Forgotten files are reported at most once more: no list names all files, so gone ones cannot be recognised. */
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
