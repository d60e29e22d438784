// Conversations and unread counts, updated in the transaction of the messages.
import type { Conversation } from '../../../protocol/model.ts';
import type { ConversationStore } from '../conversation-store.ts';
import type { MessageRecord } from '../message-store.ts';
import type { Page, PageRequest } from '../page.ts';
import { type ConversationState, conversationMove, presentKey, withMessage } from '../rules/conversation-rules.ts';
import type { Cursors } from '../rules/cursor.ts';
import { upgradeRecord } from '../rules/message-rules.ts';
import { publicMessage } from '../rules/public-message.ts';
import type { SqliteEngine } from './engine.ts';
import type { SqliteHomes } from './sqlite-homes.ts';
import { readSqlitePage } from './sqlite-page.ts';

interface ConversationRow {
  key: string;
  session: string | null;
  parties: string;
  last_id: string;
  unread: number;
}

export class SqliteConversations implements ConversationStore {
  readonly #engine: SqliteEngine;
  readonly #homes: SqliteHomes;
  readonly #cursors: Cursors;

  constructor(engine: SqliteEngine, homes: SqliteHomes, cursors: Cursors) {
    this.#engine = engine;
    this.#homes = homes;
    this.#cursors = cursors;
  }

  async list(home: string, page: PageRequest): Promise<Page<Conversation>> {
    return readSqlitePage(this.#cursors, { kind: 'conversations', home, filter: {} }, page, (position, count) =>
      this.#engine
        .all<ConversationRow & { record: string }>(
          `SELECT key, c.session, parties, last_id, unread, record
           FROM conversations c JOIN messages m ON m.home = c.home AND m.id = c.last_id
           WHERE c.home = ? AND last_id < ? ORDER BY last_id DESC LIMIT ?`,
          home,
          position,
          count,
        )
        .map((row) => ({ position: row.last_id, item: toConversation(row) })),
    );
  }

  async countUnread(home: string): Promise<number> {
    return this.#engine.get<{ unread: number }>('SELECT unread FROM homes WHERE id = ?', home)?.unread ?? 0;
  }

  /** Finds a conversation by its key, or by a key of earlier rules. */
  presentKey(home: string, key: string): string {
    const isThere = this.#engine.get('SELECT 1 FROM conversations WHERE home = ? AND key = ?', home, key) !== undefined;
    return isThere ? key : presentKey(key, this.#homes.countryOf(home));
  }

  /** Follows the change of a message. Call it within a write, after the message itself was written. */
  follow(home: string, before: MessageRecord | undefined, after: MessageRecord | undefined): void {
    const { left, joined, unreadMore } = conversationMove(before, after);
    if (left !== undefined && before !== undefined) this.#leave(home, left, before.id);
    if (joined !== undefined && after !== undefined) this.#join(home, joined, after);
    if (unreadMore !== 0) this.#engine.run('UPDATE homes SET unread = unread + ? WHERE id = ?', unreadMore, home);
  }

  #join(home: string, { key, unreadMore }: { key: string; unreadMore: number }, message: MessageRecord): void {
    const row = this.#engine.get<ConversationRow>(
      'SELECT key, session, parties, last_id, unread FROM conversations WHERE home = ? AND key = ?',
      home,
      key,
    );
    const next = withMessage(row && toState(row), message, { unreadMore, country: this.#homes.countryOf(home) });
    this.#engine.run(
      'INSERT OR REPLACE INTO conversations (home, key, session, parties, last_id, unread) VALUES (?, ?, ?, ?, ?, ?)',
      home,
      key,
      next.session,
      JSON.stringify(next.parties),
      next.lastId,
      next.unread,
    );
  }

  #leave(home: string, { key, unreadLess }: { key: string; unreadLess: number }, id: string): void {
    const last = this.#engine.get<{ id: string }>(
      'SELECT id FROM messages WHERE home = ? AND conversation = ? AND id <> ? ORDER BY id DESC LIMIT 1',
      home,
      key,
      id,
    );
    if (last === undefined) {
      this.#engine.run('DELETE FROM conversations WHERE home = ? AND key = ?', home, key);
      return;
    }
    this.#engine.run(
      'UPDATE conversations SET last_id = ?, unread = unread - ? WHERE home = ? AND key = ?',
      last.id,
      unreadLess,
      home,
      key,
    );
  }
}

function toConversation(row: ConversationRow & { record: string }): Conversation {
  const { lastId: _, ...shown } = toState(row);
  const last = publicMessage(upgradeRecord(JSON.parse(row.record) as MessageRecord));
  return { key: row.key, ...shown, last };
}

function toState({ session, parties, last_id: lastId, unread }: ConversationRow): ConversationState {
  return { session, parties: JSON.parse(parties) as Conversation['parties'], lastId, unread };
}
