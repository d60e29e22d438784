// Messages and sends: writes and queries.
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { Message, MessageState } from '../../../protocol/model.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import type { MessageFilter, MessageRecord, MessageStore, MissingMessage } from '../message-store.ts';
import type { Page, PageRequest } from '../page.ts';
import type { EventBody } from '../rules/change.ts';
import { conversationKey } from '../rules/conversation-rules.ts';
import type { Cursors } from '../rules/cursor.ts';
import { inventoryItemOf, isDeletedAgain } from '../rules/inventory-item.ts';
import {
  changeMessage,
  deleteMessage,
  idOf,
  type StoredMessage,
  tombstone,
  upgradeRecord,
} from '../rules/message-rules.ts';
import { publicMessage } from '../rules/public-message.ts';
import { searchText } from '../rules/search-text.ts';
import type { MessageWrite, Write } from '../store.ts';
import type { SqliteEngine } from './engine.ts';
import { messageQuery } from './message-query.ts';
import type { SqliteConversations } from './sqlite-conversations.ts';
import type { SqliteHomes } from './sqlite-homes.ts';
import { readSqlitePage } from './sqlite-page.ts';
import type { SqlitePhones } from './sqlite-phones.ts';

interface MessageRow {
  id: string;
  record: string;
}

type TombstoneRow = Pick<MessageRecord, 'id' | 'messageId' | 'epoch' | 'fingerprint'>;

export interface SqliteMessagesDeps {
  homes: SqliteHomes;
  phones: SqlitePhones;
  conversations: SqliteConversations;
  cursors: Cursors;
}

export class SqliteMessages implements MessageStore {
  readonly #engine: SqliteEngine;
  readonly #homes: SqliteHomes;
  readonly #phones: SqlitePhones;
  readonly #conversations: SqliteConversations;
  readonly #cursors: Cursors;

  constructor(engine: SqliteEngine, deps: SqliteMessagesDeps) {
    this.#engine = engine;
    this.#homes = deps.homes;
    this.#phones = deps.phones;
    this.#conversations = deps.conversations;
    this.#cursors = deps.cursors;
  }

  async get(home: string, id: string): Promise<MessageRecord | undefined> {
    return this.#read(home, id);
  }

  /** Call it within a write. */
  apply(home: string, write: MessageWrite): EventBody | undefined {
    const current = this.#stored(home, idOf(write));
    if (write.type === 'message.delete') {
      const event = deleteMessage(current, write);
      if (event !== undefined && current !== undefined && current !== tombstone) this.#leaveTombstone(current);
      return event;
    }
    if (write.type === 'message.put' && current === undefined && this.#wasDeleted(home, write)) return undefined;
    const change = changeMessage(current, write, { home, country: this.#homes.countryOf(home) });
    if (change !== undefined) this.#keep(current === tombstone ? undefined : current, change.next);
    return change?.event;
  }

  async list(home: string, filter: MessageFilter, page: PageRequest): Promise<Page<Message>> {
    const { conversation } = filter;
    const present = conversation === undefined ? undefined : this.#conversations.presentKey(home, conversation);
    const { sql, values } = messageQuery(home, { ...filter, conversation: present });
    return readSqlitePage(this.#cursors, { kind: 'messages', home, filter }, page, (position, count) =>
      this.#engine
        .all<MessageRow>(sql, ...values, position, count)
        .map((row) => ({ position: row.id, item: publicMessage(parse(row)) })),
    );
  }

  async openSends(home: string, states: readonly MessageState[], limit: number): Promise<MessageRecord[]> {
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

  async inventory(
    home: string,
    phoneId: string,
    { after, limit }: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }> {
    const phone = this.#phones.read(home, phoneId);
    if (phone === undefined) return { items: [] };
    const place = [home, phone.id, after ?? '', limit + 1] as const;
    const held = this.#engine
      .all<MessageRow>(
        `SELECT id, record FROM messages INDEXED BY messages_by_phone
         WHERE home = ? AND phone = ? AND id > ? AND message_id IS NOT NULL ORDER BY id LIMIT ?`,
        ...place,
      )
      .map((row) => inventoryItemOf(parse(row), phone.epoch));
    const deleted = this.#engine
      .all<TombstoneRow>(
        `SELECT id, message_id AS messageId, epoch, fingerprint FROM tombstones INDEXED BY tombstones_by_phone
         WHERE home = ? AND phone = ? AND id > ? AND message_id IS NOT NULL ORDER BY id LIMIT ?`,
        ...place,
      )
      .map((row) => ({ ...inventoryItemOf(row, phone.epoch), deleted: true as const }));
    const rows = [...held, ...deleted].sort((one, other) => (one.id < other.id ? -1 : 1));
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return rows.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }

  async missingFrom(home: string, phone: string): Promise<{ listed: number; missing: MissingMessage[] }> {
    const listed = this.#engine.get<{ count: number }>(
      'SELECT count(*) AS count FROM messages INDEXED BY messages_by_phone WHERE home = ? AND phone = ? AND on_phone = 1',
      home,
      phone,
    );
    const missing = this.#engine.all<MissingMessage>(
      `SELECT id, json_extract(record, '$.absentSinceMs') AS sinceMs FROM messages INDEXED BY messages_off_phone
       WHERE home = ? AND on_phone = 0 AND phone = ? AND json_extract(record, '$.absentTwice') ORDER BY id`,
      home,
      phone,
    );
    return { listed: listed?.count ?? 0, missing };
  }

  async olderThan(
    home: string,
    beforeMs: number,
    { after, limit }: { after: string; limit: number },
  ): Promise<MessageRecord[]> {
    return this.#engine
      .all<MessageRow>(
        `SELECT id, record FROM messages INDEXED BY messages_by_id
         WHERE home = ? AND id > ? AND id < ? AND state NOT IN ('queued', 'sending') ORDER BY id LIMIT ?`,
        home,
        after,
        `m_${ulidFloor(beforeMs)}`,
        limit,
      )
      .map(parse);
  }

  #read(home: string, id: string): MessageRecord | undefined {
    const row = this.#engine.get<MessageRow>('SELECT id, record FROM messages WHERE home = ? AND id = ?', home, id);
    return row && parse(row);
  }

  #stored(home: string, id: string): StoredMessage {
    const message = this.#read(home, id);
    if (message !== undefined) return message;
    const row = this.#engine.get('SELECT 1 FROM tombstones WHERE home = ? AND id = ?', home, id);
    return row === undefined ? undefined : tombstone;
  }

