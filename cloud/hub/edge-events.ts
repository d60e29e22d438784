// Turns an event of the agent into a write of the store, or tells why it can never be stored.
import type { ErrorCodeName } from '../../protocol/errors.ts';
import { type EdgeEvent, edgeEventSchema, type SequencedEvent } from '../../protocol/frames.ts';
import type { StoredHop } from '../store/message-store.ts';
import type { Write } from '../store/store.ts';
import type { PhoneRegistry } from './phone-registry.ts';

export interface StoredEvent {
  seq: number;
  udn: string;
  /** Undefined for a probe answer, which is not stored. */
  write: Write | undefined;
}

/** An event that is refused for good: the agent makes it a dead letter and goes on. */
export interface TermedEvent {
  seq: number;
  code: ErrorCodeName;
  reason: string;
}

/** Probe answers need no phones: they must not cost a hibernated home a read of the store. */
export function isProbeAnswer({ event }: SequencedEvent): boolean {
  return typeof event === 'object' && event !== null && 'type' in event && event.type === 'phone.answered';
}

/** Each event is validated by itself, so that a bad one does not fail its batch. */
export function toStoredEvent(
  { seq, time, event }: SequencedEvent,
  phoneRegistry: PhoneRegistry,
  nowMs: number,
): StoredEvent | TermedEvent {
  const parsed = edgeEventSchema.safeParse(event);
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path.join('.') ?? '';
    return { seq, code: 'frame-malformed', reason: `The event is not valid at “${at.slice(0, 200)}”.` };
  }
  const { udn } = parsed.data;
  if (parsed.data.type === 'phone.answered') return { seq, udn, write: undefined };
  const phone = phoneRegistry.byUdn(udn);
  if (phone?.approved !== true) {
    return { seq, code: 'phone-not-approved', reason: 'The household has not approved this phone.' };
  }
  return { seq, udn, write: writeOf(parsed.data, phone.id, { agentMs: Date.parse(time), nowMs }) };
}

function writeOf(
  event: Exclude<EdgeEvent, { type: 'phone.answered' }>,
  phone: string,
  at: { agentMs: number; nowMs: number },
): Write {
  switch (event.type) {
    case 'message.put': {
      const { type, id, epoch, message, fingerprint, recovered } = event;
      const session = event.sessionKey ?? null;
      return { type, id, phone, epoch, session, message, fingerprint, recovered, hops: hopsOf(event, at) };
    }
    case 'message.deleted':
      if (event.requested === true) return { type: 'message.delete', id: event.id };
      return { type: 'message.absent', id: event.id, atMs: at.nowMs, isConfirmed: event.confirmed };
    case 'session.put':
      return { type: event.type, id: event.id, phone, session: event.session };
    case 'file.progress':
      return { type: event.type, phone, file: event.file };
  }
}

/** The trace of a received message. The first time is by the phone's clock. */
function hopsOf(
  { message, notified, recovered }: Extract<EdgeEvent, { type: 'message.put' }>,
  { agentMs, nowMs }: { agentMs: number; nowMs: number },
): StoredHop[] {
  return [
    ['phone', Date.parse(message.time)],
    ...(notified === undefined ? [] : [['notify', Date.parse(notified)] as const]),
    recovered ? ['agent', agentMs, 'Found by comparing lists.'] : ['agent', agentMs],
    ['tunnel', nowMs],
  ];
}
