// The seam Store: what must last. sqlite.ts is the embedded default; every adapter passes test/contract/store.ts.
// Keys begin with the home, identifiers are ULIDs, creation is conditional, pages are cursors: DynamoDB's terms.
import type { InventoryItem, PhoneEvidence, PhonePresence } from '../../protocol/frames.ts';
import type {
  Conversation,
  HomeEvent,
  Hop,
  KeepRule,
  Message,
  MessageState,
  Phone,
  Question,
  Session,
} from '../../protocol/model.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

export interface Page<Item> {
  items: Item[];
  /** Opaque, bound to home and filter; null on the last page. */
  next: string | null;
}

export interface PageRequest {
  /** 1–200. */
  limit: number;
  cursor?: string | undefined;
}

export type Role = 'owner' | 'adult' | 'member';

export interface HomeRecord {
  id: string;
  account: string;
  name: string;
  online: boolean;
  /** Epoch milliseconds of the last change of `online`; null if no agent was ever here. */
  sinceMs: number | null;
  agent: { id: string; name: string; version?: string } | null;
  /** Absent fields have their default (`settingsOf`): DynamoDB pays for each byte of a home at each commit. */
  settings?: HomeSettings;
}

export interface HomeSettings {
  /** `always` unless told. */
  keep?: KeepRule;
  /** Since when `keep` is what it is, epoch milliseconds. */
  keepSinceMs?: number;
  keepDays?: number;
  /** ISO 3166-1 alpha-2. */
  country?: string;
  questions?: readonly StoredQuestion[];
  /** By phone. */
  missing?: Readonly<Record<string, MissingNotes>>;
}

export interface StoredQuestion extends Omit<Question, 'time'> {
  timeMs: number;
  /** The last of the messages in question is missing since then, epoch milliseconds. */
  upToMs: number;
}

/** Within this, deletions at a phone are counted together, so that many small ones do not add up to a large one unasked. */
export const countedTogetherMs = 30 * 24 * 3_600_000;

/** What was decided about messages that a phone no longer lists, with `like-the-phone`. */
export interface MissingNotes {
  /** Those that are missing since this time or longer stay: the household said so. Epoch milliseconds. */
  keptUpToMs?: number;
  /** Of the others, those that are missing since this time or longer go: the household said so. */
  deleteUpToMs?: number;
  /** How many were deleted unasked within `countedTogetherMs`, by the day: epoch milliseconds and count. */
  deleted?: readonly (readonly [dayMs: number, count: number])[];
}

/** Whether what was deleted on that day still counts. */
export function isCounted(dayStartMs: number, nowMs: number): boolean {
  return dayStartMs + 24 * 3_600_000 > nowMs - countedTogetherMs;
}

/** How many messages of a phone were deleted unasked within `countedTogetherMs`. */
export function recentlyDeleted({ deleted = [] }: MissingNotes, nowMs: number): number {
  return deleted.filter(([day]) => isCounted(day, nowMs)).reduce((sum, [, count]) => sum + count, 0);
}

/** `owner` and `api` open REST, `session` the dashboard, `agent` the tunnel; `sign-in` is good once. */
export type TokenKind = 'owner' | 'api' | 'agent' | 'session' | 'sign-in';

export interface TokenRecord {
  id: string;
  kind: TokenKind;
  /** SHA-256 of the secret, hex. The secret itself is shown once and kept nowhere. */
  hash: string;
  account: string;
  /** Null: every home of the account. */
  home: string | null;
  name: string;
  scopes: string[];
  createdAtMs: number;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
  /** Sessions: the id of the token or sign-in link that opened it. Absent from sessions of earlier versions. */
  openedBy?: string | undefined;
  /** Sessions: where it was opened, in words for people. */
  device?: string | undefined;
  /** Sessions: when it was last used, to within some minutes. */
  lastUsedMs?: number | undefined;
}

/** A phone as the store keeps it; whether it is online now, only the hub knows. */
export type PhoneRecord = Omit<Phone, 'online'> & {
  epoch: number;
  /** What the household's approval counts for. Absent where it was given before this was kept. */
  approvedAs?: PhoneEvidence | undefined;
  /** As the agent saw it last. */
  seenAs?: PhoneEvidence | undefined;
};

