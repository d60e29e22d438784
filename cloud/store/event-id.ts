// Identifiers of events: ULIDs that only ever grow within a home, whatever the clock does.
import { decodeTime, encodeTime, incrementBase32, ulid } from 'ulid';

/** The id after `last` (empty if there was none): of the present if that is later, else the very next one. */
export function nextEventId(last: string, nowMs: number): string {
  return last === '' || decodeTime(last) < nowMs ? ulid(nowMs) : incrementBase32(last);
}

/** The smallest id that an event of this time could have. */
export function eventIdFloor(timeMs: number): string {
  return encodeTime(Math.max(0, timeMs), 10).padEnd(26, '0');
}
