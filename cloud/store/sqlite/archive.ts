// Export of the whole database as lines of JSON, its import, and a copy of it while it is in use. A restored store has
// a new id: the agents then compare inventories and report later messages again.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { GatewayError } from '../../../protocol/errors.ts';
import { newUlid } from '../../../shared/ulid.ts';
import { migrate } from './migrate.ts';
import { steps, tables } from './schema.ts';

const headSchema = z.object({ homeline: z.literal('export'), version: z.int(), id: z.string(), time: z.string() });
const rowSchema = z.object({
  table: z.string(),
  row: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});
const endSchema = z.object({ end: z.literal(true), rows: z.int() });
type Row = z.infer<typeof rowSchema>['row'];

/** A resumed export repeats the tables before this one: they are small, and a token may have been revoked since. */
const firstLarge = 'messages';

/** Rows in one transaction. */
const groupSize = 500;

/**
 * The lines of an export, without line feeds: a head, one line for each row, an end. `after` resumes an export after
 * its last line, with the database's present state: of a row that is exported twice, the later line counts.
 * @throws GatewayError `store-unavailable` when the database cannot be read, `invalid-request` when `after` is no line
 * of an export
 */
export function* exportLines(path: string, after?: string): Generator<string> {
  if (!existsSync(path)) throw new GatewayError('store-unavailable', `There is no database ${path}.`);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    // One snapshot of all tables, however long the export takes.
    database.exec('BEGIN');
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
    const from = after === undefined ? undefined : readLine(after);
    if (from === undefined)
      yield JSON.stringify({ homeline: 'export', version, id: newUlid(Date.now()), time: new Date().toISOString() });
    if (from !== undefined && 'end' in from) return;
    const last = from !== undefined && 'row' in from ? from : undefined;
    const names = Object.keys(tables);
    let rows = 0;
    for (const [index, table] of names.entries()) {
      const isLarge = index >= names.indexOf(firstLarge);
      if (last !== undefined && isLarge && index < names.indexOf(last.table)) continue;
      for (const row of readRows(database, table, isLarge && table === last?.table ? last.row : undefined)) {
        rows++;
        yield JSON.stringify({ table, row });
      }
    }
    yield JSON.stringify({ end: true, rows });
  } finally {
    database.close();
  }
}

function* readRows(database: DatabaseSync, table: string, after: Row | undefined): Generator<Row> {
  const key = tables[table] ?? [];
  // `row` is a number of this file only.
  const columns = columnsOf(database, table).filter((name) => name !== 'row');
  // A database that no newer cloud has opened lacks the tables of later versions.
  if (columns.length === 0) return;
  const beyond = after === undefined ? '' : `WHERE (${key}) > (${key.map(() => '?')})`;
  const query = database.prepare(`SELECT ${columns} FROM ${table} ${beyond} ORDER BY ${key}`);
  for (const row of query.iterate(...(after === undefined ? [] : key.map((name) => after[name] ?? null)))) {
    // The restored store gets an id of its own.
    if (table === 'meta' && (row.name === 'id' || row.name === 'proof')) continue;
    yield row as Row;
  }
}

/**
 * Creates a database from the lines of an export, and moves it to `path` once the last line is read. An import that
 * broke off is resumed with the same export, and restarted with another. Returns the number of rows.
 * @throws GatewayError `conflict` when there is a database already, `invalid-request` when the lines are no whole
 * export
 */
