// What is known of one phone, in memory and in the journal: each look at the phone is concluded here into events.
import type { EdgeEvent, InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import { maxListChars } from './control-point.ts';
import { readDocument } from './documents.ts';
import { sessionKey } from './identity.ts';
import { compareMessages, type KnownEntry, type OpenSend } from './known-messages.ts';
import type { MessageEntry } from './message-list.ts';
import { charsOf } from './message-search.ts';

/** What is remembered of phones, durably. The agent's journal. */
export interface PhoneMemory {
  readPhone(udn: string): { epoch: number; comparedStore: string | undefined };
  messagesOf(udn: string): InventoryItem[];
  sessionsOf(udn: string): { id: string; session: PhoneSession }[];
  begunSends(udn: string): { key: string; action: string; arguments: Readonly<Record<string, string>> }[];
  /** Keeps a change together with the events that tell of it. */
  record(
    udn: string,
    change: {
      epoch?: number;
      putMessages?: readonly KnownEntry[];
      deletedMessageIds?: readonly string[];
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
  /** Whether it is all that the phone has. */
  readonly whole: boolean;
  /** Found without having been told by the phone. */
  readonly recovered: boolean;
  /** When the phone's event arrived that led to it, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
}

interface KnownSession {
  readonly id: string;
  /** Undefined: it must be told again. */
  readonly session: PhoneSession | undefined;
}

export class KnownPhone {
  readonly #udn: string;
  readonly #memory: PhoneMemory;
  #messages = new Map<string, InventoryItem>();
  #sessions = new Map<string, KnownSession>();
  /** How each file was last told. */
  readonly #files = new Map<string, string>();
  #fileChars = 0;
  /** messageIds of an earlier epoch, which only the cloud remembers. */
  readonly #former = new Set<string>();
  #epoch: number | undefined;
  /** What came to be known since the phone last listed all of it, UTF-16 units. */
  readonly #unlisted = { messages: 0, sessions: 0 };
  /** The cloud's store with which the next whole look compares. */
  #comparing: string | undefined;

  constructor(udn: string, memory: PhoneMemory) {
    this.#udn = udn;
    this.#memory = memory;
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
    return { messages: this.#messages.size, sessions: this.#sessions.size };
  }

  /** Takes what the journal remembers. */
  load(): void {
    const memory = this.#memory;
    this.#messages = new Map(memory.messagesOf(this.#udn).map((item) => [item.messageId, item]));
    this.#sessions = new Map(memory.sessionsOf(this.#udn).map((known) => [known.session.sessionId, known]));
    this.#former.clear();
    this.#forgetFiles();
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

  isKnown(messageId: string): boolean {
    return this.#messages.has(messageId);
  }

  learn(item: InventoryItem): void {
    this.#messages.set(item.messageId, item);
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
    // What only the journal knows keeps its identifier and is told again: its fingerprint is that of no message.
    for (const [messageId, item] of this.#messages) this.#messages.set(messageId, { ...item, fingerprint: '' });
    for (const [sessionId, { id }] of this.#sessions) this.#sessions.set(sessionId, { id, session: undefined });
    for (const item of items) {
      const before = this.#messages.get(item.messageId);
      if (before === undefined || before.epoch <= item.epoch) this.#messages.set(item.messageId, item);
      if (before === undefined && item.epoch < epoch) this.#former.add(item.messageId);
    }
  }

  /** Concludes what a list of messages tells. Answers whether something has come in that was not known. */
  concludeMessages(entries: readonly MessageEntry[], looked: Looked): boolean {
    const result = compareMessages(entries, {
      ...looked,
      udn: this.#udn,
      epoch: this.epoch,
      known: this.#messages,
      former: this.#former,
      openSends: this.#openSends(),
      sessionKeyOf: (sessionId) => this.sessionKeyOf(sessionId),
      nowMs: Date.now(),
    });
    const comparedStore = looked.whole ? this.#comparing : undefined;
    if (result.put.length > 0 || result.gone.length > 0 || comparedStore !== undefined) {
      this.#memory.record(this.#udn, {
        epoch: result.epoch,
        putMessages: result.put,
        deletedMessageIds: result.gone,
        settledSends: result.settled,
        ...(comparedStore !== undefined && { comparedStore }),
        events: result.events,
      });
    }
    if (looked.whole) this.#comparing = undefined;
    this.#unlisted.messages = looked.whole ? 0 : this.#unlisted.messages + charsOf(result.put);
    this.#epoch = result.epoch;
    const isNews = result.events.some(
      (event) =>
        event.type === 'message.put' &&
        event.message.folder === 'Received' &&
        !this.#messages.has(event.message.messageId),
    );
    for (const messageId of result.gone) this.#messages.delete(messageId);
    for (const { id, messageId, epoch, fingerprint } of result.put) this.learn({ id, messageId, epoch, fingerprint });
    return isNews;
  }

  /** A message that is certainly gone. */
  concludeDeletion(messageId: string): void {
    const item = this.#messages.get(messageId);
    if (item === undefined) return;
    const { id, epoch } = item;
    this.#memory.record(this.#udn, {
      deletedMessageIds: [messageId],
      events: [{ type: 'message.deleted', udn: this.#udn, epoch, id }],
    });
    this.#messages.delete(messageId);
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
    this.#memory.record(this.#udn, {
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
    this.#memory.record(this.#udn, {
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
      .begunSends(this.#udn)
      .filter((send) => send.action === 'SendMessage')
      .flatMap((send) => {
        const message = readOrUndefined(send.arguments.MessageToSend ?? '', this.#udn);
        return message === undefined ? [] : [{ key: send.key, message }];
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
