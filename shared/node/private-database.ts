// A SQLite file that holds messages: nobody else may read it, and what was deleted cannot be read from it either.
import { chmodSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

const sideFiles = ['-wal', '-shm', '-journal'];
const truncateEveryMs = 60_000;

/** To be called on an open database before its first write. `path`: of its file. Throws where that cannot be changed. */
export function makePrivate(database: DatabaseSync, path: string): void {
  chmodSync(path, 0o600);
  // SQLite gives them the mode of the database, but a program that was killed before may have left others.
  for (const suffix of sideFiles) {
    try {
      chmodSync(`${path}${suffix}`, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  // Not FAST, which leaves the text of a freed page where it was: a long message fills whole pages.
  database.exec('PRAGMA secure_delete = ON');
}

/** The write-ahead log keeps what was written once, until it is written over: it is emptied within a minute. */
export class WalTruncation {
  readonly #database: DatabaseSync;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(database: DatabaseSync, everyMs = truncateEveryMs) {
    this.#database = database;
    this.#everyMs = everyMs;
  }

  /** After a commit. */
  written(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#truncate()) this.written();
    }, this.#everyMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** False where somebody reads or writes at this moment; it is not waited for, since nothing else would run meanwhile. */
  #truncate(): boolean {
    if (!this.#database.isOpen) return true;
    if (this.#database.isTransaction) return false;
    const { timeout } = this.#database.prepare('PRAGMA busy_timeout').get() as { timeout: number };
    try {
      this.#database.exec('PRAGMA busy_timeout = 0');
      const answer = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      return answer.busy === 0;
    } catch {
      // A full or broken disk is told of by the next write.
      return false;
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${timeout}`);
    }
  }
}
