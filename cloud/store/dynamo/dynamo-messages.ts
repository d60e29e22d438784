// Messages and sends: writes and queries.
import { messageFolders, messageStatuses } from '../../../protocol/actions.ts';
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { Message, MessageState } from '../../../protocol/model.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import type { MessageFilter, MessageRecord, MessageStore, MissingMessage } from '../message-store.ts';
import type { Page, PageRequest } from '../page.ts';
import type { Change, EventBody } from '../rules/change.ts';
import { conversationKey, countryFor } from '../rules/conversation-rules.ts';
import type { Cursors } from '../rules/cursor.ts';
import { inventoryItemOf, isDeletedAgain } from '../rules/inventory-item.ts';
import {
  changeMessage,
  deleteMessage,
  idOf,
  isMissing,
  type StoredMessage,
  tombstone,
  upgradeRecord,
} from '../rules/message-rules.ts';
import { publicMessage } from '../rules/public-message.ts';
import { searchText, searchWords } from '../rules/search-text.ts';
import type { MessageWrite } from '../store.ts';
import { attributes, indexes } from '../table.ts';
import type { DynamoConversations } from './dynamo-conversations.ts';
import { mergeNewestFirst, readDynamoPage } from './dynamo-page.ts';
import type { DynamoPhones } from './dynamo-phones.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { type Key, keys, partitions } from './keys.ts';
import { compact, isTombstone, present } from './message-parts.ts';
import { isListed } from './placement.ts';
import type { StoredMessageOrTombstone } from './stored.ts';
import { amongUnread } from './unread.ts';

interface Way {
  read: (before: string, count: number) => AsyncIterable<StoredMessageOrTombstone>;
  /** The fields of the filter that it applies; the caller filters by the others. */
  covers: ReadonlySet<string>;
}

/** A page of a phone's inventory ends after this many messages of other phones. */
const mostSeen = 10_000;
/** Stored deletions under one identifier of a phone: a SIM reuses identifiers. */
const mostTimes = 8;
/** Messages in one read where a query reads the whole home. */
const readAtOnce = 1_000;

export interface DynamoMessagesDeps {
  phones: DynamoPhones;
  conversations: DynamoConversations;
  cursors: Cursors;
}

export class DynamoMessages implements MessageStore {
  readonly #records: HomeRecords;
  readonly #phones: DynamoPhones;
  readonly #conversations: DynamoConversations;
  readonly #cursors: Cursors;

  constructor(records: HomeRecords, deps: DynamoMessagesDeps) {
    this.#records = records;
    this.#phones = deps.phones;
    this.#conversations = deps.conversations;
    this.#cursors = deps.cursors;
  }

  async get(home: string, id: string): Promise<MessageRecord | undefined> {
    const view = await this.#records.open(home);
    return present(await view.get(keys.message(home, id)));
  }

  /** The keys that a write needs first. */
  keysFor(home: string, write: MessageWrite): Key<unknown>[] {
    return [keys.message(home, idOf(write))];
  }

  /** The conversations that these writes probably touch, and deletions under their identifiers, for one read. */
  furtherKeysFor(batch: HomeBatch, home: string, writes: readonly MessageWrite[]): Key<unknown>[] {
    return writes.flatMap((write) => {
      const current = stored(batch, home, idOf(write));
      const before = current === tombstone ? undefined : current;
      const conversations = this.#conversations.keysFor(home, [before, changeOf(current, write, batch)?.next]);
      const deleted = deletedKeyOf(batch, home, current, write);
      return deleted === undefined ? conversations : [...conversations, deleted];
    });
  }

