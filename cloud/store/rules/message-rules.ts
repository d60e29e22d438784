// Applies a write to a stored message.
import { isDeepStrictEqual } from 'node:util';
import type { Message } from '../../../protocol/model.ts';
import type { MessageFolder } from '../../../protocol/phone-model.ts';
import type { MessageRecord } from '../message-store.ts';
import type { MessageWrite, WriteOf } from '../store.ts';
import type { Change, EventBody } from './change.ts';
import { placedChange } from './conversation-rules.ts';
import { moved, stateInFolder } from './delivery.ts';
import { appendHops } from './hops.ts';
import { onOneLine } from './party.ts';
import { publicMessage } from './public-message.ts';

/** Replaces a deleted message, so that its id is never used again. */
export const tombstone = 'deleted';
export type StoredMessage = MessageRecord | typeof tombstone | undefined;

/** Undefined where nothing changes. `country`: for numbers without a country code. */
export function changeMessage(
  current: StoredMessage,
  write: Exclude<MessageWrite, { type: 'message.delete' }>,
  { home, country }: { home: string; country: string | undefined },
): Change<MessageRecord> | undefined {
  const change = changeOf(current, write, home);
  return change && placedChange(change, country);
}

function changeOf(
  current: StoredMessage,
  write: Exclude<MessageWrite, { type: 'message.delete' }>,
  home: string,
): Change<MessageRecord> | undefined {
  switch (write.type) {
    case 'message.put':
      return putMessage(current, write, home);
    case 'message.absent':
      return missMessage(current, write);
    case 'message.read':
      return markRead(current);
    case 'send.create':
      return createSend(current, write, home);
    case 'send.move':
      return moveSend(current, write);
  }
}

/** The id of the message that the write is about. */
export function idOf(write: MessageWrite): string {
  return write.type === 'send.create' ? write.message.id : write.id;
}

/**
 * A phone lists a message. The phone decides all but `id` and a send's `time`; a body once known is kept; a message
 * that was read here while the phone did not list it stays read.
 */
export function putMessage(
  current: StoredMessage,
  write: WriteOf<'message.put'>,
  home: string,
): Change<MessageRecord> | undefined {
  if (current === tombstone) return undefined;
  const { message } = write;
  const state = stateInFolder(message.folder, current?.state);
  const next: MessageRecord = {
    id: write.id,
    messageId: message.messageId,
    home,
    phone: write.phone,
    messageClass: message.messageClass,
    folder: message.folder,
    status: current?.onPhone === false && current.status === 'Read' ? 'Read' : message.status,
    sessionId: write.session ?? current?.sessionId ?? null,
    from: onOneLine(message.from),
    to: message.to.map(onOneLine),
    subject: message.subject ?? null,
    body: message.bodyOmitted ? (current?.body ?? null) : message.body,
    contentType: message.contentType,
    attachments: message.attachments,
    // A phone that corrects its clock also corrects received times. A send keeps the time of its request.
    time: current === undefined || current.state === 'received' ? message.time : current.time,
    state,
    ...(current?.stateReason !== undefined && state === current.state && { stateReason: current.stateReason }),
    onPhone: true,
    ...(message.truncated !== undefined && { truncated: message.truncated }),
    epoch: write.epoch,
    fingerprint: write.fingerprint,
    deliverByMs: current?.deliverByMs ?? null,
    ...(current?.sendSeq !== undefined && { sendSeq: current.sendSeq }),
    ...(current?.conversation !== undefined && { conversation: current.conversation }),
    ...appendHops(current?.hops, current === undefined || current.messageId === null ? write.hops : undefined),
  };
  if (isDeepStrictEqual(current, next)) return undefined;
  const data = publicMessage(next);
  if (current === undefined && message.folder === 'Received') {
    return {
      next,
      event: { type: 'message.received', data: { ...data, ...(write.recovered && { recovered: true }) } },
    };
  }
  if (current === undefined ? isSend(message.folder) : state !== current.state) {
    return { next, event: { type: 'send.updated', data } };
  }
  if (current !== undefined && isDeepStrictEqual(publicMessage(current), data)) return { next };
  return { next, event: { type: 'message.updated', data } };
}

/**
 * The phone no longer lists the message: the cloud keeps it and notes the time. Only the agent knows whether a second
 * list lacked it; it repeats a plain absence after a comparison, and for messages lost in a phone's reset. A send that
 * no phone has taken was never listed.
 */
function missMessage(
  current: StoredMessage,
  { atMs, isConfirmed = false }: WriteOf<'message.absent'>,
): Change<MessageRecord> | undefined {
  if (current === undefined || current === tombstone || current.messageId === null) return undefined;
  const { absentSinceMs = atMs } = current;
  const next: MessageRecord = { ...current, onPhone: false, absentSinceMs, ...(isConfirmed && { absentTwice: true }) };
  if (isDeepStrictEqual(current, next)) return undefined;
  return current.onPhone ? { next, event: { type: 'message.updated', data: publicMessage(next) } } : { next };
}

/** Marks the message read in the cloud, where the phone cannot mark it. */
function markRead(current: StoredMessage): Change<MessageRecord> | undefined {
  if (current === undefined || current === tombstone || current.status === 'Read') return undefined;
  const next: MessageRecord = { ...current, status: 'Read' };
  return { next, event: { type: 'message.updated', data: publicMessage(next) } };
}

/**
 * Converts a record of an earlier version. Earlier versions deleted a message that its phone no longer had, so they
 * wrote no `onPhone`; and they called `sendSeq` `place`.
 */
export function upgradeRecord<Stored extends Pick<Message, 'messageId' | 'onPhone'> & { place?: number }>(
  stored: Stored,
): Omit<Stored, 'place'> {
  const { place, ...record } = stored;
  const onPhone = stored.onPhone ?? stored.messageId !== null;
  return { ...record, onPhone, ...(place !== undefined && { sendSeq: place }) };
}

/** Undefined for absent and deleted messages, and with `onlyMissing` for those that are not missing. */
export function deleteMessage(
  current: StoredMessage,
  { onlyMissing }: Pick<WriteOf<'message.delete'>, 'onlyMissing'> = {},
): EventBody | undefined {
  if (current === undefined || current === tombstone) return undefined;
  if (onlyMissing === true && !isMissing(current)) return undefined;
  return { type: 'message.deleted', data: { id: current.id } };
}

/** Two complete lists of its phone, ten minutes apart, lacked the message. */
export function isMissing({ onPhone, absentTwice }: MessageRecord): boolean {
  return !onPhone && absentTwice === true;
}

/** Stores a send before its first attempt. Idempotent by id. */
function createSend(
  current: StoredMessage,
  write: WriteOf<'send.create'>,
  home: string,
): Change<MessageRecord> | undefined {
  if (current !== undefined) return undefined;
  const next = { ...write.message, home };
  return { next, event: { type: 'send.updated', data: publicMessage(next) } };
}

/** Undefined when the send is in none of the states of `from`, or would not change. */
export function moveSend(current: StoredMessage, write: WriteOf<'send.move'>): Change<MessageRecord> | undefined {
  if (current === undefined || current === tombstone) return undefined;
  const next = moved(current, write);
  if (next === undefined || isDeepStrictEqual(current, next)) return undefined;
  return { next, event: { type: 'send.updated', data: publicMessage(next) } };
}

function isSend(folder: MessageFolder): boolean {
  return folder === 'Outgoing' || folder === 'Sent';
}
