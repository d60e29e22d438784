// The delivery of a send: state × event → state. The hub and both stores follow this one table.
import type { MessageState } from '../../../protocol/model.ts';
import type { MessageFolder } from '../../../protocol/phone-model.ts';
import type { MessageRecord } from '../message-store.ts';
import type { Write } from '../store.ts';
import { appendHops } from './hops.ts';

/** What the hub learns of a send. */
export type SendEvent =
  /** An attempt begins. */
  | 'begun'
  /** The phone answered that it took the message. */
  | 'taken'
  /** Certainly not done, and waiting cannot help. */
  | 'refused'
  /** Certainly not done; the phone may take it later. */
  | 'held'
  /** The sender does not wait, and no attempt was made. */
  | 'dropped'
  /** It waits, and the reason is told. */
  | 'explained'
  /** The agent looks up whether it was done. */
  | 'pending'
  /** No answer came; asked again under the same key, the agent tells what was done. */
  | 'lost'
  /** It may have been done, and nobody will tell. */
  | 'undecided'
  /** Its time ran out. */
  | 'expired';

/** The phone lists the message in this folder. */
export type FolderEvent = `shown in ${MessageFolder}`;

export type DeliveryEvent = SendEvent | FolderEvent;

/** `new`: the store has no such message yet. */
export type DeliveryState = MessageState | 'new';

/** A state that is not named in an event's row stays as it is, and nothing is written. */
export const transitions: Readonly<Record<DeliveryEvent, Readonly<Partial<Record<DeliveryState, MessageState>>>>> = {
  begun: { queued: 'sending' },
  // An answer may come after the send was given up.
  taken: { queued: 'sent', sending: 'sent', unknown: 'sent' },
  refused: { queued: 'failed', sending: 'failed' },
  held: { queued: 'queued', sending: 'queued' },
  dropped: { queued: 'failed' },
  explained: { queued: 'queued' },
  pending: { queued: 'sending', sending: 'sending' },
  lost: {},
  undecided: { queued: 'unknown', sending: 'unknown' },
  expired: { queued: 'failed', sending: 'unknown' },
  // The phone keeps a message in Outgoing after it sent it or gave it up: this is no second attempt.
  'shown in Outgoing': {
    new: 'sending',
    received: 'sending',
    queued: 'sending',
    sending: 'sending',
    sent: 'sent',
    failed: 'failed',
    unknown: 'sending',
  },
  // A send that failed here went out after all.
  'shown in Sent': everywhere('sent'),
  'shown in Received': everywhere('received'),
  'shown in Deleted': { new: 'received' },
  'shown in ClosedSession': { new: 'received' },
};

/** States in which the hub still has to deliver a send. */
export const openStates: readonly MessageState[] = ['queued', 'sending'];

export function isOpen(state: MessageState): boolean {
  return openStates.includes(state);
}

/** The state after the event; undefined where the event changes nothing. */
export function stateAfter(state: DeliveryState, event: DeliveryEvent): MessageState | undefined {
  return transitions[event][state];
}

/** The state of a message that its phone lists in this folder. */
export function stateInFolder(folder: MessageFolder, current: MessageState | undefined): MessageState {
  return stateAfter(current ?? 'new', `shown in ${folder}`) ?? current ?? 'received';
}

export type SendMove = Pick<Extract<Write, { type: 'send.move' }>, 'from' | 'to'>;

/**
 * The event as a write: it applies in every state from which the event leads to the same end, so that a race with
 * another write neither repeats nor undoes it. Undefined where the event changes nothing.
 */
export function moveOf(event: SendEvent, state: MessageState): SendMove | undefined {
  const to = stateAfter(state, event);
  if (to === undefined) return undefined;
  const row = Object.entries(transitions[event]) as [MessageState, MessageState][];
  return { from: row.filter(([, end]) => end === to).map(([start]) => start), to };
}

/** The record after a move; undefined where its state is not one of `from`. */
export function moved(record: MessageRecord, write: Extract<Write, { type: 'send.move' }>): MessageRecord | undefined {
  if (!write.from.includes(record.state)) return undefined;
  const { stateReason: _, ...rest } = record;
  return {
    ...rest,
    state: write.to,
    folder: write.to === 'sent' && record.folder === 'Outgoing' ? 'Sent' : record.folder,
    ...(write.reason !== undefined && { stateReason: write.reason }),
    messageId: write.messageId ?? record.messageId,
    phone: write.phone ?? record.phone,
    epoch: write.epoch ?? record.epoch,
    onPhone: record.onPhone || write.messageId !== undefined,
    ...appendHops(record.hops, write.hops),
  };
}

function everywhere(state: MessageState): Record<DeliveryState, MessageState> {
  return { new: state, received: state, queued: state, sending: state, sent: state, failed: state, unknown: state };
}