  /** Call it after the batch has loaded `keysFor` the write. */
  async apply(batch: HomeBatch, home: string, write: MessageWrite): Promise<EventBody | undefined> {
    const current = stored(batch, home, idOf(write));
    if (write.type === 'message.delete') {
      const event = deleteMessage(current, write);
      if (event !== undefined && current !== undefined && current !== tombstone)
        await this.#leaveTombstone(batch, current);
      return event;
    }
    const deleted = deletedKeyOf(batch, home, current, write);
    if (deleted !== undefined && write.type === 'message.put') {
      await batch.load([deleted]);
      if (batch.get(deleted)?.times.some((time) => isDeletedAgain({ time }, write.message))) return undefined;
    }
    const change = changeOf(current, write, batch);
    if (change === undefined) return undefined;
    const { next } = change;
    const before = current === tombstone ? undefined : current;
    batch.put(keys.message(home, next.id), compact(next));
    await this.#followSend(batch, before, next);
    await this.#conversations.follow(batch, home, before, next);
    return change.event;
  }

  async list(home: string, given: MessageFilter, request: PageRequest): Promise<Page<Message>> {
    const words = searchWords(given.text ?? '');
    const view = await this.#records.open(home);
    const { conversation } = given;
    const meant = conversation === undefined ? undefined : await this.#conversations.presentKey(view, conversation);
    const filter = { ...given, conversation: meant };
    const way = wayTo(view, filter);
    const asked = Object.entries(filter).filter(([, value]) => value !== undefined);
    const page = await readDynamoPage<StoredMessageOrTombstone>(
      this.#cursors,
      { kind: 'messages', home, filter: given },
      request,
      {
        read: way.read,
        positionOf: (message) => message.id,
        isWanted: (message) => !isTombstone(message) && matches(message, filter, words),
        isDense: words.length === 0 && asked.every(([field]) => field === 'text' || way.covers.has(field)),
      },
    );
    const items = page.items.map(present).filter((message) => message !== undefined);
    return { items: items.map(publicMessage), next: page.next };
  }

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

  async inventory(
    home: string,
    phoneId: string,
    { after, limit }: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }> {
    const phone = await this.#phones.read(home, phoneId);
    if (phone === undefined) return { items: [] };
    const view = await this.#records.open(home);
    const { pk: partition, sk: from } = keys.message(home, after ?? '');
    const items: InventoryItem[] = [];
    let seen = 0;
    let last = '';
    for await (const each of view.range<StoredMessageOrTombstone>({
      partition,
      from,
      to: keys.message(home, '~').sk,
      count: limit + 2,
    })) {
      const { id } = each;
      if (id === after) continue;
      if (seen++ === mostSeen) return { items, next: last };
      const item = storedInventoryItemOf(each, phone);
      if (item !== undefined) {
        if (items.length === limit) return { items, next: last };
        items.push(item);
      }
      last = id;
    }
    return { items };
  }

  /** Reads the whole home: only for homes that keep messages like the phone, when the phone has lost some. */
  async missingFrom(home: string, phone: string): Promise<{ listed: number; missing: MissingMessage[] }> {
    const view = await this.#records.open(home);
    const missing: MissingMessage[] = [];
    let listed = 0;
    for await (const each of view.range<StoredMessageOrTombstone>({
      ...oldestFirst(home, '', '~'),
      count: readAtOnce,
    })) {
      const message = present(each);
      if (message?.phone !== phone) continue;
      if (message.onPhone) listed++;
      else if (isMissing(message)) missing.push({ id: message.id, sinceMs: message.absentSinceMs ?? 0 });
    }
    return { listed, missing };
  }

