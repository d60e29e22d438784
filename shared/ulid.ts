// Identifiers that sort by time: ULIDs (github.com/ulid/spec), 48 bits of time and 80 of chance in Crockford's base 32.

/** Every host has it; declared here because this file compiles without the types of any. */
declare const crypto: { getRandomValues(bytes: Uint8Array): Uint8Array };

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const timeLength = 10;
const chanceLength = 16;
export const maxUlidTimeMs = 2 ** 48 - 1;

/** A new ULID of this time, epoch milliseconds. */
export function newUlid(timeMs: number): string {
  if (bytesUsed === randomBytes.length) {
    crypto.getRandomValues(randomBytes);
    bytesUsed = 0;
  }
  const from = bytesUsed;
  bytesUsed += chanceLength;
  return ulidOf(timeMs, randomBytes.subarray(from, bytesUsed));
}

/** The ULID of this time and of 16 bytes, of which the low five bits count. */
export function ulidOf(timeMs: number, bytes: Uint8Array): string {
  let text = encodeUlidTime(timeMs);
  for (let at = 0; at < chanceLength; at++) text += alphabet.charAt((bytes[at] ?? 0) & 31);
  return text;
}

/** The ULID after `last` (empty if there was none): of the present if that is later, else the very next one. */
export function nextUlid(last: string, nowMs: number): string {
  return last === '' || timeOfUlid(last) < nowMs ? newUlid(nowMs) : increment(last);
}

/** The smallest ULID of this time. */
export function ulidFloor(timeMs: number): string {
  return encodeUlidTime(Math.max(0, timeMs)).padEnd(timeLength + chanceLength, '0');
}

/**
 * The first ten characters of the ULIDs of this time, epoch milliseconds.
 * @throws RangeError for a fraction, and for what 48 bits cannot hold
 */
export function encodeUlidTime(timeMs: number): string {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > maxUlidTimeMs) {
    throw new RangeError(`no time for a ULID: ${timeMs}`);
  }
  let text = '';
  for (let rest = timeMs, length = 0; length < timeLength; length++) {
    const digit = rest % 32;
    text = alphabet.charAt(digit) + text;
    rest = (rest - digit) / 32;
  }
  return text;
}

/**
 * Epoch milliseconds; more than 48 bits where somebody else's identifier begins with more than a 7.
 * @throws RangeError when it is no ULID
 */
export function timeOfUlid(ulid: string): number {
  let timeMs = 0;
  for (let at = 0; at < timeLength; at++) timeMs = timeMs * 32 + digitOf(ulid, at);
  if (ulid.length !== timeLength + chanceLength) throw new RangeError(`no ULID: ${ulid}`);
  return timeMs;
}

/** The lowest `5 × length` bits of a number, in the alphabet of ULIDs. */
export function base32(value: bigint, length: number): string {
  let text = '';
  for (let rest = value, index = 0; index < length; index++, rest >>= 5n) {
    text = alphabet.charAt(Number(rest & 31n)) + text;
  }
  return text;
}

function increment(ulid: string): string {
  let at = ulid.length - 1;
  while (at >= 0 && digitOf(ulid, at) === 31) at--;
  if (at < 0) throw new RangeError('the last ULID has no next one');
  return ulid.slice(0, at) + alphabet.charAt(digitOf(ulid, at) + 1) + '0'.repeat(ulid.length - at - 1);
}

function digitOf(ulid: string, at: number): number {
  const digit = alphabet.indexOf(ulid.charAt(at) || '?');
  if (digit < 0) throw new RangeError(`no ULID: ${ulid}`);
  return digit;
}

/** Drawn in bulk: asked for one byte at a time, the system costs more than all the rest of an identifier. */
const randomBytes = new Uint8Array(256 * chanceLength);
let bytesUsed = randomBytes.length;
