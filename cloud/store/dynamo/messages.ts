// Messages and sends: what a write does to them, and every way to look them up.
import { messageFolders, messageStatuses } from '../../../protocol/actions.ts';
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { Message, MessageState } from '../../../protocol/model.ts';
import {
  type Change,
  createSend,
  deleteMessage,
  type EventBody,
  moveSend,
  putMessage,
  type StoredMessage,
  toMessage,
  tombstone,
} from '../changes.ts';
import { conversationKey } from '../conversation.ts';
import { searchText, searchWords } from '../search-text.ts';
import type { MessageFilter, MessageRecord, Page, PageRequest, Write } from '../store.ts';
import { attributes, indexes } from '../table.ts';
import type { DynamoConversations } from './conversations.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { type Key, keys, partitions } from './keys.ts';
import { isGrave, present } from './message-parts.ts';
import { mergeNewestFirst, readPage } from './page.ts';
import { isListed } from './placement.ts';
import type { StoredMessageOrGrave } from './stored.ts';
import { amongUnread } from './unread.ts';

export type MessageWrite = Extract<Write, { type: 'message.put' | 'message.delete' | 'send.create' | 'send.move' }>;

interface Way {
  read: (before: string, count: number) => AsyncIterable<StoredMessageOrGrave>;
  /** The fields of the filter that it answers; what it passes may differ in the others. */
  covers: ReadonlySet<string>;
}

/** An answer about what a phone holds ends after so many messages of other phones. */
const mostSeen = 10_000;

export class DynamoMessages {
  readonly #records: HomeRecords;
  readonly #conversations: DynamoConversations;

  constructor(records: HomeRecords, conversations: DynamoConversations) {
    this.#records = records;
    this.#conversations = conversations;
  }

  async get(home: string, id: string): Promise<MessageRecord | undefined> {
    const view = await this.#records.open(home);
    return present(await view.get(keys.message(home, id)));
  }

  /** What a write looks at first. */
  keysFor(home: string, write: MessageWrite): Key<unknown>[] {
    return [keys.message(home, idOf(write))];
  }

  /** The conversations that these writes will most likely touch, so that they are read at once. */
  conversationKeysFor(batch: HomeBatch, home: string, writes: readonly MessageWrite[]): Key<unknown>[] {
    return writes.flatMap((write) => {
      const current = stored(batch, home, idOf(write));
      const before = current === tombstone ? undefined : current;
      return this.#conversations.keysFor(home, [before, changeOf(current, write, home)?.next]);
    });
  }

  /** Into the batch, which has loaded `keysFor` it. */
  async apply(batch: HomeBatch, home: string, write: MessageWrite): Promise<EventBody | undefined> {
    const current = stored(batch, home, idOf(write));
    if (write.type === 'message.delete') {
      if (current !== undefined && current !== tombstone) await this.#bury(batch, current);
      return deleteMessage(current);
    }
    const change = changeOf(current, write, home);
    if (change === undefined) return undefined;
    const { next } = change;
    const before = current === tombstone ? undefined : current;
    batch.put(keys.message(home, next.id), next);
    await this.#followSend(batch, before, next);
    await this.#conversations.follow(batch, home, before, next);
    return change.event;
  }

  async list(secret: string, home: string, filter: MessageFilter, request: PageRequest): Promise<Page<Message>> {
    const words = searchWords(filter.text ?? '');
    const view = await this.#records.open(home);
    const way = wayTo(view, filter);
    const asked = Object.entries(filter).filter(([, value]) => value !== undefined);
    const page = await readPage<StoredMessageOrGrave>(secret, { kind: 'messages', home, filter }, request, {
      read: way.read,
      positionOf: (message) => message.id,
      isWanted: (message) => !isGrave(message) && matches(message, filter, words),
      isDense: words.length === 0 && asked.every(([field]) => field === 'text' || way.covers.has(field)),
    });
    const items = page.items.map(present).filter((message) => message !== undefined);
    return { items: items.map(toMessage), next: page.next };
  }

  /** Sends that no phone has taken yet, in one of these states, oldest first. */
  async openSends(home: string, states: readonly MessageState[], limit: number): Promise<MessageRecord[]> {
    const view = await this.#records.open(home);
    if (view.head.stored?.open === 0) return [];
    const open = await view.all(keys.openSend(home, ''));
    const found: MessageRecord[] = [];
    for (let at = 0; at < open.length && found.length < limit; at += limit) {
      const some = open.slice(at, at + limit).map(({ id }) => keys.message(home, id));
      const records = (await view.getAll(some)).map(present).filter((record) => record !== undefined);
      found.push(...records.filter((record) => isOpen(record) && states.includes(record.state)));
    }
    return found.slice(0, limit);
  }

