// One program at a time on a data folder. Node has no flock(2), so the lock is SQLite's write lock on an empty database:
// the kernel releases it when the process dies, so there are no stale locks.
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteResult, sqliteResultOf } from './sqlite-result.ts';

interface Holder {
  pid: number;
  machine: string;
  /** ISO 8601. */
  since: string;
  address?: string;
}

/** The folder cannot be used. The message tells the user why and what to do. */
export class FolderFault extends Error {}

/** By the code of the system or of SQLite. */
const reasons = new Map<unknown, string>([
  ['EEXIST', 'a part of its path is a file and not a folder'],
  ['ENOTDIR', 'a part of its path is a file and not a folder'],
  ['EACCES', 'this user may not write there'],
  ['EPERM', 'this user may not write there'],
  ['EROFS', 'the disk is read-only'],
  ['ENOSPC', 'the disk is full'],
  [sqliteResult.readOnly, 'this user may not write there'],
  [sqliteResult.ioError, 'the disk does not take or give the data'],
  [sqliteResult.full, 'the disk is full'],
  [sqliteResult.cannotOpen, 'this user may not write there'],
  [sqliteResult.notADatabase, 'its lock file is damaged: delete it'],
]);

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
   * Takes the folder for the program `name` (`cloud`, `agent`, `phone`) and creates it if it is missing.
   * @throws FolderFault when another program has it, or it cannot be written
   */
  static take(folder: string, name: string): FolderLock {
    const path = join(folder, `${name}.lock`);
    const note = join(folder, `${name}.running.json`);
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      database = new DatabaseSync(path, { timeout: 0 });
      chmodSync(path, 0o600);
      // No journal: nothing is ever written here. The note is another file, since writing it here would release the lock.
      database.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
    } catch (error) {
      if (database?.isOpen) database.close();
      const { code, message } = error as { code?: string; message: string };
      const result = sqliteResultOf(error);
      if (result === sqliteResult.busy) throw new FolderFault(sentence(folder, name, readHolder(note)));
      const reason = reasons.get(result ?? code) ?? message;
      const remedy = 'Choose another folder with HOMELINE_DATA (--data)';
      throw new FolderFault(`the data folder ${folder} cannot be used: ${reason}. ${remedy}`, { cause: error });
    }
    const holder = { pid: process.pid, machine: hostname(), since: new Date().toISOString() };
    const lock = new FolderLock(database, note, holder);
    lock.#tell();
    return lock;
  }

  /** Adds the program's address to the note that a second program shows. */
  listensAt(address: string): void {
    this.#holder.address = address;
    this.#tell();
  }

  release(): void {
    if (!this.#database.isOpen) return;
    rmSync(this.#note, { force: true });
    this.#database.close();
  }

  /** A full disk must not prevent the start: the note only names the holder. */
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
