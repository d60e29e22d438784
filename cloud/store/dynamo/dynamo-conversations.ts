// Conversations and unread counts, updated in the commit of the messages.
import type { Conversation } from '../../../protocol/model.ts';
import type { ConversationStore } from '../conversation-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { Page, PageRequest } from '../page.ts';
import {
  conversationKey,
  conversationMove,
  countryFor,
  countsAsUnread,
  presentKey,
  withMessage,
} from '../rules/conversation-rules.ts';
import type { Cursors } from '../rules/cursor.ts';
import { upgradeRecord } from '../rules/message-rules.ts';
import { publicMessage } from '../rules/public-message.ts';
import { attributes, indexes } from '../table.ts';
import { readDynamoPage } from './dynamo-page.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { type Key, keys, partitions } from './keys.ts';
import { compact, present } from './message-parts.ts';
import type { StoredConversation, StoredMessageOrTombstone } from './stored.ts';

/** Longest copied message, as JSON: the conversation then still costs one write unit. */
const copiedChars = 1_000;

export class DynamoConversations implements ConversationStore {
  readonly #records: HomeRecords;
  readonly #cursors: Cursors;

  constructor(records: HomeRecords, cursors: Cursors) {
    this.#records = records;
    this.#cursors = cursors;
  }

  async list(home: string, request: PageRequest): Promise<Page<Conversation>> {
    const view = await this.#records.open(home);
    const page = await readDynamoPage<StoredConversation>(
      this.#cursors,
      { kind: 'conversations', home, filter: {} },
      request,
      {
        read: (before) => newestFirst(view, before),
        positionOf: (conversation) => conversation.lastId,
      },
    );
    // An earlier version updates `lastId` but not the copy.
    const uncopied = page.items.filter(({ last, lastId }) => last?.id !== lastId);
    const lasts = await view.getAll(uncopied.map(({ lastId }) => keys.message(home, lastId)));
    const byId = new Map(lasts.map((each) => [each.id, present(each)]));
    const items = page.items.flatMap(({ key, parties, session, unread, lastId, last: copy }): Conversation[] => {
      const record = byId.get(lastId);
      const last = copy?.id === lastId ? upgradeRecord(copy) : record && publicMessage(record);
      // The message may have been deleted between the two reads.
      return last === undefined ? [] : [{ key, parties, session, last, unread }];
    });
    return { items, next: page.next };
  }

  async countUnread(home: string): Promise<number> {
    return (await this.#records.open(home)).head.stored?.unread ?? 0;
  }

  /** Finds a conversation by its key, or by a key of earlier rules. */
  async presentKey(view: HomeView, key: string): Promise<string> {
    if ((await view.get(keys.conversation(view.home, key))) !== undefined) return key;
    const { stored } = view.head;
    return presentKey(key, stored && countryFor(stored.home.settings, stored.keying ?? {}));
  }

  /** The keys that `follow` will read. */
  keysFor(home: string, messages: readonly (MessageRecord | undefined)[]): Key<StoredConversation>[] {
    return messages
      .map((message) => message && conversationKey(message))
      .filter((key) => key !== undefined)
      .map((key) => keys.conversation(home, key));
  }

  /** Follows the change of a message. Call it after the message itself was put into the batch. */
  async follow(
    batch: HomeBatch,
    home: string,
    before: MessageRecord | undefined,
    after: MessageRecord | undefined,
  ): Promise<void> {
    await batch.load(this.keysFor(home, [before, after]));
    const { left, joined, unreadMore } = conversationMove(before, after);
    if (left !== undefined && before !== undefined) await this.#leave(batch, home, left, before.id);
    if (joined !== undefined && after !== undefined) this.#join(batch, home, joined, after);
    batch.unread += unreadMore;
  }

  #join(
    batch: HomeBatch,
    home: string,
    { key, isNew, unreadMore }: { key: string; isNew: boolean; unreadMore: number },
    message: MessageRecord,
  ): void {
    const current = batch.get(keys.conversation(home, key));
    const country = countryFor(batch.home.settings, batch.keying);
    const { session, parties, lastId, unread } = withMessage(current, message, { unreadMore, country });
    // Keep this order of fields: stored conversations are compared as JSON text.
    const next: StoredConversation = {
      key,
      session,
      parties,
      lastId,
      last: lastId === message.id ? copyOf(message) : current?.last,
      unread,
      count: (current?.count ?? 0) + Number(isNew),
      unreadFrom: unread === 0 ? undefined : unreadFrom(current, message),
    };
    if (JSON.stringify(next) !== JSON.stringify(current)) this.#put(batch, home, next);
  }

