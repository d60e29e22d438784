// The seam Store: all durable state, in sub-stores. Each adapter (sqlite.ts, dynamo.ts) passes test/contract/store.ts.
// Its terms are DynamoDB's: keys begin with the home, ids are ULIDs, creation is conditional, lists have cursors.
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
  /** Identifies the store's contents: it changes when the data is restored from elsewhere. Set by `start`. */
  readonly id: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** @throws GatewayError `store-unavailable` unless the engine takes a write; on a full disk it does not */
  ping(): Promise<void>;
  /**
   * Applies all writes or none, and returns the events, which it stores too. The commit is durable when it resolves;
   * with `soon`, queries see it, but a crash within the next 10 ms may lose it: only for state that can be recovered.
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
  /** The phone no longer lists the message. `isConfirmed`: a second complete list, ten minutes later, lacked it too. */
  | { type: 'message.absent'; id: string; atMs: number; isConfirmed?: boolean | undefined }
  /** Marks the message read in the cloud, not on the phone. */
  | { type: 'message.read'; id: string }
  /**
   * Deletes the message for good, for the household or its settings: its phone cannot restore it. `onlyMissing`: not if
   * its phone lists it again.
   */
  | { type: 'message.delete'; id: string; onlyMissing?: true }
  | { type: 'session.put'; id: string; phone: string; session: PhoneSession }
  | { type: 'file.progress'; phone: string; file: FileInfo }
  /** Stores a send before its first attempt. Idempotent by id. */
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
  /** Changes the named settings; null restores a default. */
  | {
      type: 'home.change';
      name?: string | undefined;
      keep?: KeepRule | undefined;
      keepDays?: number | null | undefined;
      country?: string | null | undefined;
    }
  /** The household's answer. No effect if the question no longer exists. */
  | { type: 'question.answer'; id: string; answer: 'keep' | 'delete' }
  /** The outcome for messages that a phone no longer lists. */
  | {
      type: 'home.missing';
      phone: string;
      atMs: number;
      /** Replaces the phone's question; null removes it. */
      question?: StoredQuestion | null | undefined;
      /** Messages deleted without a question. */
      deleted?: number | undefined;
      /** All messages that the household chose to delete are deleted. */
      isAnswerDone?: true | undefined;
    }
  /** Stores an event only; the home stays unchanged. */
  | { type: 'home.updated' };

export type WriteOf<Type extends Write['type']> = Extract<Write, { type: Type }>;
export type MessageWrite = Extract<Write, { type: `message.${string}` | `send.${string}` }>;
