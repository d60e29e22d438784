// Pages of lists that are read newest first and filtered here: DynamoDB charges also for items that its filter drops.
import type { Page, PageRequest } from '../page.ts';
import type { Cursors, List } from '../rules/cursor.ts';

/** A page ends early, with a cursor, after this many items: no request may read a home of a million messages. */
const mostSeen = 10_000;
/** Items in one read when the filter may drop most of them. */
const siftedAtOnce = 200;

/** Reads newest first until `limit` items pass the filter. `positionOf`: the position of an item for the cursor. */
export async function readDynamoPage<Item>(
  cursors: Cursors,
  list: List,
  request: PageRequest,
  parts: {
    read: (before: string, count: number) => AsyncIterable<Item>;
    positionOf: (item: Item) => string;
    isWanted?: ((item: Item) => boolean) | undefined;
    /** Whether nearly all items pass the filter. */
    isDense?: boolean;
  },
): Promise<Page<Item>> {
  const { limit } = request;
  const { read, positionOf, isWanted, isDense = isWanted === undefined } = parts;
  const start = cursors.startOf(list, request);
  const items: Item[] = [];
  let seen = 0;
  let last = '';
  for await (const item of read(start, isDense ? limit + 1 : siftedAtOnce)) {
    const position = positionOf(item);
    if (position === start) continue;
    if (seen++ === mostSeen) return { items, next: cursors.write(list, last) };
    if (isWanted?.(item) === false) {
      if (items.length < limit) last = position;
      continue;
    }
    if (items.length === limit) return { items, next: cursors.write(list, last) };
    items.push(item);
    last = position;
  }
  return { items, next: null };
}

/** Merges lists that are each newest first, and deduplicates them by position. */
export async function* mergeNewestFirst<Item>(
  lists: readonly AsyncIterator<Item>[],
  positionOf: (item: Item) => string,
): AsyncGenerator<Item> {
  const heads = await Promise.all(lists.map((list) => list.next()));
  let last: string | undefined;
  for (;;) {
    let newest = -1;
    let position = '';
    for (const [index, head] of heads.entries()) {
      if (head.done === true || positionOf(head.value) <= position) continue;
      newest = index;
      position = positionOf(head.value);
    }
    const head = heads[newest];
    const list = lists[newest];
    if (head === undefined || head.done === true || list === undefined) return;
    if (position !== last) yield head.value;
    last = position;
    heads[newest] = await list.next();
  }
}
