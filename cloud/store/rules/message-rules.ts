// What a write makes of what is stored, and the event that tells of it. Pure, and the same for every adapter.
import { isDeepStrictEqual } from 'node:util';
import type { PhonePresence } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import type { HomeEvent, Message, Session } from '../../../protocol/model.ts';
import type { MessageFolder } from '../../../protocol/phone-model.ts';
import { nextUlid } from '../../../shared/ulid.ts';
import type { HomeRecord } from '../home-store.ts';
import type { MessageRecord } from '../message-store.ts';
import { onOneLine } from './party.ts';
import { approvalOf, presenceEvidenceOf } from './phone-approval.ts';
import type { PhoneRecord } from '../phone-store.ts';
import { moved, stateInFolder } from './delivery.ts';
import { appendHops } from './hops.ts';
import { publicMessage } from './public-message.ts';
import type { Write } from '../store.ts';

type WriteOf<Type extends Write['type']> = Extract<Write, { type: Type }>;
type Unnumbered<Event> = Event extends HomeEvent ? Omit<Event, 'id' | 'home' | 'time'> : never;
/** An event that has not been given its number and time. */
export type EventBody = Unnumbered<HomeEvent>;

/** What is stored from now on. Undefined in place of a change means that everything stays as it is. */
export interface Change<Item> {
  next: Item;
  event?: EventBody;
}

/** The place of a deleted message, kept so that its id never comes back. */
export const tombstone = 'deleted';
export type StoredMessage = MessageRecord | typeof tombstone | undefined;

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
export function missMessage(
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
export function markRead(current: StoredMessage): Change<MessageRecord> | undefined {
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
export function createSend(
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

/** A session as a phone shows it, unless it is older news than what is stored. */
export function putSession(
  current: Session | undefined,
  write: WriteOf<'session.put'>,
  home: string,
  nowMs: number,
): Change<Session> | undefined {
  const { session } = write;
  if (current !== undefined && session.updatedAt !== undefined && session.updatedAt < current.updatedAt) {
    return undefined;
  }
  const next: Session = {
    id: write.id,
    sessionId: session.sessionId,
    home,
    phone: write.phone,
    sessionClass: session.sessionClass,
    status: session.status,
    subject: session.subject ?? null,
    contentTypes: session.contentTypes,
    initiator: session.initiator === undefined ? null : onOneLine(session.initiator),
    recipients: session.recipients.map(onOneLine),
    startedAt: session.startedAt ?? current?.startedAt ?? null,
    updatedAt: session.updatedAt ?? current?.updatedAt ?? '',
  };
  if (isDeepStrictEqual(current, next)) return undefined;
  // A phone that keeps no time of its changes: the change was made when it was seen.
  if (session.updatedAt === undefined) next.updatedAt = new Date(nowMs).toISOString();
  return { next, event: { type: 'session.updated', data: next } };
}

/** The home came or went; a change of its agent alone is no event. */
export function setHomeStatus(
  current: HomeRecord,
  write: WriteOf<'home.status'>,
  nowMs: number,
): Change<HomeRecord> | undefined {
  if (current.online === write.online) {
    return isDeepStrictEqual(current.agent, write.agent) ? undefined : { next: { ...current, agent: write.agent } };
  }
  return {
    next: { ...current, online: write.online, sinceMs: nowMs, agent: write.agent },
    event: {
      type: write.online ? 'home.online' : 'home.offline',
      data: { home: current.id, since: new Date(nowMs).toISOString() },
    },
  };
}

/** The phone came or went. `wasOnline` is what was told last. */
export function setPhoneStatus(wasOnline: boolean, write: WriteOf<'phone.status'>): Change<boolean> | undefined {
  const { online } = write.phone;
  if (online === wasOnline) return undefined;
  return { next: online, event: { type: online ? 'phone.online' : 'phone.offline', data: write.phone } };
}

/**
 * A phone as the agent sees it. Only people change what they approved; a trusted phone starts approved, unless as many as
 * an agent can show are approved already. `known`: the home's phones by id, the last of which a new one follows.
 */
export function seePhone(known: readonly PhoneRecord[], presence: PhonePresence, nowMs: number): PhoneRecord {
  const current = known.find((phone) => phone.udn === presence.udn);
  const { udn, name, deviceType, address, epoch, trusted } = presence;
  const capabilities = presence.capabilities ?? current?.capabilities;
  const seenAs = presenceEvidenceOf(presence);
  const isTrusted = trusted && known.filter((phone) => phone.approved).length < limits.phones;
  const approval =
    current === undefined
      ? { approved: isTrusted, ...(isTrusted && { approvedAs: seenAs }) }
      : approvalOf(current, presence, nowMs);
  return {
    id: current?.id ?? `p_${nextUlid(known.at(-1)?.id.slice(2) ?? '', nowMs)}`,
    udn,
    name,
    deviceType,
    ...approval,
    seenAs,
    address,
    ...(capabilities !== undefined && { capabilities }),
    epoch,
  };
}

/**
 * The phones that a home forgets so as to keep no more than an agent can show: of those that nobody approved and that are
 * not seen, the ones that came first. Names cost a stranger in the house nothing, and would otherwise add up.
 */
export function phonesToForget(known: readonly PhoneRecord[], seen: readonly PhonePresence[]): PhoneRecord[] {
  const strangers = known.filter(
    (phone) => !phone.approved && phone.changed === undefined && !seen.some(({ udn }) => udn === phone.udn),
  );
  return strangers.slice(0, Math.max(0, known.length - limits.phones));
}

function isSend(folder: MessageFolder): boolean {
  return folder === 'Outgoing' || folder === 'Sent';
}
