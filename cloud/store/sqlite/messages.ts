// Messages and sends: what a write does to them, and every way to look them up.
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
import { searchText } from '../search-text.ts';
import type { MessageFilter, MessageRecord, Page, PageRequest, Write } from '../store.ts';
import type { SqliteConversations } from './conversations.ts';
import type { SqliteEngine } from './engine.ts';
import { messageQuery } from './message-query.ts';
import { readPage } from './page.ts';

type MessageWrite = Extract<Write, { type: 'message.put' | 'message.delete' | 'send.create' | 'send.move' }>;

interface MessageRow {
  id: string;
  record: string;
}

export class SqliteMessages {
  readonly #engine: SqliteEngine;
  readonly #conversations: SqliteConversations;

  constructor(engine: SqliteEngine, conversations: SqliteConversations) {
    this.#engine = engine;
    this.#conversations = conversations;
  }

  get(home: string, id: string): MessageRecord | undefined {
    const row = this.#engine.get<MessageRow>('SELECT id, record FROM messages WHERE home = ? AND id = ?', home, id);
    return row && parse(row);
  }

  /** Within a write. */
  apply(home: string, write: MessageWrite): EventBody | undefined {
    const id = write.type === 'send.create' ? write.message.id : write.id;
    const current = this.#stored(home, id);
    switch (write.type) {
      case 'message.put':
        return this.#keep(current, putMessage(current, write, home));
      case 'send.create':
        return this.#keep(current, createSend(current, write, home));
      case 'send.move':
        return this.#keep(current, moveSend(current, write));
      case 'message.delete': {
        const event = deleteMessage(current);
        if (current !== undefined && current !== tombstone) this.#bury(current);
        return event;
      }
    }
  }

  list(secret: string, home: string, filter: MessageFilter, page: PageRequest): Page<Message> {
    const { sql, values } = messageQuery(home, filter);
    return readPage(secret, { kind: 'messages', home, filter }, page, (position, count) =>
      this.#engine
        .all<MessageRow>(sql, ...values, position, count)
        .map((row) => ({ position: row.id, item: toMessage(parse(row)) })),
    );
  }

  /** Sends that no phone has taken yet, in one of these states, oldest first. */
  openSends(home: string, states: readonly MessageState[], limit: number): MessageRecord[] {
    return this.#engine
      .all<MessageRow>(
        `SELECT id, record FROM messages WHERE home = ? AND message_id IS NULL
         AND state IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?`,
        home,
        JSON.stringify(states),
        limit,
      )
      .map(parse);
  }

  /** What a phone is known to hold, by id. A send that the phone has not shown yet has an empty fingerprint. */
  inventory(
    home: string,
    phone: { id: string; epoch: number },
    { after, limit }: { after?: string | undefined; limit: number },
  ): { items: InventoryItem[]; next?: string } {
    const rows = this.#engine.all<MessageRow>(
      `SELECT id, record FROM messages WHERE home = ? AND phone = ? AND id > ? AND message_id IS NOT NULL
       ORDER BY id LIMIT ?`,
      home,
      phone.id,
      after ?? '',
      limit + 1,
    );
    const items = rows.slice(0, limit).map((row) => {
      const { id, messageId, epoch, fingerprint } = parse(row);
      return { id, messageId: messageId ?? '', epoch: epoch ?? phone.epoch, fingerprint: fingerprint ?? '' };
    });
    const last = items.at(-1);
    return rows.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }

  #stored(home: string, id: string): StoredMessage {
    const message = this.get(home, id);
    if (message !== undefined) return message;
    const grave = this.#engine.get('SELECT 1 FROM tombstones WHERE home = ? AND id = ?', home, id);
    return grave === undefined ? undefined : tombstone;
  }

  #keep(current: StoredMessage, change: Change<MessageRecord> | undefined): EventBody | undefined {
    if (change === undefined) return undefined;
    const { next } = change;
    const text = searchText(next);
    const before = current === tombstone ? undefined : current;
    const row = this.#engine.get<{ row: number }>(
      `INSERT INTO messages (home, id, phone, message_id, message_class, folder, status, session, conversation,
         sender, state, record, text)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (home, id) DO UPDATE SET phone = excluded.phone, message_id = excluded.message_id,
         message_class = excluded.message_class, folder = excluded.folder, status = excluded.status,
         session = excluded.session, conversation = excluded.conversation, sender = excluded.sender,
         state = excluded.state, record = excluded.record, text = excluded.text
       RETURNING row`,
      next.home,
      next.id,
      next.phone,
      next.messageId,
      next.messageClass,
      next.folder,
      next.status,
      next.sessionId,
      conversationKey(next) ?? null,
      next.from.address,
      next.state,
      JSON.stringify(next),
      text,
    );
    if (row !== undefined && (before === undefined || searchText(before) !== text)) {
      this.#engine.run('INSERT OR REPLACE INTO messages_text (rowid, text) VALUES (?, ?)', row.row, text);
    }
    this.#conversations.follow(next.home, before, next);
    return change.event;
  }

  /** Leaves nothing of the message but its id. */
  #bury(message: MessageRecord): void {
    const row = this.#engine.get<{ row: number }>(
      'DELETE FROM messages WHERE home = ? AND id = ? RETURNING row',
      message.home,
      message.id,
    );
    if (row !== undefined) this.#engine.run('DELETE FROM messages_text WHERE rowid = ?', row.row);
    this.#engine.run('INSERT INTO tombstones VALUES (?, ?)', message.home, message.id);
    this.#conversations.follow(message.home, message, undefined);
  }
}

function parse(row: MessageRow): MessageRecord {
  return JSON.parse(row.record) as MessageRecord;
}
