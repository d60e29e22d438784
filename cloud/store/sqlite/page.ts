// Pages of a list that is read newest first: one row more than asked tells whether there is another page.
import { type List, writeCursor } from '../cursor.ts';
import { startOfPage } from '../page.ts';
import type { Page, PageRequest } from '../store.ts';

/** Reads a page by `read`, which answers at most `count` items before `position`, and gives each its position. */
export function readSqlitePage<Item>(
  secret: string,
  list: List,
  request: PageRequest,
  read: (position: string, count: number) => { position: string; item: Item }[],
): Page<Item> {
  const { limit } = request;
  const rows = read(startOfPage(secret, list, request), limit + 1);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => row.item),
    next: rows.length > limit && last !== undefined ? writeCursor(secret, list, last.position) : null,
  };
}
