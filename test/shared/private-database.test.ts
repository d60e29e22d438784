// Deleted content is in no file of agent, software phone and cloud.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteEngine } from '../../cloud/store/sqlite/engine.ts';
import { openPhoneDatabase } from '../../edge-agent/phone/database.ts';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import { WalTruncation } from '../../shared/node/private-database.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-private-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A short secret, and one of several pages, which SQLite frees as a whole. */
const secrets = ['Secret-of-one-line', 'Secret-of-many-pages '.repeat(2_000)];

interface Tried {
  write(text: string): unknown;
  erase(): unknown;
  checkpoint(): unknown;
  close(): unknown;
}

const programs: Record<string, () => Tried> = {
  'agent.db': () => {
    const database = openDatabase(folder);
    const insert = database.prepare("INSERT INTO outbox (udn, time_ms, event) VALUES ('u', 0, ?)");
    return {
      write: (text) => database.commit(() => insert.run(text)),
      erase: () => database.commit(() => database.exec('DELETE FROM outbox')),
      checkpoint: () => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'),
      close: () => database.close(),
    };
  },
  'phone.db': () => {
    const database = openPhoneDatabase(folder);
    const insert = database.prepare('INSERT INTO facts VALUES (hex(randomblob(8)), ?)');
    return {
      write: (text) => database.write(() => insert.run(text)),
      erase: () => database.write(() => database.prepare('DELETE FROM facts').run()),
      checkpoint: () => database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get(),
      close: () => database.close(),
    };
  },
  'cloud.db': () => {
    const engine = new SqliteEngine(join(folder, 'cloud.db'));
    engine.open();
    return {
      write: (text) => engine.write(() => engine.run('INSERT INTO meta VALUES (hex(randomblob(8)), ?)', text)),
      erase: () => engine.write(() => engine.run("DELETE FROM meta WHERE value LIKE 'Secret%'")),
      checkpoint: () => engine.get('PRAGMA wal_checkpoint(TRUNCATE)'),
      close: () => engine.close(),
    };
  },
};

/** The files that contain the beginning of a secret. */
function traces(): string[] {
  return readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes('Secret-of'));
}

describe.each(Object.entries(programs))('%s', (name, open) => {
  it('and its -wal hold nothing of what was deleted, once the log is written back', async () => {
    const program = open();
    for (const text of secrets) await program.write(text);
    expect(traces()).not.toEqual([]);
    await program.erase();
    program.checkpoint();
    expect(traces()).toEqual([]);
    program.close();
    expect(traces()).toEqual([]);
  });

  it('is closed to others, also where a program that was killed left a -wal that was not', async () => {
    const before = new DatabaseSync(join(folder, name));
    before.close();
    writeFileSync(join(folder, `${name}-wal`), '');
    for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o644);
    const program = open();
    await program.write('x');
    const modes = readdirSync(folder).map((file) => [file, statSync(join(folder, file)).mode & 0o777]);
    expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([]);
    expect(modes.length).toBeGreaterThan(1);
    program.close();
  });
});

describe('the write-ahead log', () => {
  it('is emptied by itself after a write, and waits for no reader', async () => {
    const path = join(folder, 'some.db');
    const database = new DatabaseSync(path, { timeout: 5_000 });
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
    const truncation = new WalTruncation(database, 10);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec('BEGIN; SELECT * FROM t');
    database.exec("INSERT INTO t VALUES ('x')");
    const exec = vi.spyOn(database, 'exec');
    truncation.written();
    // An attempt ends with this. It did not block this thread for the reader.
    await vi.waitUntil(() => exec.mock.calls.some(([sql]) => sql === 'PRAGMA busy_timeout = 5000'), 10_000);
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
    reader.exec('COMMIT');
    // Less than the five seconds of one wait for the reader.
    await expect.poll(() => statSync(`${path}-wal`).size).toBe(0);
    expect(database.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout: 5_000 });
    truncation.stop();
    reader.close();
    database.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
  });
});
