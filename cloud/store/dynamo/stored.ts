// What is kept in the table beside the records that the seam itself names.
import type { Conversation, HomeEvent } from '../../../protocol/model.ts';
import type { HomeRecord, PhoneRecord } from '../store.ts';

/** What every commit of a home goes through. */
export interface StoredHome {
  home: HomeRecord;
  unread: number;
  /** The id of its latest event; empty if there was none. */
  lastEvent: string;
}

export interface StoredPhone {
  phone: PhoneRecord;
  /** What watchers were told last. */
  online: boolean;
}

export interface StoredConversation extends Omit<Conversation, 'last'> {
  lastId: string;
  /** Of its messages. */
  count: number;
}

export interface StoredEvent {
  event: HomeEvent;
  /** The id of the event before it: so a gap is seen where expired events were deleted. */
  previous: string;
}

export interface StoredRequest {
  fingerprint: string;
  firstBegunMs: number;
  begunMs: number;
  /** Of the very call that began it, which so knows its own write when the answer to that was lost. */
  nonce: string;
  answer?: { status: number; body: string };
}
