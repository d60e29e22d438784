// What is known of a phone's messages, and what a list of them tells that is new: pure comparison, no calls.
import type { EdgeEvent, InventoryItem } from '../../protocol/frames.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { fingerprintOf, isReused, messageKey, timeOfKey } from './identity.ts';
import type { MessageEntry } from './message-list.ts';
import { unknownTime } from './profile.ts';

export type MessagePut = Extract<EdgeEvent, { type: 'message.put' }>;

export interface KnownEntry extends InventoryItem {
  readonly xml?: string;
}

/** A send that was begun and whose end nobody knows. */
export interface OpenSend {
  readonly key: string;
  readonly message: PhoneMessage;
}

export interface Comparison {
  readonly epoch: number;
  readonly put: readonly KnownEntry[];
  readonly events: readonly EdgeEvent[];
  /** messageIds that are no longer known. */
  readonly gone: readonly string[];
  readonly settled: ReadonlyMap<string, string>;
}

export interface Looking {
  readonly udn: string;
  readonly epoch: number;
  readonly known: ReadonlyMap<string, InventoryItem>;
  /** messageIds of a former epoch: what a reset took with it was not deleted by anybody. */
  readonly former: ReadonlySet<string>;
  readonly openSends: readonly OpenSend[];
  sessionKeyOf(sessionId: string): string;
  /** Whether the list is all that the phone has, so that what is not in it is gone. */
  readonly whole: boolean;
  /** Found without having been told by the phone. */
  readonly recovered: boolean;
  /** When the phone's event arrived that led to the list, epoch milliseconds. */
  readonly notifiedMs?: number | undefined;
  readonly nowMs: number;
}

/** Compares a phone's list with what is known. */
export function compareMessages(entries: readonly MessageEntry[], looking: Looking): Comparison {
  const { udn, known } = looking;
  const open = [...looking.openSends];
  const put: KnownEntry[] = [];
  const events: EdgeEvent[] = [];
  const settled = new Map<string, string>();
  const seen = new Set<string>();
  const wasReset = entries.some(({ message }) => {
    const before = known.get(message.messageId);
    return before !== undefined && isReused(before.fingerprint, fingerprintOf(message));
  });
  const epoch = wasReset ? looking.epoch + 1 : looking.epoch;

  for (const { message, xml } of oldestFirst(entries)) {
    // A device that names one message twice in a list has still one message.
    if (seen.has(message.messageId)) continue;
    seen.add(message.messageId);
    const fingerprint = fingerprintOf(message);
    const before = known.get(message.messageId);
    if (before?.fingerprint === fingerprint) continue;
    const same = before !== undefined && !isReused(before.fingerprint, fingerprint);
    const send = same ? undefined : takeMatch(open, message);
    if (send !== undefined) settled.set(send.key, message.messageId);
    const timeMs = message.time === unknownTime ? looking.nowMs : Date.parse(message.time);
    const id = same ? before.id : (send?.key ?? messageKey(udn, epoch, message.messageId, timeMs));
    const item = { id, messageId: message.messageId, epoch: same ? before.epoch : epoch, fingerprint };
    put.push({ ...item, xml });
    events.push(putEvent(item, message, looking));
  }

  const gone: string[] = [];
  if (looking.whole) {
    for (const item of known.values()) {
      if (seen.has(item.messageId)) continue;
      gone.push(item.messageId);
      if (!wasReset && !looking.former.has(item.messageId))
        events.push({ type: 'message.deleted', udn, epoch: item.epoch, id: item.id });
    }
  }
  return { epoch, put, events, gone, settled };
}

/** One message as an event. A time that the phone left out is the one at which it was first seen. */
function putEvent(item: InventoryItem, message: PhoneMessage, looking: Looking): MessagePut {
  const { udn, recovered, notifiedMs } = looking;
  const time = message.time === unknownTime ? new Date(timeOfKey(item.id)).toISOString() : message.time;
  return {
    type: 'message.put',
    udn,
    epoch: item.epoch,
    id: item.id,
    message: { ...message, time },
    fingerprint: item.fingerprint,
    ...(message.sessionId !== undefined && { sessionKey: looking.sessionKeyOf(message.sessionId) }),
    ...(recovered && { recovered: true as const }),
    ...(notifiedMs !== undefined && { notified: new Date(notifiedMs).toISOString() }),
  };
}

/** Takes the oldest open send that this message of Outgoing or Sent can be: same recipients, body and class. */
export function takeMatch(open: OpenSend[], message: PhoneMessage): OpenSend | undefined {
  if (message.folder !== 'Outgoing' && message.folder !== 'Sent' && message.folder !== 'ClosedSession')
    return undefined;
  const at = open.findIndex(
    (send) =>
      send.message.messageClass === message.messageClass &&
      send.message.body === message.body &&
      addressesOf(send.message) === addressesOf(message),
  );
  return at < 0 ? undefined : open.splice(at, 1)[0];
}

function addressesOf(message: PhoneMessage): string {
  return JSON.stringify(message.to.map((party) => party.address).sort());
}

function oldestFirst(entries: readonly MessageEntry[]): MessageEntry[] {
  return entries.toSorted((a, b) => (a.message.time < b.message.time ? -1 : a.message.time > b.message.time ? 1 : 0));
}
