// Finds unread arrivals through the conversations that hold some: an index entry would cost a write unit for each
// arrival, and another when it is read.
import { attributes, indexes } from '../table.ts';
import type { Range } from './engine.ts';
import type { HomeView } from './home-view.ts';
import { keys, partitions } from './keys.ts';
import type { StoredConversation, StoredMessageOrTombstone } from './stored.ts';

/** Conversations whose reads start together. */
const begunAtOnce = 8;
/** Extra messages in a read, because read messages may lie between unread ones. */
const readBetween = 8;

interface Reading {
  list: AsyncGenerator<StoredMessageOrTombstone>;
  next: StoredMessageOrTombstone;
}

/**
 * The messages of conversations with unread ones, newest first, from the oldest unread message of each. The caller
 * filters out read messages. The read of a conversation starts only when its last message is next.
 */
export async function* amongUnread(view: HomeView, before: string): AsyncGenerator<StoredMessageOrTombstone> {
  const waiting = (await view.all(keys.allConversations(view.home)))
    .filter(({ unread }) => unread > 0)
    .sort((one, other) => (one.lastId < other.lastId ? 1 : -1));
  const readings = new Set<Reading>();
  for (;;) {
    let newest = newestOf(readings);
    while (waiting[0] !== undefined && (newest === undefined || waiting[0].lastId > newest.next.id)) {
      const begun = waiting.splice(0, begunAtOnce).map((conversation) => begin(view, conversation, before));
      for (const reading of await Promise.all(begun)) if (reading !== undefined) readings.add(reading);
      newest = newestOf(readings);
    }
    if (newest === undefined) return;
    yield newest.next;
    const { done, value } = await newest.list.next();
    if (done === true) readings.delete(newest);
    else newest.next = value;
  }
}

async function begin(
  view: HomeView,
  { key, unread, unreadFrom, lastId }: StoredConversation,
  before: string,
): Promise<Reading | undefined> {
  const from = unreadFrom ?? '';
  // The index may hold later messages, which are not part of the opened state of the home.
  const to = lastId < before ? lastId : before;
  if (from > to) return undefined;
  const range: Range = {
    partition: partitions.group(view.home, key),
    from: keys.message(view.home, from).sk,
    to: keys.message(view.home, to).sk,
    newestFirst: true,
    isForPeople: true,
    count: unread + readBetween,
    index: { name: indexes.byGroup, partition: attributes.group },
  };
  const list = view.range<StoredMessageOrTombstone>(range);
  const { done, value } = await list.next();
  return done === true ? undefined : { list, next: value };
}

function newestOf(readings: ReadonlySet<Reading>): Reading | undefined {
  let newest: Reading | undefined;
  for (const reading of readings) {
    if (newest === undefined || reading.next.id > newest.next.id) newest = reading;
  }
  return newest;
}
