// The records of the table that the seam does not define.
import type { Conversation, HomeEvent, Message } from '../../../protocol/model.ts';
import type { HomeRecord } from '../home-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { PhoneRecord } from '../phone-store.ts';
import type { Keying } from '../rules/conversation-rules.ts';

/** Retention of events and of deleted items. */
export const keptMs = 24 * 3_600_000;

/**
 * A home's head, which every commit replaces. It carries the changes of the latest commits until they are written to
 * their own items, so that one conditional put is a whole commit.
 */
export interface StoredHome {
  home: HomeRecord;
  unread: number;
  /** Whether a message that was on a phone was ever deleted. */
  hasDeleted?: true | undefined;
  /** The number of sends that no phone has taken yet: with 0, readers save the query. */
  open: number;
  /** Absent while nothing is known: each commit pays for its size. */
  keying?: Keying | undefined;
  /** The id of the home's latest event; empty if there was none. */
  lastEvent: string;
  /** The id of the latest event that is in a page item. */
  paged: string;
  /** By sort key. */
  changes: Record<string, StoredChange>;
  /** The events after `paged`. */
  told: StoredTold[];
}

/** A change that is not written to its item yet. */
export interface StoredChange {
  /** The revision of the head at the commit, and later of the item. */
  revision: number;
  /** Undefined for a deleted record. */
  data?: unknown;
  /** The item was never written. */
  isNew?: true;
  /** The blob of the item that the change will replace. */
  blob?: string;
}

/** The events of one commit. */
export interface StoredTold {
  /** A random id of the commit, by which it recognises its own write after a lost answer. */
  by: string;
  events: HomeEvent[];
}

/** A page of events, oldest first. */
export interface StoredEvents {
  /** The id of the event before the first, so that a reader detects the gap of deleted pages. */
  previous: string;
  told: StoredTold[];
}

/** Keeps the id of a deleted message from being used again. Earlier versions stored nothing else. */
export interface StoredTombstone extends Partial<Pick<MessageRecord, 'phone' | 'messageId' | 'epoch' | 'fingerprint'>> {
  id: string;
  gone: true;
}

/** A message is stored without the usual `onPhone`, which `present` restores. */
export type StoredMessageOrTombstone = MessageRecord | StoredTombstone;

/** The times of the latest messages that were deleted under one identifier of a phone. */
export interface StoredDeleted {
  times: readonly string[];
}

export interface StoredPhone {
  phone: PhoneRecord;
  /** The last state that watchers know. */
  online: boolean;
}

export interface StoredConversation extends Omit<Conversation, 'last'> {
  lastId: string;
  /** A copy of the last message, so that a list of conversations reads no messages. Absent for long messages. */
  last?: Message | undefined;
  /** The number of its messages. */
  count: number;
  /** No message before this id is unread. Absent where none is unread, or an earlier version did not store it. */
  unreadFrom?: string | undefined;
}

export interface StoredRequest {
  fingerprint: string;
  firstBegunMs: number;
  begunMs: number;
  /** A random id of the call that began it, by which the call recognises its own write after a lost answer. */
  nonce: string;
  answer?: { status: number; body: string };
}