  async olderThan(
    home: string,
    beforeMs: number,
    { after, limit }: { after: string; limit: number },
  ): Promise<MessageRecord[]> {
    const view = await this.#records.open(home);
    const before = `m_${ulidFloor(beforeMs)}`;
    const found: MessageRecord[] = [];
    if (after >= before) return found;
    const range = { ...oldestFirst(home, after, before), isForPeople: false, count: limit };
    for await (const each of view.range<StoredMessageOrTombstone>(range)) {
      const message = present(each);
      if (message === undefined || message.id <= after || message.id >= before) continue;
      if (message.state === 'queued' || message.state === 'sending') continue;
      found.push(message);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Updates the list of open sends. */
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
    // A leftover is harmless: readers of open sends also check the state, which only the message holds.
    if (!isNowOpen) batch.drop(key);
    else if (batch.get(key) === undefined) batch.put(key, { id: after.id });
  }

  /** Keeps nothing of the message but its identity on the phone. */
  async #leaveTombstone(batch: HomeBatch, message: MessageRecord): Promise<void> {
    const { home, id, phone, messageId, epoch, fingerprint } = message;
    batch.isErasing = true;
    if (phone === null || messageId === null) batch.put(keys.message(home, id), { id, gone: true });
    else {
      batch.put(keys.message(home, id), { id, gone: true, phone, messageId, epoch, fingerprint });
      const key = keys.deleted(home, { phone, messageId, epoch: epoch ?? 0 });
      await batch.load([key]);
      const times = [...(batch.get(key)?.times ?? []), message.time].slice(-mostTimes);
      batch.put(key, { times });
      batch.hasDeleted = true;
    }
    await this.#followSend(batch, message, undefined);
    await this.#conversations.follow(batch, home, message, undefined);
  }
}

function oldestFirst(home: string, from: string, to: string) {
  const { pk: partition, sk } = keys.message(home, from);
  return { partition, from: sk, to: keys.message(home, to).sk, isForPeople: true };
}

function stored(batch: HomeBatch, home: string, id: string): StoredMessage {
  const message = batch.get(keys.message(home, id));
  return message !== undefined && isTombstone(message) ? tombstone : present(message);
}

/**
 * The key under which the deletion of a message is noted that its phone may list under a new id. Homes without
 * deletions save the read.
 */
function deletedKeyOf(batch: HomeBatch, home: string, current: StoredMessage, write: MessageWrite) {
  if (write.type !== 'message.put' || current !== undefined || !batch.hasDeleted) return undefined;
  return keys.deleted(home, { phone: write.phone, messageId: write.message.messageId, epoch: write.epoch });
}

function storedInventoryItemOf(
  stored: StoredMessageOrTombstone,
  phone: { id: string; epoch: number },
): InventoryItem | undefined {
  if (stored.phone !== phone.id) return undefined;
  if (isTombstone(stored)) {
    const { id, messageId = null, epoch = null, fingerprint = null } = stored;
    return messageId === null
      ? undefined
      : { ...inventoryItemOf({ id, messageId, epoch, fingerprint }, phone.epoch), deleted: true };
  }
  return stored.messageId === null ? undefined : inventoryItemOf(stored, phone.epoch);
}

/** Whether no phone has taken the send and its outcome is open. */
function isOpen({ messageId, state }: MessageRecord): boolean {
  return messageId === null && state !== 'failed' && state !== 'sent';
}

function changeOf(current: StoredMessage, write: MessageWrite, batch: HomeBatch): Change<MessageRecord> | undefined {
  if (write.type === 'message.delete') return undefined;
  const country = countryFor(batch.home.settings, batch.keying);
  return changeMessage(current, write, { home: batch.view.home, country });
}

/** Chooses the read that passes the fewest other messages. */
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
        return view.range<StoredMessageOrTombstone>({ ...inTable(before, count), partition, index });
      });
      return mergeNewestFirst(each, (message) => message.id);
    },
    covers: new Set(['folder', 'status']),
  };
}

function matches(message: MessageRecord, filter: MessageFilter, words: readonly string[]): boolean {
  const { messageClass, folder, status, session, phone, from, conversation, onPhone } = filter;
  return (
    (messageClass ?? message.messageClass) === message.messageClass &&
    (folder ?? message.folder) === message.folder &&
    (status ?? message.status) === message.status &&
    (session === undefined || session === message.sessionId) &&
    (phone === undefined || phone === message.phone) &&
    (from ?? message.from.address) === message.from.address &&
    (onPhone === undefined || onPhone === upgradeRecord(message).onPhone) &&
    (conversation === undefined || conversation === conversationKey(message)) &&
    (words.length === 0 || containsAll(searchText(message), words))
  );
}

function containsAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word));
}
