// Which conversation a message is part of: the same session, or the same people, however their addresses are spelled.

import { limits } from '../../../protocol/limits.ts';
import type { Conversation, Message } from '../../../protocol/model.ts';
import type { Party } from '../../../protocol/phone-model.ts';
import type { HomeRecord } from '../home-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { Write } from '../store.ts';
import type { Change, EventBody } from './change.ts';
import { correspondentOf, countryOf, rulesVersion } from './correspondent.ts';
import { onOneLine } from './party.ts';

/** The key under which the message is stored. Undefined for what is in the phone's bin. */
export function conversationKey(message: Message): string | undefined {
  if (message.folder === 'Deleted') return undefined;
  return message.sessionId ?? message.conversation ?? plainKey(message);
}

/** Of the addresses as they stand: what a message has that says nothing of its conversation. */
function plainKey(message: Message): string {
  return joined(correspondents(message).map((party) => party.address.trim()));
}

/** The key of a conversation with these addresses, or of one that had this key by earlier rules. */
export function keyOfPeople(addresses: readonly string[], country: string | undefined): string {
  return joined(addresses.map((address) => correspondentOf(address, country)));
}

function joined(keys: readonly string[]): string {
  return [...new Set(keys)].sort().join('\n');
}

/** What is asked for by a key of earlier rules, such as an address in a bookmark. */
export function presentKey(key: string, country: string | undefined): string {
  const addresses = key.split('\n', limits.parties + 1);
  return addresses.length > limits.parties ? key : keyOfPeople(addresses, country);
}

/**
 * The record with its conversation, which is only noted where it is not plain from the addresses. Addresses and names of
 * phones are put on one line: a line break in one would make two people of it.
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

/** What a store notes of a home to put its messages into conversations. Absent: nothing is known, or done yet. */
export interface Keying {
  /** Of the phones' own numbers. */
  seenCountry?: string;
  /** The rules (`rulesFor`) by which all messages are in their conversations. */
  rules?: string;
  /** How far they are, where they are being put there: everything up to that message is. */
  under?: { rules: string; after: string };
}

/** By which numbers without a country code are read: as the household says, else as its phones' own numbers are. */
export function countryFor(settings: HomeRecord['settings'], keying: Keying): string | undefined {
  return settings?.country ?? keying.seenCountry;
}

/**
 * The country of the phone's own number, as far as the message tells: one that came in names it as its only recipient,
 * one that went out as its sender.
 */
export function countrySeen(message: Pick<Message, 'folder' | 'from' | 'messageClass' | 'to'>): string | undefined {
  const { folder, from, messageClass, to } = message;
  if (messageClass !== 'SMS' && messageClass !== 'MMS') return undefined;
  const own = folder === 'Sent' ? from : folder === 'Received' && to.length === 1 ? to[0] : undefined;
  return own && countryOf(own.address);
}

/** By which rules the messages of a home of that country are in their conversations. */
export function rulesFor(country: string | undefined): string {
  return `${rulesVersion}${country ?? ''}`;
}

/** Whether the message counts as unread where people look: arrivals only. */
export function countsAsUnread(message: Message): boolean {
  return message.folder === 'Received' && message.status === 'Unread';
}

/** The people on the other side: the sender of what came in, the recipients of what went out. */
export function correspondents(message: Message): Party[] {
  return message.state === 'received' ? [message.from] : message.to;
}

/**
 * Adds people to those known, one entry a person: in the spelling and under the name of the message that is the latest.
 * An earlier one only adds what is not known.
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

/** A conversation as far as these rules change it. */
export interface ConversationState extends Pick<Conversation, 'parties' | 'session' | 'unread'> {
  /** Its newest message. */
  lastId: string;
}

/** What the change of a message means for the conversations of its home. */
export interface ConversationMove {
  left?: { key: string; unreadLess: number };
  joined?: { key: string; isNew: boolean; unreadMore: number };
  /** Of the whole home. */
  unreadMore: number;
}

/** Undefined stands for a message that did not exist before, or does not exist any more. */
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

/** The conversation after the message came into it, or changed in it. */
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

/** The country of the first of these messages that tells it. */
export function countryIn(writes: readonly Write[]): string | undefined {
  for (const write of writes) {
    const country = write.type === 'message.put' ? countrySeen(write.message) : undefined;
    if (country !== undefined) return country;
  }
  return undefined;
}
