// What the phone keeps on disk: one SQLite file, each change durable before anyone hears of it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { makePrivate, WalTruncation } from '../../shared/node/private-database.ts';

/** Step n brings a file from version n to n + 1; steps are only ever added. */
const migrations = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE messages (
     number INTEGER PRIMARY KEY AUTOINCREMENT, message_class TEXT NOT NULL, folder TEXT NOT NULL, status TEXT NOT NULL,
     session_id TEXT NOT NULL, time_ms INTEGER NOT NULL, news INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
   CREATE INDEX messages_by_session ON messages (session_id) WHERE session_id <> '';
   CREATE INDEX messages_by_folder ON messages (folder, number);
   CREATE INDEX messages_that_are_news ON messages (number) WHERE news = 1;
   CREATE TABLE sessions (
     number INTEGER PRIMARY KEY AUTOINCREMENT, session_class TEXT NOT NULL, status TEXT NOT NULL,
     updated_ms INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
   CREATE TABLE files (
     number INTEGER PRIMARY KEY AUTOINCREMENT, file_id TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL,
     name TEXT NOT NULL, content_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, url TEXT NOT NULL,
     direction TEXT NOT NULL, status TEXT NOT NULL, transferred_bytes INTEGER NOT NULL, bytes BLOB) STRICT;
   CREATE INDEX files_by_session ON files (session_id);`,
];

/** Whether SQLite failed because the disk is full: its code 13 (sqlite.org/rescode.html). */
export function isFull(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === 13;
}

interface Waiting {
  run(): void;
  /** The transaction is on disk, or failed as a whole. */
  settle(failure: unknown): void;
}

export class PhoneDatabase {
  readonly #connection: DatabaseSync;
  readonly #truncation: WalTruncation;
  #waiting: Waiting[] = [];
  #flush: NodeJS.Immediate | undefined;
  #closed = false;

  private constructor(connection: DatabaseSync) {
    this.#connection = connection;
    this.#truncation = new WalTruncation(connection);
  }

  /** Opens or creates `phone.db` in the folder. Throws where it cannot be written, is open already, or a newer version wrote it. */
  static open(dataFolder: string): PhoneDatabase {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const path = join(dataFolder, 'phone.db');
    const connection = new DatabaseSync(path);
    try {
      makePrivate(connection, path);
      // Two phones on one folder would be one device twice, so the file is held for good: the second finds it locked.
      connection.exec('PRAGMA busy_timeout = 500; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;');
      connection.exec('PRAGMA synchronous = FULL;');
      migrate(connection);
    } catch (error) {
      connection.close();
      throw error;
    }
    return new PhoneDatabase(connection);
  }

  prepare(sql: string): StatementSync {
    return this.#connection.prepare(sql);
  }

  /**
   * Runs the work within the next transaction and resolves with its result when that is on disk. All work that comes
   * in the same turn shares one transaction, so a burst costs one fsync; work that throws is undone alone.
   * Rejects when the phone is off.
   */
  write<Result>(work: () => Result): Promise<Result> {
    if (this.#closed) return Promise.reject(new Error('The phone is off.'));
    return new Promise((resolve, reject) => {
      let settle = (): void => undefined;
      this.#waiting.push({
        run: () => {
          this.#connection.exec('SAVEPOINT work');
          try {
            const result = work();
            settle = () => resolve(result);
          } catch (error) {
            this.#connection.exec('ROLLBACK TO work');
            settle = () => reject(error);
          }
          this.#connection.exec('RELEASE work');
        },
        settle: (failure) => (failure === undefined ? settle() : reject(failure)),
      });
      this.#flush ??= setImmediate(() => this.#commit());
    });
  }

  /** What waits is written first. */
  close(): void {
    this.#closed = true;
    this.#commit();
    this.#truncation.stop();
    this.#connection.close();
  }

  #commit(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    let failure: unknown;
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
      for (const { run } of batch) run();
      this.#connection.exec('COMMIT');
      this.#truncation.written();
    } catch (error) {
      failure = error;
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
    }
    for (const { settle } of batch) settle(failure);
  }
}

function migrate(connection: DatabaseSync): void {
  const { user_version: version } = connection.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > migrations.length) {
    throw new Error(
      `phone.db was written by a newer version of Homeline (schema ${version}, known ${migrations.length}).`,
    );
  }
  for (let step = version; step < migrations.length; step++) {
    connection.exec(`BEGIN IMMEDIATE; ${migrations[step]} PRAGMA user_version = ${step + 1}; COMMIT;`);
  }
}
