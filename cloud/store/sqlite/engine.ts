// SQLite as the store needs it: one prepared statement for each query, and failures explained to people.
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { GatewayError } from '../../../protocol/errors.ts';
import { openSqliteDatabase, type SqliteDatabase } from '../../../shared/node/sqlite-database.ts';
import { sqliteResult, sqliteResultOf } from '../../../shared/node/sqlite-result.ts';
import type { Durability } from '../store.ts';
import { explainSchema, schemaOf } from './migrate.ts';

/** Size of the probe write after a refusal: as large as a batch of messages, more than the last free page. */
const probeBytes = 64 * 1024;
/** How long another program may hold the database (a backup, the sqlite3 shell). */
const busyTimeoutMs = 5_000;

export class SqliteEngine {
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  #database: SqliteDatabase | undefined;
  /** The disk refused some of the last writes. */
  #isRefusing = false;

  /** `path`: of the database file; `open` creates a missing folder. */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws GatewayError `store-unavailable` with the cause and what to do */
  open(): void {
    if (this.#database !== undefined) return;
    const path = this.#path;
    try {
      this.#database = openSqliteDatabase({ path, schema: schemaOf(), busyTimeoutMs });
    } catch (error) {
      throw explainSchema(error, path) ?? unavailable(error, path);
    }
  }

  /** Flushes waiting writes first. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
    this.#statements.clear();
  }

  /** All rows. The caller names their type, which follows from its query. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#statement(sql).all(...values) as unknown[] as Row[]);
  }

  /** The first row. */
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#statement(sql).get(...values) as unknown as Row | undefined);
  }

  /** Returns the number of changed rows. Call it within `write` only. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#statement(sql).run(...values).changes));
  }

  /**
   * Runs `work` in a transaction that it may share with other writes; if it throws, only its own changes are undone.
   * Resolves in the order of the calls, once everything is on the disk, or with `soon` once queries see it.
   */
  async write<Result>(work: () => Result, durability: Durability = 'now'): Promise<Result> {
    if (this.#database === undefined) throw closed();
    try {
      return await this.#database.write(work, { isSoon: durability === 'soon' });
    } catch (error) {
      const explained = this.#explain(error);
      if (explained instanceof GatewayError && explained.code === 'store-unavailable') this.#isRefusing = true;
      throw explained;
    }
  }

  /** A probe write. @throws GatewayError `store-unavailable` where the disk refuses it */
  async probe(): Promise<void> {
    const isRefusing = this.#isRefusing;
    await this.write(() => {
      const put = "INSERT OR REPLACE INTO meta VALUES ('proof', hex(zeroblob(?)))";
      // The write-ahead log may have room for a small row when it has none for a message.
      if (isRefusing) this.run(put, probeBytes / 2);
      this.run(put, 1);
    });
    if (isRefusing) this.#isRefusing = false;
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
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): unknown {
    return isEngineFailure(error) ? unavailable(error, this.#path) : error;
  }
}

function closed(): GatewayError {
  return new GatewayError('store-unavailable', 'The store is closed.');
}

const resultWords = new Map<number, string>([
  [sqliteResult.busy, 'another program holds it: end that program'],
  [sqliteResult.locked, 'another program holds it: end that program'],
  [sqliteResult.readOnly, 'it cannot be written: give this user the right to write the file and its folder'],
  [sqliteResult.ioError, 'the disk does not take or give the data: look at its health and at the free space'],
  [sqliteResult.corrupt, 'it is damaged: move it away and restore a backup'],
  [sqliteResult.full, 'the disk is full: free some space'],
  [sqliteResult.cannotOpen, 'it cannot be opened: give this user the right to write its folder'],
  [sqliteResult.notADatabase, 'it is no SQLite database, or is damaged: move it away and restore a backup'],
]);
const systemCodes = new Map([
  ['EACCES', 'its folder cannot be written: give this user the right, or name another folder'],
  ['EPERM', 'its folder cannot be written: give this user the right, or name another folder'],
  ['EROFS', 'its folder is on a read-only disk: name another folder'],
  ['ENOSPC', 'the disk is full: free some space'],
  ['ENOTDIR', 'a part of its path is a file and no folder: name another folder'],
  ['EEXIST', 'a part of its path is a file and no folder: name another folder'],
]);

/** Whether the engine failed: a broken constraint is a bug of this program. */
function isEngineFailure(error: unknown): boolean {
  return resultWords.has(sqliteResultOf(error) ?? 0);
}

function unavailable(cause: unknown, path: string): GatewayError {
  const system = cause instanceof Error && 'code' in cause ? systemCodes.get(String(cause.code)) : undefined;
  const words = resultWords.get(sqliteResultOf(cause) ?? 0) ?? system;
  const why = words ?? (cause instanceof Error ? cause.message : 'unknown');
  return new GatewayError('store-unavailable', `The database ${path} is not available: ${why}.`, { cause });
}
