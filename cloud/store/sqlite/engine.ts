// node:sqlite as the store needs it: opened with care, one prepared statement a query, and one disk flush for all
// writes that wait in the same turn of the event loop.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { GatewayError } from '../../../protocol/errors.ts';
import { makePrivate, WalTruncation } from '../../../shared/node/private-database.ts';
import { migrate } from './migrate.ts';

/** Writes in one transaction: enough to share a flush, few enough not to keep readers waiting. */
const groupSize = 256;
/** What the disk must take after it has refused something: as much as a batch of messages, not only the last free page. */
const proofBytes = 64 * 1024;
/** How long another program may hold the database (a backup, the sqlite3 shell). */
const busyTimeoutMs = 5_000;

interface Job {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

export class SqliteEngine {
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync | undefined;
  #truncation: WalTruncation | undefined;
  #waiting: Job[] = [];
  /** The disk did not take the last writes, or some of them. */
  #isRefusing = false;
  #flush: NodeJS.Immediate | undefined;

  /** `path`: of the file; its folder is made if it is not there. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Throws `store-unavailable` with the cause and the mend in words. */
  open(): void {
    if (this.#database !== undefined) return;
    const folder = dirname(this.#path);
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      database = new DatabaseSync(this.#path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
      makePrivate(database, this.#path);
      // FULL: a commit is on the disk before it is acknowledged, so that the agent may forget its own copy.
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;');
      migrate(database, this.#path);
    } catch (error) {
      if (database?.isOpen) database.close();
      throw error instanceof GatewayError ? error : unavailable(error, this.#path);
    }
    this.#database = database;
    this.#truncation = new WalTruncation(database);
  }

  /** Writes that wait are written first. */
  close(): void {
    while (this.#waiting.length > 0) this.#writeGroup();
    if (this.#flush !== undefined) clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#statements.clear();
    this.#truncation?.stop();
    this.#database?.close();
    this.#database = undefined;
  }

  /** All rows. The caller names their shape, which the query beside it fixes. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#statement(sql).all(...values) as unknown[] as Row[]);
  }

  /** The first row. */
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#statement(sql).get(...values) as unknown as Row | undefined);
  }

  /** Answers how many rows changed. To be called within `write` only. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#statement(sql).run(...values).changes));
  }

  /**
   * Runs `work` in a transaction that it may share with others; if it throws, only its own changes are undone.
   * Resolves in the order of the calls, once everything is on the disk.
   */
  write<Result>(work: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (this.#database === undefined) throw closed();
      this.#waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      this.#flush ??= setImmediate(() => this.#writeGroup());
    });
  }

  /** Writes something that nobody needs. Rejects with `store-unavailable` where the disk does not take it. */
  async prove(): Promise<void> {
    const isRefusing = this.#isRefusing;
    await this.write(() => {
      const put = "INSERT OR REPLACE INTO meta VALUES ('proof', hex(zeroblob(?)))";
      // In the write-ahead log there may be room for a little when there is none for a message.
      if (isRefusing) this.run(put, proofBytes / 2);
      this.run(put, 1);
    });
    if (isRefusing) this.#isRefusing = false;
  }

  #writeGroup(): void {
    const jobs = this.#waiting.splice(0, groupSize);
    this.#flush = this.#waiting.length > 0 ? setImmediate(() => this.#writeGroup()) : undefined;
    const settle: (() => void)[] = [];
    try {
      this.#exec('BEGIN IMMEDIATE');
      for (const job of jobs) settle.push(this.#writeJob(job));
      this.#exec('COMMIT');
      this.#truncation?.written();
    } catch (error) {
      this.#isRefusing = true;
      if (this.#database?.isTransaction) this.#exec('ROLLBACK');
      for (const job of jobs) job.reject(error);
      return;
    }
    for (const each of settle) each();
  }

  /** Answers what is to be told once the group is on the disk. Throws if the whole transaction is lost. */
  #writeJob(job: Job): () => void {
    this.#run('SAVEPOINT job');
    try {
      const result = job.work();
      this.#run('RELEASE job');
      return () => job.resolve(result);
    } catch (error) {
      // A full disk and the like undo the transaction by themselves, and the others' changes with it.
      if (!this.#database?.isTransaction) throw error;
      this.#run('ROLLBACK TO job');
      this.#run('RELEASE job');
      return () => job.reject(error);
    }
  }

  #run(sql: string): void {
    this.#attempt(() => this.#statement(sql).run());
  }

  #exec(sql: string): void {
    this.#attempt(() => this.#database?.exec(sql));
  }

  #statement(sql: string): StatementSync {
    if (this.#database === undefined) throw closed();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #attempt<Result>(operation: () => Result): Result {
    try {
      return operation();
    } catch (error) {
      throw isEngineFailure(error) ? unavailable(error, this.#path) : error;
    }
  }
}

function closed(): GatewayError {
  return new GatewayError('store-unavailable', 'The store is closed.');
}

const constraint = 19;
const resultCodes = new Map([
  [5, 'another program holds it: end that program'],
  [6, 'another program holds it: end that program'],
  [8, 'it cannot be written: give this user the right to write the file and its folder'],
  [10, 'the disk does not take or give the data: look at its health and at the free space'],
  [11, 'it is damaged: move it away and restore a backup'],
  [13, 'the disk is full: free some space'],
  [14, 'it cannot be opened: give this user the right to write its folder'],
  [26, 'it is no SQLite database, or is damaged: move it away and restore a backup'],
]);
const systemCodes = new Map([
  ['EACCES', 'its folder cannot be written: give this user the right, or name another folder'],
  ['EPERM', 'its folder cannot be written: give this user the right, or name another folder'],
  ['EROFS', 'its folder is on a read-only disk: name another folder'],
  ['ENOSPC', 'the disk is full: free some space'],
  ['ENOTDIR', 'a part of its path is a file and no folder: name another folder'],
  ['EEXIST', 'a part of its path is a file and no folder: name another folder'],
]);

/** SQLite's result code without its extension bits; undefined if it was not SQLite that failed. */
function resultCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined;
}

/** Whether the engine failed us, and not we the engine: a broken constraint is a mistake of this program. */
function isEngineFailure(error: unknown): boolean {
  const code = resultCode(error);
  return code !== undefined && code !== constraint && resultCodes.has(code);
}

function unavailable(cause: unknown, path: string): GatewayError {
  const system = cause instanceof Error && 'code' in cause ? systemCodes.get(String(cause.code)) : undefined;
  const why = resultCodes.get(resultCode(cause) ?? 0) ?? system ?? (cause instanceof Error ? cause.message : 'unknown');
  return new GatewayError('store-unavailable', `The database ${path} is not available: ${why}.`, { cause });
}
