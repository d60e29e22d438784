// Pages of a list that is read newest first: one row more than asked tells whether there is another page.
import { GatewayError } from '../../../protocol/errors.ts';
import { type List, readCursor, writeCursor } from '../cursor.ts';
import type { Page, PageRequest } from '../store.ts';

const largestPage = 200;
/** After every identifier, for lists that are read from their end. */
const end = '~';

/** Reads a page by `read`, which answers at most `count` items before `position`, and gives each its position. */
export function readPage<Item>(
  secret: string,
  list: List,
  request: PageRequest,
  read: (position: string, count: number) => { position: string; item: Item }[],
): Page<Item> {
  const { limit, cursor } = request;
  if (!Number.isInteger(limit) || limit < 1 || limit > largestPage) {
    throw new GatewayError('invalid-request', `The limit must be a whole number from 1 to ${largestPage}.`);
  }
  const rows = read(cursor === undefined ? end : readCursor(secret, list, cursor), limit + 1);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => row.item),
    next: rows.length > limit && last !== undefined ? writeCursor(secret, list, last.position) : null,
  };
}