/** A message with what only the cloud needs to know of it. */
export interface MessageRecord extends Message {
  epoch: number | null;
  fingerprint: string | null;
  /** Sends only: give up after this time, epoch milliseconds. */
  deliverByMs: number | null;
  /** Sends only: their order, which holds when the clock is set back. It grows within a home. */
  sendSeq?: number | undefined;
  /** Since when its phone no longer lists it, epoch milliseconds. Absent while it does. */
  absentSinceMs?: number | undefined;
  /** Its agent says that two whole lists of the phone, at least ten minutes apart, lacked it. */
  absentTwice?: true | undefined;
  /** Its way until now, oldest first. Kept with the message, so that a hop costs no write of its own. */
  hops?: readonly StoredHop[] | undefined;
}

/** Short, for each message pays for it. Epoch milliseconds. */
export type StoredHop = readonly [hop: Hop['hop'], timeMs: number, reason?: string];

export interface MessageFilter {
  messageClass?: string | undefined;
  folder?: string | undefined;
  status?: string | undefined;
  session?: string | undefined;
  phone?: string | undefined;
  /** The sender's address, exactly. */
  from?: string | undefined;
  onPhone?: boolean | undefined;
  /** The conversation's key, exactly. */
  conversation?: string | undefined;
  /** Words to find in body, subject and addresses. */
  text?: string | undefined;
}

export interface SessionFilter {
  sessionClass?: string | undefined;
  status?: string | undefined;
  phone?: string | undefined;
}

export interface MissingMessage {
  id: string;
  /** Epoch milliseconds. */
  sinceMs: number;
}

export type { Conversation };

/** One change. A batch of them is committed as a whole and yields the events that watchers see. */
export type Write =
  | {
      type: 'message.put';
      id: string;
      phone: string;
      epoch: number;
      session: string | null;
      message: PhoneMessage;
      fingerprint: string;
      recovered?: true | undefined;
      hops?: readonly StoredHop[] | undefined;
    }
  /** Its phone no longer lists it. `isConfirmed`: a second whole list, ten minutes later, lacked it too. */
  | { type: 'message.absent'; id: string; atMs: number; isConfirmed?: boolean | undefined }
  /** It is marked read here alone. */
  | { type: 'message.read'; id: string }
  /**
   * For good, by the household or by its settings: its phone cannot bring it back. `onlyMissing`: only if its phone has
   * not listed it again meanwhile.
   */
  | { type: 'message.delete'; id: string; onlyMissing?: true }
  | { type: 'session.put'; id: string; phone: string; session: PhoneSession }
  | { type: 'file.progress'; phone: string; file: FileInfo }
  /** A send, before it is tried. Creating it twice under one id changes nothing. */
  | { type: 'send.create'; message: MessageRecord }
  /** Moves a send on, only if its state is still one of `from`. */
  | {
      type: 'send.move';
      id: string;
      from: readonly MessageState[];
      to: MessageState;
      reason?: string | undefined;
      messageId?: string | undefined;
      phone?: string | undefined;
      epoch?: number | undefined;
      hops?: readonly StoredHop[] | undefined;
    }
  | { type: 'home.status'; online: boolean; agent: HomeRecord['agent'] }
  | { type: 'phone.status'; phone: Phone }
  /** Changes what is named; null takes a setting back to its default. */
  | {
      type: 'home.change';
      name?: string | undefined;
      keep?: KeepRule | undefined;
      keepDays?: number | null | undefined;
      country?: string | null | undefined;
    }
  /** The household decides. Without effect where there is no such question any more. */
  | { type: 'question.answer'; id: string; answer: 'keep' | 'delete' }
  /** What became of the messages that are missing from a phone. */
  | {
      type: 'home.missing';
      phone: string;
      atMs: number;
      /** Takes the place of the phone's question; null: there is none any more. */
      question?: StoredQuestion | null | undefined;
      /** How many were deleted unasked. */
      deleted?: number | undefined;
      /** All that the household wanted deleted is. */
      isAnswerDone?: true | undefined;
    }
  /** Changes nothing that is stored here: it makes the event. */
  | { type: 'home.updated' };

export type BegunRequest =
  /**
   * `firstBegunMs` stays the same when it is begun anew: from it and the key follows what the request makes. An earlier
   * attempt may have had its effect then.
   */
  | { state: 'new'; firstBegunMs: number; isAnew: boolean }
  /** The twin is still running, or its process died less than `expiresAtMs` ago. */
  | { state: 'running' }
  | { state: 'conflict' }
  | { state: 'done'; status: number; body: string };