  async #leave(
    batch: HomeBatch,
    home: string,
    { key, unreadLess }: { key: string; unreadLess: number },
    id: string,
  ): Promise<void> {
    const current = batch.get(keys.conversation(home, key));
    if (current === undefined) return;
    const count = current.count - 1;
    if (count <= 0) {
      batch.delete(keys.conversation(home, key));
      return;
    }
    let { lastId, last } = current;
    if (lastId === id) {
      lastId = await this.#newest(batch, home, key, id);
      const record = present(batch.get(keys.message(home, lastId)));
      last = lastId === id ? undefined : record && copyOf(record);
    }
    const unread = current.unread - unreadLess;
    const from = unread === 0 ? undefined : current.unreadFrom;
    this.#put(batch, home, { ...current, lastId, last, count, unread, unreadFrom: from });
  }

  /** The newest message of a conversation without `but`. The index may be stale, so table or batch confirm each id. */
  async #newest(batch: HomeBatch, home: string, key: string, but: string): Promise<string> {
    const belongs = (message: MessageRecord) => message.id !== but && conversationKey(message) === key;
    let newest = '';
    for (const each of batch.known(keys.message(home, ''))) {
      const message = present(each);
      if (message !== undefined && belongs(message) && message.id > newest) newest = message.id;
    }
    const { sk: prefix } = keys.message(home, '');
    const inIndex = { name: indexes.byGroup, partition: attributes.group };
    const range = { from: prefix, to: `${prefix}~`, newestFirst: true, count: 5 };
    const proposals = [
      { ...range, partition: partitions.group(home, key), index: inIndex },
      // The index may not hold the others yet: then search the table.
      { ...range, partition: partitions.home(home), count: 500 },
    ];
    for (const proposal of proposals) {
      for await (const { id } of batch.view.range<StoredMessageOrTombstone>(proposal)) {
        if (id <= newest) break;
        await batch.load([keys.message(home, id)]);
        const message = present(batch.get(keys.message(home, id)));
        if (message !== undefined && belongs(message)) return id;
      }
      if (newest !== '') return newest;
    }
    return but;
  }

  #put(batch: HomeBatch, home: string, conversation: StoredConversation): void {
    batch.put(keys.conversation(home, conversation.key), conversation);
  }
}

/** Undefined for a message so long that the conversation would cost more than one write unit. */
function copyOf(record: MessageRecord): StoredConversation['last'] {
  const message = compact(publicMessage(record));
  return JSON.stringify(message).length <= copiedChars ? message : undefined;
}

/** Not updated when the oldest message is read: a value that is too early only makes searches longer. */
function unreadFrom(current: StoredConversation | undefined, message: MessageRecord): string | undefined {
  if (current === undefined || current.unread === 0) return message.id;
  if (current.unreadFrom === undefined || !countsAsUnread(message)) return current.unreadFrom;
  const isOlder = message.id < current.unreadFrom;
  return isOlder ? message.id : current.unreadFrom;
}

/**
 * Reads all conversations and sorts them here: a household has a few hundred of 0.25 KB and lists them seldom, while an
 * index would cost two write units for each message.
 */
async function* newestFirst(view: HomeView, before: string): AsyncGenerator<StoredConversation> {
  const all = await view.all(keys.allConversations(view.home));
  yield* all.filter(({ lastId }) => lastId <= before).sort((a, b) => (a.lastId < b.lastId ? 1 : -1));
}
