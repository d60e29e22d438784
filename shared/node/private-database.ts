// A SQLite file that holds messages: only its owner may read it, and deleted text cannot be recovered from it.
import { chmodSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

const sideFiles = ['-wal', '-shm', '-journal'];
const truncateEveryMs = 60_000;

/** Call before the first write. @throws Error when the mode of a file cannot be changed */
export function makePrivate(database: DatabaseSync, path: string): void {
  chmodSync(path, 0o600);
  // SQLite gives new ones the mode of the database, but a killed program may have left older ones.
  for (const suffix of sideFiles) {
    try {
      chmodSync(`${path}${suffix}`, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  // Not FAST, which leaves the text of freed pages: a long message fills whole pages.
  database.exec('PRAGMA secure_delete = ON');
}

/** Empties the write-ahead log within a minute, since it keeps deleted text until it is overwritten. */
export class WalTruncation {
  readonly #database: DatabaseSync;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(database: DatabaseSync, everyMs = truncateEveryMs) {
    this.#database = database;
    this.#everyMs = everyMs;
  }

  /** Call after a commit. */
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

  /** False while another connection reads or writes; does not wait, because that would block the event loop. */
  #truncate(): boolean {
    if (!this.#database.isOpen) return true;
    if (this.#database.isTransaction) return false;
    const { timeout } = this.#database.prepare('PRAGMA busy_timeout').get() as { timeout: number };
    try {
      this.#database.exec('PRAGMA busy_timeout = 0');
      const answer = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      return answer.busy === 0;
    } catch {
      // The next write reports a full or broken disk.
      return false;
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${timeout}`);
    }
  }
}
