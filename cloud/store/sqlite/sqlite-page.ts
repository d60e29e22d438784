// Pages of a list that is read newest first: one extra row shows whether there is another page.
import type { Page, PageRequest } from '../page.ts';
import type { Cursors, List } from '../rules/cursor.ts';

/** Reads a page with `read`, which returns at most `count` items before `position`, each with its position. */
export function readSqlitePage<Item>(
  cursors: Cursors,
  list: List,
  request: PageRequest,
  read: (position: string, count: number) => { position: string; item: Item }[],
): Page<Item> {
  const { limit } = request;
  const rows = read(cursors.startOf(list, request), limit + 1);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => row.item),
    next: rows.length > limit && last !== undefined ? cursors.write(list, last.position) : null,
  };
}
