// The phone's messages, in folders. One prepared statement a query.
import type { MessageFolder, NewMessage, PhoneMessage } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';

/** Each field narrows; the empty string does not. */
export interface MessageQuery {
  readonly messageClass: string;
  readonly folder: string;
  readonly status: string;
  readonly sessionId: string;
}

export type NewPhoneMessage = Omit<PhoneMessage, 'messageId'>;

/** A phone's memory is finite, and a control point reads a list as a whole, within about 1 MiB (requirement X17). */
export const messageCapacity = 1000;
/** A longer body is left out of lists, for ReadMessage to fetch. The longest SMS is 1530 characters. */
export const longestListedBody = 4000;

type Row = Record<string, unknown>;

export class Messages {
  readonly #insert;
  readonly #byId;
  readonly #search;
  readonly #news;
  readonly #clearNews;
  readonly #setStatus;
  readonly #setFolder;
  readonly #closeSession;
  readonly #outgoing;
  readonly #prune;

  constructor(database: PhoneDatabase) {
    this.#insert = database.prepare(
      `INSERT INTO messages (message_class, folder, status, session_id, time_ms, news, content)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#byId = database.prepare('SELECT * FROM messages WHERE number = ?');
    this.#search = database.prepare(
      `SELECT * FROM messages
       WHERE (?1 = '' OR message_class = ?1) AND (?2 = '' OR folder = ?2)
         AND (?3 = '' OR status = ?3) AND (?4 = '' OR session_id = ?4)
       ORDER BY number`,
    );
    this.#news = database.prepare('SELECT * FROM messages WHERE news = 1 ORDER BY number DESC LIMIT ?');
    this.#clearNews = database.prepare('UPDATE messages SET news = 0 WHERE news = 1 AND number <= ?');
    this.#setStatus = database.prepare("UPDATE messages SET status = 'Read', news = 0 WHERE number = ?");
    this.#setFolder = database.prepare('UPDATE messages SET folder = ?, news = 0 WHERE number = ?');
    this.#closeSession = database.prepare(
      "UPDATE messages SET folder = 'ClosedSession' WHERE session_id = ? AND folder IN ('Received', 'Sent')",
    );
    this.#outgoing = database.prepare("SELECT * FROM messages WHERE folder = 'Outgoing' ORDER BY number");
    // What was thrown away goes first, then what was read or sent, oldest first; never what nobody has seen, nor what waits.
    this.#prune = database.prepare(
      `DELETE FROM messages WHERE number IN (
         SELECT number FROM messages
         WHERE folder <> 'Outgoing' AND (status = 'Read' OR folder = 'Deleted')
         ORDER BY folder <> 'Deleted', number
         LIMIT max(0, (SELECT count(*) FROM messages) - ?))`,
    );
  }

  // Those that change are called within PhoneDatabase.write.

  add(message: NewPhoneMessage, news: boolean): PhoneMessage {
    const { messageClass, folder, status, sessionId = '', time, ...content } = message;
    const { lastInsertRowid } = this.#insert.run(
      messageClass,
      folder,
      status,
      sessionId,
      Date.parse(time),
      news ? 1 : 0,
      JSON.stringify(content),
    );
    return { ...message, messageId: `m-${lastInsertRowid}` };
  }

  markRead(messageId: string): void {
    this.#setStatus.run(numberOf(messageId));
  }

  move(messageId: string, folder: MessageFolder): void {
    this.#setFolder.run(folder, numberOf(messageId));
  }

  /** The session's messages go to the folder ClosedSession. */
  closeSession(sessionId: string): void {
    this.#closeSession.run(sessionId);
  }

  /** These arrivals were told to somebody who asked. */
  clearNews(upTo: string): void {
    this.#clearNews.run(numberOf(upTo));
  }

  /** Forgets what is over the capacity. */
  prune(): number {
    return Number(this.#prune.run(messageCapacity).changes);
  }

  find(messageId: string): PhoneMessage | undefined {
    const row = this.#byId.get(numberOf(messageId));
    return row && messageOf(row);
  }

  search(search: MessageQuery): PhoneMessage[] {
    return this.#search
      .all(search.messageClass, search.folder, search.status, search.sessionId)
      .map(messageOf)
      .map(listed);
  }

  outgoing(): PhoneMessage[] {
    return this.#outgoing.all().map(messageOf);
  }

  /** Arrivals that nobody asked for yet, oldest first; the newest where there are more. */
  news(most: number): NewMessage[] {
    return this.#news
      .all(most)
      .reverse()
      .map((row) => {
        const { messageId, messageClass, sessionId, from, time } = messageOf(row);
        return { messageId, messageClass, ...(sessionId === undefined ? {} : { sessionId }), from, time };
      });
  }
}

function listed(message: PhoneMessage): PhoneMessage {
  return message.body.length > longestListedBody ? { ...message, body: '', bodyOmitted: true } : message;
}

/** The row of `m-17`; 0, which no row has, for what is none of ours. */
function numberOf(messageId: string): number {
  return /^m-[1-9]\d{0,14}$/.test(messageId) ? Number(messageId.slice(2)) : 0;
}

function messageOf(row: Row): PhoneMessage {
  const message = {
    ...(JSON.parse(String(row.content)) as object),
    messageId: `m-${row.number}`,
    messageClass: row.message_class,
    folder: row.folder,
    status: row.status,
    time: new Date(Number(row.time_ms)).toISOString(),
  } as PhoneMessage;
  return row.session_id === '' ? message : { ...message, sessionId: String(row.session_id) };
}
