// The seam Store: what must last, a struct of sub-stores. Each adapter (sqlite.ts, dynamo.ts) passes test/contract/store.ts.
// Keys begin with the home, identifiers are ULIDs, creation is conditional, pages are cursors: DynamoDB's terms.
import type { HomeEvent, KeepRule, MessageState, Phone } from '../../protocol/model.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventStore } from './event-store.ts';
import type { HomeRecord, HomeStore, StoredQuestion } from './home-store.ts';
import type { MessageRecord, MessageStore, StoredHop } from './message-store.ts';
import type { PhoneStore } from './phone-store.ts';
import type { RequestStore } from './request-store.ts';
import type { SessionStore } from './session-store.ts';
import type { TokenStore } from './token-store.ts';

export interface Store {
  readonly homes: HomeStore;
  readonly tokens: TokenStore;
  readonly phones: PhoneStore;
  readonly messages: MessageStore;
  readonly conversations: ConversationStore;
  readonly sessions: SessionStore;
  readonly events: EventStore;
  /** Idempotency-Key. */
  readonly requests: RequestStore;
  /** Names this store's contents; another value after the data was replaced. Known once started. */
  readonly id: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** @throws `store-unavailable` unless the engine takes a write, which a full disk does not. */
  ping(): Promise<void>;
  /**
   * All or nothing, durable when it resolves. Answers the events that came of it, which are stored too. `soon`: every
   * query sees it when it resolves, and a crash within the next 10 ms may lose it. For what can be found out again.
   */
  commit(home: string, writes: readonly Write[], durability?: Durability): Promise<HomeEvent[]>;
}

/** When a commit is on the disk. An engine may make every commit durable at once. */
export type Durability = 'now' | 'soon';

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

export type WriteOf<Type extends Write['type']> = Extract<Write, { type: Type }>;
export type MessageWrite = Extract<Write, { type: `message.${string}` | `send.${string}` }>;
