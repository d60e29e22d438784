// Assigns messages to conversations: by session, or by the people in them, across all spellings of an address.

import { limits } from '../../../protocol/limits.ts';
import type { Conversation, Message } from '../../../protocol/model.ts';
import type { Party } from '../../../protocol/phone-model.ts';
import type { HomeRecord } from '../home-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { Write } from '../store.ts';
import type { Change, EventBody } from './change.ts';
import { correspondentOf, countryOf, rulesVersion } from './correspondent.ts';
import { onOneLine } from './party.ts';

/** The conversation key of the message. Undefined for messages in the phone's bin. */
export function conversationKey(message: Message): string | undefined {
  if (message.folder === 'Deleted') return undefined;
  return message.sessionId ?? message.conversation ?? plainKey(message);
}

/** The key from the addresses as written, for a message without a stored key. */
function plainKey(message: Message): string {
  return joined(correspondents(message).map((party) => party.address.trim()));
}

/** The key of a conversation with these addresses, or with this key under earlier rules. */
export function keyOfPeople(addresses: readonly string[], country: string | undefined): string {
  return joined(addresses.map((address) => correspondentOf(address, country)));
}

function joined(keys: readonly string[]): string {
  return [...new Set(keys)].sort().join('\n');
}

/** The present key for a key of earlier rules, such as an address in a bookmark. */
export function presentKey(key: string, country: string | undefined): string {
  const addresses = key.split('\n', limits.parties + 1);
  return addresses.length > limits.parties ? key : keyOfPeople(addresses, country);
}

/**
 * The record with its conversation key, which is stored only where it differs from the addresses. Line breaks are
 * removed from addresses and names, because a line break separates the people of a key.
 */
export function placed(record: MessageRecord, country: string | undefined): MessageRecord {
  const { conversation: _, ...rest } = record;
  const next: MessageRecord = { ...rest, from: onOneLine(record.from), to: record.to.map(onOneLine) };
  const people = correspondents(next).map((party) => party.address);
  const key = keyOfPeople(people, country);
  return record.sessionId !== null || key === plainKey(next) ? next : { ...next, conversation: key };
}

/** A change whose record and event name the conversation. */
export function placedChange(change: Change<MessageRecord>, country: string | undefined): Change<MessageRecord> {
  const next = placed(change.next, country);
  const { event } = change;
  if (event === undefined) return { next };
  return { next, event: { ...event, data: withPeople(event.data as Message, next) } as EventBody };
}

function withPeople(message: Message, { conversation, from, to }: MessageRecord): Message {
  const { conversation: _, ...rest } = message;
  return { ...rest, from, to, ...(conversation !== undefined && { conversation }) };
}

/** Per home: the inputs and the progress of keying its messages. Absent: nothing is known or done yet. */
export interface Keying {
  /** The country of the phones' own numbers. */
  seenCountry?: string;
  /** The rules (`rulesFor`) by which all messages are keyed. */
  rules?: string;
  /** Progress of keying by other rules: all messages up to `after` are done. */
  under?: { rules: string; after: string };
}

/** The country for numbers without a country code: from the settings, else from the phones' own numbers. */
export function countryFor(settings: HomeRecord['settings'], keying: Keying): string | undefined {
  return settings?.country ?? keying.seenCountry;
}

/**
 * The country of the phone's own number, if the message holds it: a received message has it as its only recipient, a
 * sent message as its sender.
 */
export function countrySeen(message: Pick<Message, 'folder' | 'from' | 'messageClass' | 'to'>): string | undefined {
  const { folder, from, messageClass, to } = message;
  if (messageClass !== 'SMS' && messageClass !== 'MMS') return undefined;
  const own = folder === 'Sent' ? from : folder === 'Received' && to.length === 1 ? to[0] : undefined;
  return own && countryOf(own.address);
}

/** Identifies the keying rules for a home of that country. */
export function rulesFor(country: string | undefined): string {
  return `${rulesVersion}${country ?? ''}`;
}

/** Whether the message counts as unread in the dashboard: only arrivals do. */
export function countsAsUnread(message: Message): boolean {
  return message.folder === 'Received' && message.status === 'Unread';
}

/** The people on the other side: the sender of a received message, the recipients of a sent one. */
export function correspondents(message: Message): Party[] {
  return message.state === 'received' ? [message.from] : message.to;
}

/**
 * Merges people into the known ones, one entry for each person, with the spelling and name of the latest message. An
 * older message only adds people and names that are missing.
 */
function mergeParties(
  known: Conversation['parties'],
  added: readonly Party[],
  { country, isLatest }: { country: string | undefined; isLatest: boolean },
): Conversation['parties'] {
  const people = new Map(known.map((party) => [correspondentOf(party.address, country), party]));
  for (const { address, displayName } of added) {
    const key = correspondentOf(address, country);
    const before = people.get(key);
    const name = isLatest ? (displayName ?? before?.displayName) : (before?.displayName ?? displayName);
    const spelling = before === undefined || isLatest ? address.trim() : before.address;
    people.set(key, { address: spelling, ...(name !== undefined && { displayName: name }) });
  }
  return [...people.values()].slice(0, limits.parties);
}

/** The fields of a conversation that these rules change. */
export interface ConversationState extends Pick<Conversation, 'parties' | 'session' | 'unread'> {
  /** Its newest message. */
  lastId: string;
}

/** The effect of a message's change on the conversations of its home. */
export interface ConversationMove {
  left?: { key: string; unreadLess: number };
  joined?: { key: string; isNew: boolean; unreadMore: number };
  /** Change of the home's unread count. */
  unreadMore: number;
}

/** `before` is undefined for a new message, `after` for a deleted one. */
export function conversationMove(
  before: MessageRecord | undefined,
  after: MessageRecord | undefined,
): ConversationMove {
  const from = before && conversationKey(before);
  const to = after && conversationKey(after);
  const unreadBefore = Number(before !== undefined && countsAsUnread(before));
  const unreadAfter = Number(after !== undefined && countsAsUnread(after));
  const unreadMore = unreadAfter - unreadBefore;
  const isNew = from !== to;
  return {
    ...(from !== undefined && isNew && { left: { key: from, unreadLess: unreadBefore } }),
    ...(to !== undefined && { joined: { key: to, isNew, unreadMore: isNew ? unreadAfter : unreadMore } }),
    unreadMore,
  };
}

/** The conversation after the message was added to it or changed in it. */
export function withMessage(
  current: ConversationState | undefined,
  message: MessageRecord,
  { unreadMore, country }: { unreadMore: number; country: string | undefined },
): ConversationState {
  const isLatest = current === undefined || message.id >= current.lastId;
  return {
    session: message.sessionId,
    parties: mergeParties(current?.parties ?? [], correspondents(message), { country, isLatest }),
    lastId: isLatest ? message.id : current.lastId,
    unread: (current?.unread ?? 0) + unreadMore,
  };
}

/** The country from the first of these messages that holds one (`countrySeen`). */
export function countryIn(writes: readonly Write[]): string | undefined {
  for (const write of writes) {
    const country = write.type === 'message.put' ? countrySeen(write.message) : undefined;
    if (country !== undefined) return country;
  }
  return undefined;
}
