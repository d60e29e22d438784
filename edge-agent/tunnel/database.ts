// The agent's one database file: what must survive a crash. SQLite with WAL, every commit on the disk before it counts.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivate, WalTruncation } from '../../shared/node/private-database.ts';

/** Each step brings a file from the version of its index to the next. Append only: released files are out there. */
const migrations: readonly string[] = [
  `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, udn TEXT NOT NULL, time_ms INTEGER NOT NULL, event TEXT NOT NULL);
  CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, event TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL);
  CREATE TABLE phones (udn TEXT PRIMARY KEY, epoch INTEGER NOT NULL, compared_store TEXT) WITHOUT ROWID;
  CREATE TABLE approvals (udn TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE messages (
    udn TEXT NOT NULL, message_id TEXT NOT NULL, epoch INTEGER NOT NULL, id TEXT NOT NULL, fingerprint TEXT NOT NULL,
    xml TEXT, PRIMARY KEY (udn, message_id)) WITHOUT ROWID;
  CREATE TABLE sessions (
    udn TEXT NOT NULL, session_id TEXT NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL,
    PRIMARY KEY (udn, session_id)) WITHOUT ROWID;
  CREATE TABLE sends (
    key TEXT PRIMARY KEY, udn TEXT NOT NULL, action TEXT NOT NULL, arguments TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    outcome TEXT) WITHOUT ROWID;
  CREATE INDEX sends_begun ON sends (udn, begun_ms) WHERE outcome IS NULL;
  `,
  `
  CREATE INDEX dead_letters_by_thing ON dead_letters (
    (event ->> '$.udn'),
    coalesce((event ->> '$.id'), (event ->> '$.sessionKey') || (event ->> '$.file.fileId')));
  `,
  // After a reset of the phone one message_id names several messages, one after the other.
  `
  CREATE TABLE known_messages (
    udn TEXT NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL, epoch INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    xml TEXT, absent_ms INTEGER, is_settled INTEGER NOT NULL DEFAULT 0, is_deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (udn, id)) WITHOUT ROWID;
  INSERT OR REPLACE INTO known_messages (udn, id, message_id, epoch, fingerprint, xml)
    SELECT udn, id, message_id, epoch, fingerprint, xml FROM messages ORDER BY epoch;
  DROP TABLE messages;
  CREATE INDEX known_messages_by_message_id ON known_messages (udn, message_id);
  `,
  // What an approval counts for, as JSON; null: for the UDN.
  'ALTER TABLE approvals ADD COLUMN evidence TEXT',
  // The text of every message stood here once more, and nobody read it.
  'ALTER TABLE known_messages DROP COLUMN xml',
  // A send keeps its arguments for as long as its message may appear, also after some refusals.
  "CREATE INDEX IF NOT EXISTS sends_joinable ON sends (udn) WHERE arguments <> '{}'; DROP INDEX IF EXISTS sends_begun",
];

/** SQLite's result codes for a disk that fails (10) or is full (13), without their extension bits. */
const diskFaults = new Set([10, 13]);
/** Long enough for the next send to come, which is written down once it has a connection to the phone. */
const soonMs = 10;

export class AgentDatabase extends DatabaseSync {
  readonly #truncation = new WalTruncation(this);
  /** Told when the disk does not take a write. */
  onRefused: () => void = () => {};
  #committing = false;
  /** Ends the transaction that `commitSoon` left open. */
  #soon: NodeJS.Timeout | undefined;

  /** All of `work` or nothing, on the disk when it returns. A commit within a commit is part of the outer one. */
  commit<Result>(work: () => Result): Result {
    if (this.#committing) return work();
    const result = this.#attempt(work);
    this.#flush();
    return result;
  }

  /**
   * All of `work` or nothing, seen by every query at once, and on the disk with the next commit, whose flush it shares,
   * at the latest after 10 ms. For what can be found out again, should it get lost before.
   */
  commitSoon(work: () => void): void {
    if (this.#committing) {
      work();
      return;
    }
    this.#attempt(work);
    this.#soon ??= setTimeout(() => {
      try {
        this.#flush();
      } catch {
        // The disk is full, and nobody waits for this. What was to be kept is found out again.
      }
    }, soonMs);
  }

  override close(): void {
    try {
      this.#flush();
    } finally {
      this.#truncation.stop();
      super.close();
    }
  }

  /** Leaves the transaction open. A failure undoes `work`, and what was left open before only where the disk is full. */
  #attempt<Result>(work: () => Result): Result {
    const isFirst = !this.isTransaction;
    this.exec(isFirst ? 'BEGIN IMMEDIATE' : 'SAVEPOINT work');
    this.#committing = true;
    try {
      const result = work();
      if (!isFirst) this.exec('RELEASE work');
      return result;
    } catch (error) {
      // A full disk undoes the transaction by itself.
      if (this.isTransaction) this.exec(isFirst ? 'ROLLBACK' : 'ROLLBACK TO work; RELEASE work');
      this.#noteRefusal(error);
      throw error;
    } finally {
      this.#committing = false;
    }
  }

  #noteRefusal(error: unknown): void {
    const { errcode } = error as { errcode?: number };
    if (errcode !== undefined && diskFaults.has(errcode & 0xff)) this.onRefused();
  }

  #flush(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (!this.isTransaction) return;
    try {
      this.exec('COMMIT');
      this.#truncation.written();
    } catch (error) {
      if (this.isTransaction) this.exec('ROLLBACK');
      this.#noteRefusal(error);
      throw error;
    }
  }
}

/**
 * Opens `agent.db` in the data folder, which is made where it is missing, and brings it up to date.
 * @throws Error when the folder cannot be written or the file comes from a newer version
 */
export function openDatabase(dataFolder: string): AgentDatabase {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const path = join(dataFolder, 'agent.db');
  const database = new AgentDatabase(path);
  try {
    makePrivate(database, path);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;');
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
    if (version > migrations.length) {
      throw new Error(`agent.db is of version ${version}; this program knows ${migrations.length}: update it`);
    }
    for (let step = version; step < migrations.length; step++) {
      database.commit(() => {
        database.exec(migrations[step] ?? '');
        database.exec(`PRAGMA user_version = ${step + 1}`);
      });
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