  /** What a phone is known to hold, by id. A send that the phone has not shown yet has an empty fingerprint. */
  async inventory(
    home: string,
    phone: { id: string; epoch: number },
    { after, limit }: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }> {
    const view = await this.#records.open(home);
    const { pk: partition, sk: from } = keys.message(home, after ?? '');
    const items: InventoryItem[] = [];
    let seen = 0;
    let last = '';
    for await (const each of view.range<StoredMessageOrGrave>({
      partition,
      from,
      to: keys.message(home, '~').sk,
      count: limit + 2,
    })) {
      const { id } = each;
      if (id === after) continue;
      if (seen++ === mostSeen) return { items, next: last };
      const message = present(each);
      if (message?.phone === phone.id && message.messageId !== null) {
        if (items.length === limit) return { items, next: last };
        const { messageId, epoch, fingerprint } = message;
        items.push({ id, messageId, epoch: epoch ?? phone.epoch, fingerprint: fingerprint ?? '' });
      }
      last = id;
    }
    return { items };
  }

  /** Keeps the list of open sends. */
  async #followSend(
    batch: HomeBatch,
    before: MessageRecord | undefined,
    after: MessageRecord | undefined,
  ): Promise<void> {
    const wasOpen = before !== undefined && isOpen(before);
    const isNowOpen = after !== undefined && isOpen(after);
    const some = after ?? before;
    if (some === undefined || (!wasOpen && !isNowOpen)) return;
    const key = keys.openSend(some.home, some.id);
    batch.open += Number(isNowOpen) - Number(wasOpen);
    if (before === undefined) batch.assumeNew(key);
    else await batch.load([key]);
    // Its state stands in the message alone, and who looks for open sends reads that too: a leftover does no harm.
    if (!isNowOpen) batch.drop(key);
    else if (batch.get(key) === undefined) batch.put(key, { id: after.id });
  }

  /** Leaves nothing of the message but its id. */
  async #bury(batch: HomeBatch, message: MessageRecord): Promise<void> {
    const { home, id } = message;
    batch.put(keys.message(home, id), { id, gone: true });
    batch.isErasing = true;
    await this.#followSend(batch, message, undefined);
    await this.#conversations.follow(batch, home, message, undefined);
  }
}

function idOf(write: MessageWrite): string {
  return write.type === 'send.create' ? write.message.id : write.id;
}

function stored(batch: HomeBatch, home: string, id: string): StoredMessage {
  const message = batch.get(keys.message(home, id));
  return message !== undefined && isGrave(message) ? tombstone : message;
}

/** A send that no phone has taken, and whose end is not known. */
function isOpen({ messageId, state }: MessageRecord): boolean {
  return messageId === null && state !== 'failed' && state !== 'sent';
}

function changeOf(current: StoredMessage, write: MessageWrite, home: string): Change<MessageRecord> | undefined {
  switch (write.type) {
    case 'message.put':
      return putMessage(current, write, home);
    case 'send.create':
      return createSend(current, write, home);
    case 'send.move':
      return moveSend(current, write);
    case 'message.delete':
      return undefined;
  }
}

/** Of the ways to these messages the one that passes the fewest others. */
function wayTo(view: HomeView, filter: MessageFilter): Way {
  const { home } = view;
  const { folder, status, conversation, session } = filter;
  const group = conversation ?? session;
  const inTable = (before: string, count: number) => {
    const { pk: partition, sk: from } = keys.message(home, '');
    return { partition, from, to: keys.message(home, before).sk, newestFirst: true, isForPeople: true, count };
  };
  if (group !== undefined) {
    const index = { name: indexes.byGroup, partition: attributes.group };
    const partition = partitions.group(home, group);
    return {
      read: (before, count) => view.range({ ...inTable(before, count), partition, index }),
      covers: new Set([conversation === undefined ? 'session' : 'conversation']),
    };
  }
  const folders = folder === undefined ? messageFolders : [folder];
  const statuses = status === undefined ? messageStatuses : [status];
  const places = folders.flatMap((each) => statuses.map((other) => ({ folder: each, status: other })));
  const isUnread = (place: { folder: string; status: string }) =>
    place.folder === 'Received' && place.status === 'Unread';
  if (!places.every((place) => isUnread(place) || isListed(place.folder, place.status))) {
    return { read: (before, count) => view.range(inTable(before, count)), covers: new Set() };
  }
  const index = { name: indexes.byList, partition: attributes.list };
  return {
    read: (before, count) => {
      const each = places.map((place) => {
        if (isUnread(place)) return amongUnread(view, before);
        const partition = partitions.folder(home, place.folder, place.status);
        return view.range<StoredMessageOrGrave>({ ...inTable(before, count), partition, index });
      });
      return mergeNewestFirst(each, (message) => message.id);
    },
    covers: new Set(['folder', 'status']),
  };
}

function matches(message: MessageRecord, filter: MessageFilter, words: readonly string[]): boolean {
  const { messageClass, folder, status, session, phone, from, conversation } = filter;
  return (
    (messageClass ?? message.messageClass) === message.messageClass &&
    (folder ?? message.folder) === message.folder &&
    (status ?? message.status) === message.status &&
    (session === undefined || session === message.sessionId) &&
    (phone === undefined || phone === message.phone) &&
    (from ?? message.from.address) === message.from.address &&
    (conversation === undefined || conversation === conversationKey(message)) &&
    (words.length === 0 || containsAll(searchText(message), words))
  );
}

function containsAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word));
}
