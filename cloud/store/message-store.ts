// Stored messages and sends, and the queries for them.
import type { InventoryItem } from '../../protocol/frames.ts';
import type { Hop, Message, MessageState } from '../../protocol/model.ts';
import type { Page, PageRequest } from './page.ts';

/** A message with the fields that only the cloud needs. */
export interface MessageRecord extends Message {
  epoch: number | null;
  fingerprint: string | null;
  /** Sends only: give up after this time, epoch milliseconds. */
  deliverByMs: number | null;
  /** Sends only: a number that grows within a home and orders sends even when the clock is set back. */
  sendSeq?: number | undefined;
  /** When its phone stopped listing it, epoch milliseconds. Absent while the phone lists it. */
  absentSinceMs?: number | undefined;
  /** The agent reported that two complete lists of the phone, at least ten minutes apart, lacked it. */
  absentTwice?: true | undefined;
  /** Its hops so far, oldest first. Stored in the message, so that a hop costs no write of its own. */
  hops?: readonly StoredHop[] | undefined;
}

/** Short, because every message stores some. Epoch milliseconds. */
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

export interface MissingMessage {
  id: string;
  /** Epoch milliseconds. */
  sinceMs: number;
}

export interface MessageStore {
  get(home: string, id: string): Promise<MessageRecord | undefined>;
  list(home: string, filter: MessageFilter, page: PageRequest): Promise<Page<Message>>;
  /** Sends in one of these states that no phone has taken yet (no `messageId`), oldest first. */
  openSends(home: string, states: readonly MessageState[], limit: number): Promise<MessageRecord[]>;
  /**
   * The inventory of a phone's messages, ordered by id, including deleted ones. The fingerprint of a send that the
   * phone never listed is empty.
   */
  inventory(
    home: string,
    phone: string,
    page: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }>;
  /** The number of messages that the phone lists, and its messages that two lists lacked (`absentTwice`). */
  missingFrom(home: string, phone: string): Promise<{ listed: number; missing: MissingMessage[] }>;
  /** The oldest messages with ids after `after` and times before `beforeMs`, without sends in flight. */
  olderThan(home: string, beforeMs: number, page: { after: string; limit: number }): Promise<MessageRecord[]>;
}
