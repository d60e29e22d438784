// Cursors: a position, signed together with its list, so that it is valid for no other list.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import type { PageRequest } from '../page.ts';

const macBytes = 16;
const largestPage = 200;
/** Sorts after every identifier. */
const end = '~';

/** The list of a cursor: its kind, home and filter. Unset fields do not count. */
export interface List {
  kind: 'messages' | 'conversations' | 'sessions';
  home: string;
  filter: object;
}

export class Cursors {
  /** The store's secret, set by its `start`. */
  secret = '';

  /** The cursor that continues the list after `position`. */
  write(list: List, position: string): string {
    return Buffer.concat([this.#sign(list, position), Buffer.from(position)]).toString('base64url');
  }

  /** The position in a cursor. @throws GatewayError `invalid-request` for a cursor of another list */
  read(list: List, cursor: string): string {
    const bytes = Buffer.from(cursor, 'base64url');
    const position = bytes.subarray(macBytes).toString();
    const mac = bytes.subarray(0, macBytes);
    if (mac.length < macBytes || !timingSafeEqual(mac, this.#sign(list, position))) {
      throw new GatewayError('invalid-request', 'This cursor belongs to another list: start again without it.');
    }
    return position;
  }

  /** The position before which a page is read: lists are newest first. @throws GatewayError `invalid-request` */
  startOf(list: List, { limit, cursor }: PageRequest): string {
    if (!Number.isInteger(limit) || limit < 1 || limit > largestPage) {
      throw new GatewayError('invalid-request', `The limit must be a whole number from 1 to ${largestPage}.`);
    }
    return cursor === undefined ? end : this.read(list, cursor);
  }

  #sign(list: List, position: string): Buffer {
    const filter = Object.entries(list.filter)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify([list.kind, list.home, filter, position]);
    return createHmac('sha256', this.secret).update(text).digest().subarray(0, macBytes);
  }
}
