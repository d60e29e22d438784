// The phone's messages, in folders. One prepared statement per query.
import type { MessageFolder, NewMessage, PhoneMessage } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';

/** A non-empty field filters; the empty string matches everything. */
export interface MessageQuery {
  readonly messageClass: string;
  readonly folder: string;
  readonly status: string;
  readonly sessionId: string;
}

export type NewPhoneMessage = Omit<PhoneMessage, 'messageId'>;

/** Keeps a full list within the 1 MiB that a control point reads at once (requirement X17). */
export const messageCapacity = 1000;
/** A longer body is omitted from lists; ReadMessage returns it. The longest SMS has 1530 characters. */
export const maxListedBodyChars = 4000;

type Row = Record<string, unknown>;

export class Messages {
  readonly #insert;
  readonly #byId;
  readonly #search;
  readonly #unreported;
  readonly #markReported;
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
    this.#unreported = database.prepare('SELECT * FROM messages WHERE news = 1 ORDER BY number DESC LIMIT ?');
    this.#markReported = database.prepare('UPDATE messages SET news = 0 WHERE news = 1 AND number <= ?');
    this.#setStatus = database.prepare("UPDATE messages SET status = 'Read', news = 0 WHERE number = ?");
    this.#setFolder = database.prepare('UPDATE messages SET folder = ?, news = 0 WHERE number = ?');
    this.#closeSession = database.prepare(
      "UPDATE messages SET folder = 'ClosedSession' WHERE session_id = ? AND folder IN ('Received', 'Sent')",
    );
    this.#outgoing = database.prepare("SELECT * FROM messages WHERE folder = 'Outgoing' ORDER BY number");
    // Delete deleted messages first, then read or sent ones, oldest first; never unread or outgoing ones.
    this.#prune = database.prepare(
      `DELETE FROM messages WHERE number IN (
         SELECT number FROM messages
         WHERE folder <> 'Outgoing' AND (status = 'Read' OR folder = 'Deleted')
         ORDER BY folder <> 'Deleted', number
         LIMIT max(0, (SELECT count(*) FROM messages) - ?))`,
    );
  }

  // Call the mutating methods below inside PhoneDatabase.write.

  add(message: NewPhoneMessage, unreported: boolean): PhoneMessage {
    const { messageClass, folder, status, sessionId = '', time, ...content } = message;
    const { lastInsertRowid } = this.#insert.run(
      messageClass,
      folder,
      status,
      sessionId,
      Date.parse(time),
      unreported ? 1 : 0,
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

  /** Moves the session's messages to the folder ClosedSession. */
  closeSession(sessionId: string): void {
    this.#closeSession.run(sessionId);
  }

  /** Marks arrivals up to this one as reported. */
  markReported(upTo: string): void {
    this.#markReported.run(numberOf(upTo));
  }

  /** Deletes messages over the capacity; returns how many. */
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

  /** Arrivals not yet reported, oldest first; the newest `max` of them. */
  unreported(max: number): NewMessage[] {
    return this.#unreported
      .all(max)
      .reverse()
      .map((row) => {
        const { messageId, messageClass, sessionId, from, time } = messageOf(row);
        return { messageId, messageClass, ...(sessionId === undefined ? {} : { sessionId }), from, time };
      });
  }
}

function listed(message: PhoneMessage): PhoneMessage {
  return message.body.length > maxListedBodyChars ? { ...message, body: '', bodyOmitted: true } : message;
}

/** The row number in `m-17`; 0, which no row has, for foreign identifiers. */
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
