// Cursors: a position, signed together with the list that it was given for, so that it opens no other.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../protocol/errors.ts';

const macBytes = 16;

/** What a cursor belongs to: a kind of list, a home and a filter. Fields that are not set do not count. */
export interface List {
  kind: 'messages' | 'conversations' | 'sessions';
  home: string;
  filter: object;
}

/** The cursor that goes on after `position` in the list. */
export function writeCursor(secret: string, list: List, position: string): string {
  return Buffer.concat([sign(secret, list, position), Buffer.from(position)]).toString('base64url');
}

/** The position in a cursor. Throws `invalid-request` unless it was given out for this very list. */
export function readCursor(secret: string, list: List, cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  const position = bytes.subarray(macBytes).toString();
  const mac = bytes.subarray(0, macBytes);
  if (mac.length < macBytes || !timingSafeEqual(mac, sign(secret, list, position))) {
    throw new GatewayError('invalid-request', 'This cursor belongs to another list: start again without it.');
  }
  return position;
}

function sign(secret: string, list: List, position: string): Buffer {
  const filter = Object.entries(list.filter)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([list.kind, list.home, filter, position]);
  return createHmac('sha256', secret).update(text).digest().subarray(0, macBytes);
}
