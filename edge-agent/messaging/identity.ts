// Stable identifiers, derived so that an agent that lost its journal computes the same ones again. evidence.ts decides which
// known message a listed one is.
import { createHash } from 'node:crypto';
import { base32, encodeUlidTime, maxUlidTimeMs, timeOfUlid } from '../../shared/ulid.ts';

/**
 * A message's stable identifier: `m_` and a ULID with the message's time (epoch milliseconds) and, as its 80 random bits,
 * the start of a digest of its identity.
 */
export function messageKey(udn: string, epoch: number, messageId: string, timeMs: number): string {
  const time = Math.min(Math.max(0, Math.trunc(timeMs)), maxUlidTimeMs);
  return `m_${encodeUlidTime(time)}${base32(digestBits(80, udn, epoch, messageId), 16)}`;
}

/** A session's stable identifier: `s_` and 128 bits of the digest of its identity. */
export function sessionKey(udn: string, epoch: number, sessionId: string): string {
  return `s_${base32(digestBits(128, udn, epoch, sessionId), 26)}`;
}

/** The time in an `m_…`, epoch milliseconds. */
export function timeOfKey(id: string): number {
  return timeOfUlid(id.slice(2));
}

/** Whether a key has the form of a message's identifier. */
export function isMessageKey(key: string): boolean {
  return /^m_[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(key);
}

function digestBits(bits: number, ...parts: unknown[]): bigint {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return BigInt(`0x${hex.slice(0, bits / 4)}`);
}
