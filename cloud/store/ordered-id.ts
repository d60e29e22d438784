// Identifiers by time: ULIDs. Those of a home's events only ever grow, whatever the clock does.
import { decodeTime, encodeTime, incrementBase32, ulid } from 'ulid';

/** A new ULID of this time, epoch milliseconds. */
export function newId(timeMs: number): string {
  return ulid(timeMs, randomFraction);
}

/** The id after `last` (empty if there was none): of the present if that is later, else the very next one. */
export function nextId(last: string, nowMs: number): string {
  return last === '' || decodeTime(last) < nowMs ? newId(nowMs) : incrementBase32(last);
}

/** The smallest id that could have been given at this time. */
export function idFloor(timeMs: number): string {
  return encodeTime(Math.max(0, timeMs), 10).padEnd(26, '0');
}

const randomBytes = new Uint8Array(4096);
let bytesUsed = randomBytes.length;

/** From 0 to less than 1. Drawn in bulk: asked for one byte at a time, the system costs more than all the rest of an id. */
function randomFraction(): number {
  if (bytesUsed === randomBytes.length) {
    crypto.getRandomValues(randomBytes);
    bytesUsed = 0;
  }
  return (randomBytes[bytesUsed++] ?? 0) / 256;
}