  /**
   * Whether the household deleted this message under another id: an agent that lost its journal would restore it. A SIM
   * reuses the identifier of a deleted message; the next message has another time.
   */
  #wasDeleted(home: string, { phone, epoch, message }: Extract<Write, { type: 'message.put' }>): boolean {
    const rows = this.#engine.all<{ time: string }>(
      `SELECT time FROM tombstones INDEXED BY tombstones_by_message
       WHERE home = ? AND phone = ? AND message_id = ? AND epoch = ?`,
      home,
      phone,
      message.messageId,
      epoch,
    );
    return rows.some((deleted) => isDeletedAgain(deleted, message));
  }

  #keep(before: MessageRecord | undefined, next: MessageRecord): void {
    const text = searchText(next);
    const row = this.#engine.get<{ row: number }>(
      `INSERT INTO messages (home, id, phone, message_id, message_class, folder, status, session, conversation,
         sender, state, on_phone, record, text)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (home, id) DO UPDATE SET phone = excluded.phone, message_id = excluded.message_id,
         message_class = excluded.message_class, folder = excluded.folder, status = excluded.status,
         session = excluded.session, conversation = excluded.conversation, sender = excluded.sender,
         state = excluded.state, on_phone = excluded.on_phone, record = excluded.record, text = excluded.text
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
      Number(next.onPhone),
      JSON.stringify(next),
      text,
    );
    if (row !== undefined && (before === undefined || searchText(before) !== text)) {
      this.#engine.run('INSERT OR REPLACE INTO messages_text (rowid, text) VALUES (?, ?)', row.row, text);
    }
    this.#conversations.follow(next.home, before, next);
  }

  /** Keeps nothing of the message but its identity on the phone. */
  #leaveTombstone(message: MessageRecord): void {
    const row = this.#engine.get<{ row: number }>(
      'DELETE FROM messages WHERE home = ? AND id = ? RETURNING row',
      message.home,
      message.id,
    );
    if (row !== undefined) this.#engine.run('DELETE FROM messages_text WHERE rowid = ?', row.row);
    this.#engine.run(
      'INSERT INTO tombstones (home, id, phone, message_id, epoch, fingerprint, time) VALUES (?, ?, ?, ?, ?, ?, ?)',
      message.home,
      message.id,
      message.phone,
      message.messageId,
      message.epoch,
      message.fingerprint,
      message.time,
    );
    this.#conversations.follow(message.home, message, undefined);
  }
}

function parse(row: MessageRow): MessageRecord {
  return upgradeRecord(JSON.parse(row.record) as MessageRecord);
}
