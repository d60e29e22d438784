// What a write makes of a stored message.
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

/** Stands for a deleted message, so that its id never comes back. */
export const tombstone = 'deleted';
export type StoredMessage = MessageRecord | typeof tombstone | undefined;

/** Undefined where everything stays as it is. `country`: by which the home's numbers are read. */
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
 * A phone shows a message. The phone is followed in all but `id` and a send's `time`, and a body once known is kept. What
 * was read here while the phone did not list it stays read.
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
    // A phone corrects its clock, and then the time of what it received. A send has the time at which it was asked for.
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
 * Its phone no longer lists it: it stays, with a note since when. Only the agent knows whether a second list lacked it: it
 * tells a plain absence again after a comparison, also of what a phone's reset took. A send that no phone has taken was
 * never there.
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

/** Marked read here, where its phone cannot be asked to. */
function markRead(current: StoredMessage): Change<MessageRecord> | undefined {
  if (current === undefined || current === tombstone || current.status === 'Read') return undefined;
  const next: MessageRecord = { ...current, status: 'Read' };
  return { next, event: { type: 'message.updated', data: publicMessage(next) } };
}

/**
 * A record of an earlier version as this version writes it. Earlier ones deleted a message that its phone no longer had,
 * so they wrote no `onPhone`; and they called `sendSeq` `place`.
 */
export function upgradeRecord<Stored extends Pick<Message, 'messageId' | 'onPhone'> & { place?: number }>(
  stored: Stored,
): Omit<Stored, 'place'> {
  const { place, ...record } = stored;
  const onPhone = stored.onPhone ?? stored.messageId !== null;
  return { ...record, onPhone, ...(place !== undefined && { sendSeq: place }) };
}

/** Undefined for what is not there, or no longer; and, of those that are missing from their phone, for what came back. */
export function deleteMessage(
  current: StoredMessage,
  { onlyMissing }: Pick<WriteOf<'message.delete'>, 'onlyMissing'> = {},
): EventBody | undefined {
  if (current === undefined || current === tombstone) return undefined;
  if (onlyMissing === true && !isMissing(current)) return undefined;
  return { type: 'message.deleted', data: { id: current.id } };
}

/** Two whole lists of its phone, ten minutes apart, lacked it. */
export function isMissing({ onPhone, absentTwice }: MessageRecord): boolean {
  return !onPhone && absentTwice === true;
}

/** A send is written down before it is tried; creating it again changes nothing. */
function createSend(
  current: StoredMessage,
  write: WriteOf<'send.create'>,
  home: string,
): Change<MessageRecord> | undefined {
  if (current !== undefined) return undefined;
  const next = { ...write.message, home };
  return { next, event: { type: 'send.updated', data: publicMessage(next) } };
}

/** Undefined when the send has left the states in question, or is already as it would become. */
export function moveSend(current: StoredMessage, write: WriteOf<'send.move'>): Change<MessageRecord> | undefined {
  if (current === undefined || current === tombstone) return undefined;
  const next = moved(current, write);
  if (next === undefined || isDeepStrictEqual(current, next)) return undefined;
  return { next, event: { type: 'send.updated', data: publicMessage(next) } };
}

function isSend(folder: MessageFolder): boolean {
  return folder === 'Outgoing' || folder === 'Sent';
}
