// Where a page of a list begins: after its cursor, or at the end, for lists are read newest first.
import { GatewayError } from '../../protocol/errors.ts';
import { type List, readCursor } from './cursor.ts';
import type { PageRequest } from './store.ts';

const largestPage = 200;
/** After every identifier. */
const end = '~';

/** The position before which the page is read. Throws `invalid-request`. */
export function startOfPage(secret: string, list: List, { limit, cursor }: PageRequest): string {
  if (!Number.isInteger(limit) || limit < 1 || limit > largestPage) {
    throw new GatewayError('invalid-request', `The limit must be a whole number from 1 to ${largestPage}.`);
  }
  return cursor === undefined ? end : readCursor(secret, list, cursor);
}
