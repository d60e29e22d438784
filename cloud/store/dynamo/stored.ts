// What is kept in the table beside the records that the seam itself names.
import type { Conversation, HomeEvent, Message } from '../../../protocol/model.ts';
import type { HomeRecord } from '../home-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { PhoneRecord } from '../phone-store.ts';
import type { Keying } from '../rules/conversation-rules.ts';

/** Events, and what else is only kept until nobody can have missed it. */
export const keptMs = 24 * 3_600_000;

/**
 * A home's head: what every commit goes through. It carries what the latest commits changed until that is written to
 * its own places, so that one conditional put is a whole commit.
 */
export interface StoredHome {
  home: HomeRecord;
  unread: number;
  /** Whether a message that a phone had was ever deleted. */
  hasDeleted?: true | undefined;
  /** How many sends no phone has taken yet: mostly none, and then nobody looks for them. */
  open: number;
  /** Absent as long as nothing is known: each commit pays for it. */
  keying?: Keying | undefined;
  /** The id of its latest event; empty if there was none. */
  lastEvent: string;
  /** The id of the latest event that stands in a page of its own. */
  paged: string;
  /** By sort key. */
  changes: Record<string, StoredChange>;
  /** The events after `paged`. */
  told: StoredTold[];
}

/** A change that is not at its place yet. */
export interface StoredChange {
  /** Of the head when it was made, and of the item that it becomes. */
  revision: number;
  /** Undefined: it is gone. */
  data?: unknown;
  /** Nothing was ever written at its place. */
  isNew?: true;
  /** The name of the blob that the item at its place names, until the change comes there. */
  blob?: string;
}

/** The events of one commit. */
export interface StoredTold {
  /** Of the very commit, which so knows its own write when the answer to that was lost. */
  by: string;
  events: HomeEvent[];
}

/** Some events in their order. */
export interface StoredEvents {
  /** The id of the event before the first: so a gap is seen where expired ones were deleted. */
  previous: string;
  told: StoredTold[];
}

/** The place of a deleted message, kept so that its id never comes back. Earlier versions kept nothing else. */
export interface StoredTombstone extends Partial<Pick<MessageRecord, 'phone' | 'messageId' | 'epoch' | 'fingerprint'>> {
  id: string;
  gone: true;
}

/** A message is stored without the `onPhone` that most have: `present` gives it back. */
export type StoredMessageOrTombstone = MessageRecord | StoredTombstone;

/** The times of the latest messages that were deleted under one identifier of a phone. */
export interface StoredDeleted {
  times: readonly string[];
}

export interface StoredPhone {
  phone: PhoneRecord;
  /** What watchers were told last. */
  online: boolean;
}

export interface StoredConversation extends Omit<Conversation, 'last'> {
  lastId: string;
  /** A copy of that message, so that a list of conversations reads no messages. Absent where it is long. */
  last?: Message | undefined;
  /** Of its messages. */
  count: number;
  /** No message before this is unread. Absent where none is, and where an earlier version did not note it. */
  unreadFrom?: string | undefined;
}

export interface StoredRequest {
  fingerprint: string;
  firstBegunMs: number;
  begunMs: number;
  /** Of the very call that began it, which so knows its own write when the answer to that was lost. */
  nonce: string;
  answer?: { status: number; body: string };
}
