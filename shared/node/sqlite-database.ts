// A SQLite file whose writes are on the disk before anybody hears of them, and that share a flush where they can.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivate, WalTruncation } from './private-database.ts';
import { sqliteResult, sqliteResultOf } from './sqlite-result.ts';
import { migrateSchema, type SqliteSchema } from './sqlite-schema.ts';

/** Writes in one transaction: enough to share a flush, few enough not to keep readers waiting. */
const groupSize = 256;
/** Long enough for the next commit to come, whose flush is then shared. */
const soonMs = 10;
const walLimitBytes = 6512 * 1024;
/** A savepoint's journal is a temporary file otherwise: 143 page writes for one send. */
const tempInMemory = 'PRAGMA temp_store = MEMORY';

export interface SqliteOptions {
  /** Of the file; its folder is made where it is missing. */
  readonly path: string;
  readonly schema: SqliteSchema;
  /** How long another program may hold the database (a backup, the sqlite3 shell). */
  readonly busyTimeoutMs: number;
  /** Holds the file for good, so that a second process finds it locked. */
  readonly isExclusive?: boolean;
}

interface GroupedWrite {
  /** It may share the flush of a later commit, at the latest after 10 ms. */
  readonly isSoon: boolean;
  work(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class SqliteDatabase extends DatabaseSync {
  readonly #truncation = new WalTruncation(this);
  /** Told when the disk does not take a write: it fails or is full. */
  onRefused: () => void = () => {};
  #committing = false;
  #grouped: GroupedWrite[] = [];
  #group: NodeJS.Immediate | undefined;
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
   * at the latest after 10 ms. For what can be found out again if a crash loses it.
   */
  commitSoon<Result>(work: () => Result): Result {
    if (this.#committing) return work();
    const result = this.#attempt(work);
    this.#soon ??= setTimeout(() => {
      try {
        this.#flush();
      } catch {
        // The disk is full, and no caller waits for this write, which can be found out again.
      }
    }, soonMs);
    return result;
  }

  /**
   * Runs `work` in a transaction that all writes of the same turn of the event loop share; if it throws, only its own
   * changes are undone. Resolves in the order of the calls, once everything is on the disk; if all writes of the turn
   * are `isSoon`, once queries see them.
   */
  write<Result>(work: () => Result, { isSoon = false }: { readonly isSoon?: boolean } = {}): Promise<Result> {
    if (!this.isOpen) return Promise.reject(new Error('The database is closed.'));
    return new Promise<Result>((resolve, reject) => {
      this.#grouped.push({ work, isSoon, resolve: resolve as (value: unknown) => void, reject });
      this.#group ??= setImmediate(() => this.#writeGroup());
    });
  }

  /** Waiting writes are written first. */
  override close(): void {
    try {
      while (this.#grouped.length > 0) this.#writeGroup();
      this.#flush();
    } finally {
      clearImmediate(this.#group);
      this.#group = undefined;
      this.#truncation.stop();
      super.close();
    }
  }

  #writeGroup(): void {
    clearImmediate(this.#group);
    const writes = this.#grouped.splice(0, groupSize);
    this.#group = this.#grouped.length > 0 ? setImmediate(() => this.#writeGroup()) : undefined;
    let settle: (() => void)[];
    try {
      const apply = () => writes.map((each) => this.#writeOne(each, writes.length === 1));
      settle = writes.every(({ isSoon }) => isSoon) ? this.commitSoon(apply) : this.commit(apply);
    } catch (error) {
      for (const { reject } of writes) reject(error);
      return;
    }
    for (const each of settle) each();
  }

  /**
   * Answers how to settle the write once the group is on the disk.
   * @throws what `work` threw, when the whole transaction is lost with it
   */
  #writeOne({ work, resolve, reject }: GroupedWrite, isAlone: boolean): () => void {
    if (isAlone) {
      const result = work();
      return () => resolve(result);
    }
    this.exec('SAVEPOINT one');
    try {
      const result = work();
      this.exec('RELEASE one');
      return () => resolve(result);
    } catch (error) {
      // A full disk and the like undo the transaction by themselves, and the others' changes with it.
      if (!this.isTransaction) throw error;
      this.exec('ROLLBACK TO one; RELEASE one');
      return () => reject(error);
    }
  }

  /** Leaves the transaction open. A failure undoes `work`; earlier work of the transaction only where the disk is full. */
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
    const result = sqliteResultOf(error);
    if (result === sqliteResult.ioError || result === sqliteResult.full) this.onRefused();
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
 * Opens or creates the file, for its owner alone, and brings it up to date.
 * @throws Error of the file system or of SQLite, NewerSchema, ForeignSchema
 */
export function openSqliteDatabase(options: SqliteOptions): SqliteDatabase {
  const { path, schema, busyTimeoutMs, isExclusive = false } = options;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new SqliteDatabase(path, { timeout: busyTimeoutMs });
  try {
    makePrivate(database, path);
    // Before the journal mode, or the write-ahead log would need memory that processes share.
    if (isExclusive) database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec(tempInMemory);
    // FULL: a commit is on the disk before it is acknowledged, so that the other side may forget its own copy.
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${walLimitBytes}`);
    const versionBefore = migrateSchema(database, path, schema);
    if (versionBefore > 0 && versionBefore < (schema.compactAtVersion ?? 0)) compact(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Gives the space back that a migration freed; without effect where there is no room to write the file a second time. */
function compact(database: SqliteDatabase): void {
  try {
    // In a file: VACUUM copies the whole database, which can be larger than the memory of a small machine.
    database.exec('PRAGMA temp_store = DEFAULT; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (sqliteResultOf(error) === undefined) throw error;
  } finally {
    database.exec(tempInMemory);
  }
}
