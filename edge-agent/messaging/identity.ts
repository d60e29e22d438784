// Who is who: identifiers that a lost journal finds again, and digests that tell new, changed and reused apart.
// Identity is (phone, epoch, the phone's own identifier); text and arrival never decide it.
import { createHash } from 'node:crypto';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { unknownTime } from './profile.ts';

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** A ULID's time part has 48 bits. */
const maxTimeMs = 2 ** 48 - 1;

/**
 * A message's stable identifier: `m_` and a ULID whose time is the message's (epoch milliseconds) and whose 80 random
 * bits are the first of a digest of its identity.
 */
export function messageKey(udn: string, epoch: number, messageId: string, timeMs: number): string {
  const time = Math.min(Math.max(0, Math.trunc(timeMs)), maxTimeMs);
  return `m_${base32(BigInt(time), 10)}${base32(digestBits(80, udn, epoch, messageId), 16)}`;
}

/** A session's stable identifier: `s_` and 128 bits of the digest of its identity. */
export function sessionKey(udn: string, epoch: number, sessionId: string): string {
  return `s_${base32(digestBits(128, udn, epoch, sessionId), 26)}`;
}

/** The time within an `m_…`, epoch milliseconds. */
export function timeOfKey(id: string): number {
  return [...id.slice(2, 12)].reduce((time, char) => time * 32 + crockford.indexOf(char), 0);
}

/** Whether a key may be a message's identifier. */
export function isMessageKey(key: string): boolean {
  return /^m_[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(key);
}

/**
 * The digest of a message as a phone shows it: who · when · all of it. The first two say whether an identifier still
 * means the same message. A message on its way out has no time yet: phones set it when it has gone.
 */
export function fingerprintOf(message: PhoneMessage): string {
  const who = digest(10, message.messageClass, message.from.address);
  const settled = message.folder !== 'Outgoing' && message.time !== unknownTime;
  const when = settled ? digest(6, message.time) : '';
  return `${who}.${when}.${digest(15, message)}`;
}

/** Whether a messageId that was known by one fingerprint now names another message: the phone was reset. */
export function isReused(known: string, seen: string): boolean {
  if (known === '') return false;
  const [knownWho, knownWhen] = known.split('.');
  const [seenWho, seenWhen] = seen.split('.');
  return knownWho !== seenWho || (knownWhen !== '' && seenWhen !== '' && knownWhen !== seenWhen);
}

function digest(bytes: number, ...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, bytes).toString('base64url');
}

function digestBits(bits: number, ...parts: unknown[]): bigint {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return BigInt(`0x${hex.slice(0, bits / 4)}`);
}

function base32(value: bigint, length: number): string {
  let text = '';
  for (let rest = value, index = 0; index < length; index++, rest >>= 5n) text = crockford[Number(rest & 31n)] + text;
  return text;
}
