// Messages and sends as the store keeps them, and every way to look them up.
import type { InventoryItem } from '../../protocol/frames.ts';
import type { Hop, Message, MessageState } from '../../protocol/model.ts';
import type { Page, PageRequest } from './page.ts';

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
}