export interface Store {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Throws `store-unavailable` unless the engine takes a write, which is what a full disk does not. */
  ping(): Promise<void>;
  /** Names this store's contents; another value after the data was replaced. Known once started. */
  readonly id: string;

  // access
  /** Creates account, home and owner if they are not there; an existing home is left as it is. */
  createHome(home: { id: string; account: string; name: string; owner: string }): Promise<void>;
  /** The ids of the account's homes. */
  homesOf(account: string): Promise<string[]>;
  getHome(home: string): Promise<HomeRecord | undefined>;
  /** Throws `conflict` if a token in use has this hash or id. */
  createToken(token: TokenRecord): Promise<void>;
  /** Only a token in use, neither revoked nor expired; `listTokens` likewise, newest first. */
  findToken(hash: string): Promise<TokenRecord | undefined>;
  listTokens(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]>;
  /** False if there is no such token of that account in use. */
  revokeToken(account: string, id: string): Promise<boolean>;
  /** Notes the last use of a token; changes nothing where there is no such token in use. */
  touchToken(account: string, id: string, usedMs: number): Promise<void>;
  /** Remembers the hash of a secret that must never become a token again, such as a preset one that was revoked. */
  barSecret(hash: string): Promise<void>;
  isBarred(hash: string): Promise<boolean>;
  /** Takes a `sign-in` token out of use and returns it: at most once for each. */
  takeToken(hash: string): Promise<TokenRecord | undefined>;

  // phones
  /**
   * Keeps what the agent sees; a trusted phone is approved when it is first seen (see changes.ts, which also says
   * when one is forgotten). Answers all phones of the home.
   */
  putPhones(home: string, phones: readonly PhonePresence[]): Promise<PhoneRecord[]>;
  listPhones(home: string): Promise<PhoneRecord[]>;
  getPhone(home: string, id: string): Promise<PhoneRecord | undefined>;
  /** `change`: the id of the change that was shown, if one was. Throws `conflict` where it is not the last any more. */
  approvePhone(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined>;

  // messages, sessions, events
  /** All or nothing, durable when it resolves. Answers the events that came of it, which are stored too. */
  commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]>;
  getMessage(home: string, id: string): Promise<MessageRecord | undefined>;
  listMessages(home: string, filter: MessageFilter, page: PageRequest): Promise<Page<Message>>;
  listConversations(home: string, page: PageRequest): Promise<Page<Conversation>>;
  countUnread(home: string): Promise<number>;
  /** Sends that wait or were under way and that no phone has taken yet (no `messageId`), oldest first. */
  openSends(home: string, states: readonly MessageState[], limit: number): Promise<MessageRecord[]>;
  /**
   * What is known of a phone's messages, by id, deleted ones included. The fingerprint of a send that the phone never
   * showed is empty.
   */
  inventory(
    home: string,
    phone: string,
    page: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }>;
  /** How many messages the phone lists, and which of its messages two lists lacked (`absentTwice`). */
  missingFrom(home: string, phone: string): Promise<{ listed: number; missing: MissingMessage[] }>;
  /** The oldest messages with ids after `after` that were written before `beforeMs`, sends under way left out. */
  olderThan(home: string, beforeMs: number, page: { after: string; limit: number }): Promise<MessageRecord[]>;
  getSession(home: string, id: string): Promise<Session | undefined>;
  listSessions(home: string, filter: SessionFilter, page: PageRequest): Promise<Page<Session>>;
  /**
   * Events after `after` in their order. The point may be an event's id, any ULID for its time, or empty for the very
   * beginning; undefined when it is no longer kept, or lies ahead of the last event and of the present.
   */
  eventsAfter(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined>;

  // Idempotency-Key
  /** `scope` is the token's id. A running request that has not finished by `staleMs` may be begun anew. */
  beginRequest(scope: string, key: string, fingerprint: string): Promise<BegunRequest>;
  finishRequest(scope: string, key: string, answer: { status: number; body: string }): Promise<void>;
  /** Lets go of a request whose outcome is not known yet: the same may begin it anew, and no other. */
  releaseRequest(scope: string, key: string): Promise<void>;
  /** Forgets a request that failed before it had any effect. */
  abandonRequest(scope: string, key: string): Promise<void>;
}
