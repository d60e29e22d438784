// A send as a record: who it is for, what the phone is given, and what a fault means for it.
import { GatewayError, isPassingRefusal } from '../../protocol/errors.ts';
import type { MessageState } from '../../protocol/model.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

/** States in which it is not over with a send. */
export const open: readonly MessageState[] = ['queued', 'sending'];

/** Records that were under way before: whatever is learned now, the attempt of then may have done it. */
export const doubtful = new WeakSet<MessageRecord>();

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

/** The circle of recipients, within which order is kept. */
export function laneOf(record: MessageRecord): string {
  const addresses = record.to.map((party) => party.address).sort();
  return JSON.stringify([record.phone, record.sessionId, addresses]);
}

/** Whether waiting can help: nothing has happened at the phone. */
export function isPassing(error: GatewayError): boolean {
  const passing: readonly string[] = [
    'home-offline',
    'phone-offline',
    'phone-unreachable',
    'too-many-requests',
    'store-unavailable',
  ];
  return passing.includes(error.code) || isPassingRefusal(error.refusal);
}

/** Whether the agent itself cannot tell what happened, or told it in a way that nobody understands. */
export function isUndecided(error: GatewayError): boolean {
  return error.code === 'outcome-unknown' || error.code === 'phone-malformed' || error.code === 'internal';
}

/** Whether the answer is missing: it may or may not have happened, and asked again the agent will tell. */
export function isLost(error: GatewayError): boolean {
  return error.code === 'tunnel-lost' || error.code === 'deadline-exceeded' || error.code === 'outcome-pending';
}

/** Whether the hub itself sees that nobody can be asked: that says nothing of what was asked before. */
export function isAbsence(error: GatewayError): boolean {
  return error.code === 'home-offline' || error.code === 'phone-offline';
}

/**
 * When it is over with a send, epoch milliseconds; null: never. One that is under way ends six days after it was
 * begun: an agent answers for a key for seven, and would afterwards take it for a new one.
 */
export function overAtMs({ state, deliverByMs, hops = [] }: MessageRecord): number | null {
  const begunMs = state === 'sending' ? hops.findLast(([hop]) => hop === 'hub')?.[1] : undefined;
  if (begunMs === undefined) return deliverByMs;
  return Math.min(begunMs + settleWithinMs, deliverByMs ?? Number.POSITIVE_INFINITY);
}

export function isLate(record: MessageRecord, nowMs: number): boolean {
  const overMs = overAtMs(record);
  return overMs !== null && overMs <= nowMs;
}

const settleWithinMs = 6 * 86_400_000;

/** What will happen to a send that cannot go out now, in words for people. */
export function heldBecause(absence: GatewayError, awaySinceMs: number | undefined, untilMs: number | null): string {
  if (absence.refusal !== undefined) {
    const until = untilMs === null ? '' : ` until ${minuteOf(untilMs)}`;
    return `${reasonOf(absence)}. The message is held and tried again${until}.`;
  }
  if (absence instanceof UnconfirmedPhone) {
    const until = untilMs === null ? 'until then' : `until ${minuteOf(untilMs)} at the latest`;
    return `${absence.message} The message is held ${until}.`;
  }
  const who = absence.code === 'home-offline' ? 'The home is offline' : 'The phone is offline';
  const since = awaySinceMs === undefined ? '' : ` since ${minuteOf(awaySinceMs)}`;
  const until = untilMs === null ? 'until it is back' : `until ${minuteOf(untilMs)}`;
  return `${who}${since}; the message is held ${until}.`;
}

/** `2026-11-22 14:02 UTC`. */
function minuteOf(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** In words for people. */
export function reasonOf(error: GatewayError): string {
  if (error.refusal === undefined) return error.message;
  return `The phone refused: ${error.refusal.upnpCode} ${error.refusal.upnpDescription}`.trim();
}

export function asSendError(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('internal', 'Sending failed.', { cause: error });
}
