// One SQLite file: opened for its owner, brought forward without loss, and its writes grouped without harm to each other.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSqliteDatabase, type SqliteDatabase } from '../../shared/node/sqlite-database.ts';
import { ForeignSchema, NewerSchema, type SqliteSchema } from '../../shared/node/sqlite-schema.ts';

const steps = ['CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB)'];
const schema: SqliteSchema = { steps, applicationId: 7 };

let folder: string;
let path: string;
const opened: DatabaseSync[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-sqlite-'));
  path = join(folder, 'data', 'facts.db');
});
afterEach(() => {
  for (const database of opened.splice(0)) if (database.isOpen) database.close();
  rmSync(folder, { recursive: true });
});

function open(of = schema): SqliteDatabase {
  const database = openSqliteDatabase({ path, schema: of, busyTimeoutMs: 0 });
  opened.push(database);
  return database;
}

function put(database: DatabaseSync, name: string): string {
  database.prepare('INSERT INTO facts VALUES (?, 1)').run(name);
  return name;
}

/** What another process reads: only what was committed. */
function committed(): unknown[] {
  const other = new DatabaseSync(path);
  const rows = other.prepare('SELECT name FROM facts ORDER BY rowid').all();
  other.close();
  return rows.map(({ name }) => name);
}

describe('opening', () => {
  it('makes the folder and the file for the owner alone, with every commit flushed', () => {
    const database = open();
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(database.prepare('PRAGMA secure_delete').get()).toEqual({ secure_delete: 1 });
  });

  it('keeps a second process out where the file is held', () => {
    opened.push(openSqliteDatabase({ path, schema, busyTimeoutMs: 0, isExclusive: true }));
    expect(() => open()).toThrow(/locked/);
  });

  it('brings an older file forward with what it holds, once', () => {
    put(open(), 'a');
    opened.pop()?.close();
    const onCreate = vi.fn();
    const next = { ...schema, steps: [...steps, "INSERT INTO facts VALUES ('b', 2)"], onCreate };
    open(next).close();
    open(next);
    expect(committed()).toEqual(['a', 'b']);
    expect(onCreate).not.toHaveBeenCalled();
  });

  it('leaves the file at its version when a step fails', () => {
    open().close();
    const broken = { ...schema, steps: [...steps, "INSERT INTO facts VALUES ('b', 2); SELECT * FROM nowhere"] };
    expect(() => open(broken)).toThrow('nowhere');
    const database = open();
    expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
    expect(committed()).toEqual([]);
  });

  it('refuses a file of a newer version and leaves it as it is', () => {
    open().exec('PRAGMA user_version = 99');
    expect(() => open()).toThrow(NewerSchema);
    expect(() => open()).toThrow('version 99, this one knows 1');
  });

  it.each(['PRAGMA application_id = 8', 'PRAGMA application_id = 0'])('refuses a foreign file: %s', (mark) => {
    open().exec(mark);
    expect(() => open()).toThrow(ForeignSchema);
  });
});

describe('grouped writes', () => {
  it('share a transaction and resolve in order, once they are committed', async () => {
    const database = open();
    const order: string[] = [];
    const writes = ['a', 'b', 'c'].map((name) =>
      database.write(() => put(database, name)).then((written) => order.push(written)),
    );
    expect(committed()).toEqual([]);
    await Promise.all(writes);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(committed()).toEqual(['a', 'b', 'c']);
  });

  it('undo only the one that throws', async () => {
    const database = open();
    const results = await Promise.allSettled([
      database.write(() => put(database, 'a')),
      database.write(() => {
        put(database, 'b');
        throw new Error('no');
      }),
      database.write(() => put(database, 'c')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(committed()).toEqual(['a', 'c']);
  });

  it('are all refused where the transaction is lost, and the next ones are written', async () => {
    const database = open();
    // As a full disk does, it undoes all that was to be written together.
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON facts WHEN new.name = 'b' BEGIN SELECT RAISE(ROLLBACK, 'no space'); END",
    );
    const together = ['a', 'b', 'c'].map((name) => database.write(() => put(database, name)));
    const results = await Promise.allSettled(together);
    const reason = expect.objectContaining({ message: 'no space' });
    expect(results).toEqual(Array(3).fill({ status: 'rejected', reason }));
    await database.write(() => put(database, 'd'));
    expect(committed()).toEqual(['d']);
  });

  it('are more than one group holds without loss', async () => {
    const database = open();
    await Promise.all(Array.from({ length: 600 }, (_, n) => database.write(() => put(database, `n${n}`))));
    expect(committed()).toHaveLength(600);
  });

  it('keep what a commit left open before them', async () => {
    const database = open();
    database.commitSoon(() => put(database, 'soon'));
    await database.write(() => put(database, 'a'));
    expect(committed()).toEqual(['soon', 'a']);
  });

  it('share a later flush if none of them has to be on the disk at once', async () => {
    const database = open();
    await Promise.all(['a', 'b'].map((name) => database.write(() => put(database, name), { isSoon: true })));
    expect(database.prepare('SELECT name FROM facts').all()).toHaveLength(2);
    expect(committed()).toEqual([]);
    await Promise.all([
      database.write(() => put(database, 'c'), { isSoon: true }),
      database.write(() => put(database, 'd')),
    ]);
    expect(committed()).toEqual(['a', 'b', 'c', 'd']);
    await database.write(() => put(database, 'e'), { isSoon: true });
    await vi.waitFor(() => expect(committed()).toEqual(['a', 'b', 'c', 'd', 'e']));
  });

  it('are written before the file is closed, and refused after', async () => {
    const database = open();
    const writes = Array.from({ length: 300 }, (_, n) => database.write(() => put(database, `n${n}`)));
    database.close();
    await Promise.all(writes);
    expect(committed()).toHaveLength(300);
    await expect(database.write(() => 1)).rejects.toThrow('closed');
  });
});

describe('a disk that refuses', () => {
  it('is told of once per refused commit and not for other faults', async () => {
    const database = open();
    const onRefused = vi.fn();
    database.onRefused = onRefused;
    await expect(database.write(() => database.exec('SELECT * FROM nowhere'))).rejects.toThrow('nowhere');
    expect(onRefused).not.toHaveBeenCalled();
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${pages}`);
    const fill = () => database.prepare("INSERT INTO facts VALUES ('big', zeroblob(100000))").run();
    expect(() => database.commit(fill)).toThrow(/full/);
    expect(onRefused).toHaveBeenCalledTimes(1);
    expect(database.isTransaction).toBe(false);
  });
});

describe('a migration that deletes much', () => {
  const slim = { ...schema, steps: [...steps, "DELETE FROM facts WHERE name = 'big'"], compactAtVersion: 2 };

  function fill(): number {
    const database = open();
    put(database, 'a');
    database.exec("INSERT INTO facts VALUES ('big', zeroblob(1000000))");
    database.close();
    return statSync(path).size;
  }

  it('gives the space back to the disk and keeps the rest', () => {
    const before = fill();
    const database = open(slim);
    expect(statSync(path).size).toBeLessThan(before / 10);
    expect(committed()).toEqual(['a']);
    expect(database.prepare('PRAGMA temp_store').get()).toEqual({ temp_store: 2 });
  });

  it('counts as done where the file cannot be rewritten at present', () => {
    fill();
    const reader = new DatabaseSync(path);
    opened.push(reader);
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM facts').all();
    expect(open(slim).prepare('PRAGMA user_version').get()).toEqual({ user_version: 2 });
    reader.exec('ROLLBACK');
    expect(committed()).toEqual(['a']);
  });
});