export async function importLines(path: string, lines: AsyncIterable<string>): Promise<number> {
  if (existsSync(path)) {
    throw new GatewayError('conflict', `There is a database ${path} already: move it away, or name another folder.`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.import`;
  const reader = lines[Symbol.asyncIterator]();
  let head = await reader.next();
  // `npm run export > file` also writes npm's own banner to the file.
  while (head.done !== true && /^(> .*)?$/.test(head.value)) head = await reader.next();
  const { id } = readHead(head.value ?? '');
  const database = openUnfinished(unfinished, id);
  let rows = 0;
  try {
    rows = await fill(database, { [Symbol.asyncIterator]: () => reader });
    database.exec(reconciliation);
    database.prepare('DELETE FROM meta WHERE name = ?').run(importMark);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
  moveInPlace(unfinished, path);
  return rows;
}

/** The parts of a resumed export are of different times: delete messages with a tombstone, and count again. */
const reconciliation = `
  BEGIN IMMEDIATE;
  DELETE FROM messages_text WHERE rowid IN (SELECT row FROM messages JOIN tombstones USING (home, id));
  DELETE FROM messages WHERE (home, id) IN (SELECT home, id FROM tombstones);
  CREATE TEMP VIEW arrivals AS
    SELECT home, conversation FROM messages WHERE folder = 'Received' AND status = 'Unread';
  UPDATE conversations SET
    unread = (SELECT count(*) FROM arrivals a WHERE a.home = conversations.home AND a.conversation = key),
    last_id = coalesce(
      (SELECT max(id) FROM messages m WHERE m.home = conversations.home AND m.conversation = key), '');
  DELETE FROM conversations WHERE last_id = '';
  UPDATE homes SET
    unread = (SELECT count(*) FROM arrivals WHERE home = homes.id),
    last_event = max(last_event, coalesce((SELECT max(id) FROM events WHERE home = homes.id), '')),
    keying = NULL;
  COMMIT;
`;

/** The row of `meta` that names the export of an unfinished import. */
const importMark = 'import';

/** The database of an earlier import of the same export, or a new one: rows of two exports are not consistent. */
function openUnfinished(path: string, exported: string): DatabaseSync {
  const open = (): DatabaseSync => {
    makePrivate(path);
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    database.exec('PRAGMA journal_mode = WAL');
    migrate(database, path);
    return database;
  };
  let database = open();
  const mark = database.prepare('SELECT value FROM meta WHERE name = ?').get(importMark)?.value;
  if (mark !== undefined && mark !== exported) {
    database.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
    database = open();
  }
  database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(importMark, exported);
  return database;
}

async function fill(database: DatabaseSync, lines: AsyncIterable<string>): Promise<number> {
  const writer = new RowWriter(database);
  let number = 1;
  let rows = 0;
  let isWhole = false;
  for await (const line of lines) {
    number++;
    if (line === '') continue;
    const read = readLine(line, number);
    if ('row' in read) {
      writer.write(read.table, read.row);
      rows++;
    } else isWhole = 'end' in read;
  }
  writer.commit();
  if (!isWhole) throw new GatewayError('invalid-request', 'The export ends in the middle: let it finish first.');
  return rows;
}

function readHead(line: string): z.infer<typeof headSchema> {
  const head = readLine(line, 1);
  if (!('version' in head)) throw new GatewayError('invalid-request', 'This is no export of Homeline.');
  if (head.version === steps.length) return head;
  const detail = `The export is of version ${head.version}, this Homeline reads ${steps.length}: use the one that made it.`;
  throw new GatewayError('invalid-request', detail);
}

/** Writes rows in transactions; a later row replaces an earlier one of the same key. */
class RowWriter {
  readonly #database: DatabaseSync;
  /** By table and columns. */
  readonly #inserts = new Map<string, StatementSync>();
  #waiting = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  write(table: string, row: Row): void {
    const names = Object.keys(row);
    const shape = `${table} (${names})`;
    const insert = this.#inserts.get(shape) ?? this.#prepare(table, names);
    this.#inserts.set(shape, insert);
    if (!this.#database.isTransaction) this.#database.exec('BEGIN IMMEDIATE');
    const values: SQLInputValue[] = Object.values(row);
    const made = insert.all(...values)[0];
    if (made?.row !== undefined) {
      this.#database
        .prepare('INSERT OR REPLACE INTO messages_text (rowid, text) VALUES (?, ?)')
        .run(made.row, row.text ?? '');
    }
    if (++this.#waiting >= groupSize) this.commit();
  }

  #prepare(table: string, names: readonly string[]): StatementSync {
    if (tables[table] === undefined)
      throw new GatewayError('invalid-request', `There is no table “${table.slice(0, 40)}”.`);
    const known = new Set(columnsOf(this.#database, table));
    const strange = names.find((name) => !known.has(name));
    if (strange !== undefined)
      throw new GatewayError('invalid-request', `${table} has no column “${strange.slice(0, 40)}”.`);
    const place = table === 'messages' ? 'RETURNING row' : '';
    const values = names.map(() => '?');
    const instead = names.map((name) => `${name} = excluded.${name}`);
    return this.#database.prepare(
      `INSERT INTO ${table} (${names}) VALUES (${values}) ON CONFLICT DO UPDATE SET ${instead} ${place}`,
    );
  }

  commit(): void {
    this.#waiting = 0;
    if (this.#database.isTransaction) this.#database.exec('COMMIT');
  }
}

function columnsOf(database: DatabaseSync, table: string): string[] {
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').all(table);
  return columns.map(({ name }) => String(name));
}

/** @throws GatewayError `invalid-request` */
function readLine(line: string, number = 1) {
  try {
    return z.union([headSchema, rowSchema, endSchema]).parse(JSON.parse(line));
  } catch (cause) {
    throw new GatewayError('invalid-request', `Line ${number} is no line of an export.`, { cause });
  }
}

/**
 * Copies the database while it is in use. Checks the copy, and moves it to its name once it is whole.
 * @throws GatewayError `store-unavailable` when there is no database, or the copy cannot be written
 */
export async function backupDatabase(path: string, copy: string): Promise<void> {
  if (!existsSync(path)) throw new GatewayError('store-unavailable', `There is no database ${path}.`);
  const unfinished = `${copy}.unfinished`;
  mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
  rmSync(unfinished, { force: true });
  makePrivate(unfinished);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    // One snapshot: without it, SQLite restarts the copy at each write of the cloud, and may never end it.
    database.exec('BEGIN; SELECT 1 FROM meta');
    await backup(database, unfinished);
  } finally {
    database.close();
  }
  const made = new DatabaseSync(unfinished);
  try {
    made.exec('PRAGMA journal_mode = DELETE');
    const { quick_check: verdict } = made.prepare('PRAGMA quick_check').get() as { quick_check: string };
    if (verdict !== 'ok') throw new GatewayError('store-unavailable', `The database is damaged: ${verdict}.`);
    made.prepare("UPDATE meta SET value = ? WHERE name = 'id'").run(newUlid(Date.now()));
  } finally {
    made.close();
  }
  moveInPlace(unfinished, copy);
}

/** Creates the file if it is missing, readable by its owner alone. */
function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
}

/** Flushes the file and its folder, so that a crash leaves either no file of this name or the whole. */
function moveInPlace(unfinished: string, path: string): void {
  const descriptor = openSync(unfinished, 'r+');
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(unfinished, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
