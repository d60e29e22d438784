// A send as a record: its lane, its end, and what the phone is given of it.
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import type { MessageRecord } from '../../store/message-store.ts';

/** An agent answers for a key for seven days, and would then take it for a new one. */
const settleWithinMs = 6 * 86_400_000;

/** What SendMessage is given; `sessionId` is the phone's own. */
export function phoneMessageOf(record: MessageRecord, sessionId: string | undefined): PhoneMessage {
  const message: PhoneMessage = {
    messageId: '',
    messageClass: record.messageClass,
    folder: 'Outgoing',
    status: 'Read',
    from: record.from,
    to: record.to,
    contentType: record.contentType,
    body: record.body ?? '',
    attachments: record.attachments,
    time: record.time,
  };
  if (record.subject !== null) message.subject = record.subject;
  if (sessionId !== undefined) message.sessionId = sessionId;
  return message;
}

/** The phone and the circle of recipients, within which order is kept. */
export function laneKeyOf(record: MessageRecord, phone: string): string {
  const addresses = record.to.map((party) => party.address).sort();
  return JSON.stringify([phone, record.sessionId, addresses]);
}

/** When the hub gives up a send, epoch milliseconds; null: never. A send under way ends six days after its attempt began. */
export function overAtMs({ state, deliverByMs, hops = [] }: MessageRecord): number | null {
  const begunMs = state === 'sending' ? hops.findLast(([hop]) => hop === 'hub')?.[1] : undefined;
  if (begunMs === undefined) return deliverByMs;
  return Math.min(begunMs + settleWithinMs, deliverByMs ?? Number.POSITIVE_INFINITY);
}

export function isLate(record: MessageRecord, nowMs: number): boolean {
  const overMs = overAtMs(record);
  return overMs !== null && overMs <= nowMs;
}
