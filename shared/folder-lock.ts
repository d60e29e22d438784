// One program at a time on a data folder. Node has no flock(2), so the lock is a write lock of SQLite on an empty
// database: the kernel frees it with the process, whatever killed it, so that no stale lock has to be told from a live one.
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** SQLite's result code for a lock that another connection holds (sqlite.org/rescode.html). */
const busy = 5;

interface Holder {
  pid: number;
  machine: string;
  /** ISO 8601. */
  since: string;
  address?: string;
}

/** Another program of the same name runs on the folder; its message is for people. */
export class FolderTaken extends Error {}

export class FolderLock {
  readonly #database: DatabaseSync;
  readonly #note: string;
  readonly #holder: Holder;

  private constructor(database: DatabaseSync, note: string, holder: Holder) {
    this.#database = database;
    this.#note = note;
    this.#holder = holder;
  }

  /**
   * Takes the folder, which is made where it is missing, for the program `name` (`cloud`, `agent`, `phone`).
   * @throws FolderTaken when another one has it
   * @throws Error of the system or of SQLite when the folder cannot be written
   */
  static take(folder: string, name: string): FolderLock {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${name}.lock`);
    const note = join(folder, `${name}.running.json`);
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      chmodSync(path, 0o600);
      // No journal: nothing is ever written. A note of another process in the same file would need the lock to be let go.
      database.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if ((error as { errcode?: number }).errcode !== busy) throw error;
      throw new FolderTaken(sentence(folder, name, readHolder(note)));
    }
    const holder = { pid: process.pid, machine: hostname(), since: new Date().toISOString() };
    const lock = new FolderLock(database, note, holder);
    lock.#tell();
    return lock;
  }

  /** Where the program can be reached, for whoever finds the folder taken. */
  listensAt(address: string): void {
    this.#holder.address = address;
    this.#tell();
  }

  release(): void {
    if (!this.#database.isOpen) return;
    rmSync(this.#note, { force: true });
    this.#database.close();
  }

  /** A disk that is full keeps nobody from starting: the note only names the holder. */
  #tell(): void {
    try {
      writeFileSync(`${this.#note}.new`, JSON.stringify(this.#holder), { mode: 0o600 });
      renameSync(`${this.#note}.new`, this.#note);
    } catch {
      rmSync(`${this.#note}.new`, { force: true });
    }
  }
}

function readHolder(note: string): Partial<Holder> {
  try {
    return JSON.parse(readFileSync(note, 'utf8')) as Partial<Holder>;
  } catch {
    return {};
  }
}

function sentence(folder: string, name: string, { pid, machine, since, address }: Partial<Holder>): string {
  const who = pid === undefined ? 'a process that did not say its name' : `process ${pid}`;
  const where = machine === undefined || machine === hostname() ? '' : ` on ${machine}`;
  const from = since === undefined ? '' : `, running since ${since}`;
  const at = address === undefined ? '' : `, at ${address}`;
  return (
    `another ${name} already runs on the data folder ${folder}: ${who}${where}${from}${at}. ` +
    'Stop that one, or give this one a folder of its own with HOMELINE_DATA'
  );
}
