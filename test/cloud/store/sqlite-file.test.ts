// SqliteStore and its file: versions, foreign files, a crash, a full disk, and query plans.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteEngine } from '../../../cloud/store/sqlite/engine.ts';
import { messageQuery } from '../../../cloud/store/sqlite/message-query.ts';
import { migrate } from '../../../cloud/store/sqlite/migrate.ts';
import { steps } from '../../../cloud/store/sqlite/schema.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Write } from '../../../cloud/store/store.ts';
import type { PhonePresence } from '../../../protocol/frames.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';

const home = 'home';
const child = resolve(import.meta.dirname, 'committing-process.ts');

let folder: string;
let path: string;
const opened: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-file-'));
  path = join(folder, 'data', 'homeline.db');
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function open(at = path, clock = { now: () => Date.now() }): Promise<SqliteStore> {
  const store = new SqliteStore({ path: at, clock });
  opened.push(store);
  await store.start();
  await store.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
  return store;
}

function put(n: number, body = 'Dinner at 8?'): Write {
  const message = phoneMessage({ messageId: `phone-${n}`, body });
  return { type: 'message.put', id: messageId(n), phone: 'p_1', epoch: 0, session: null, fingerprint: 'f', message };
}

function editDatabase(edit: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  edit(database);
  database.close();
}

describe('the file of SqliteStore', () => {
  it('is created with its folder, readable by its owner alone', async () => {
    await open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
  });

  it('retries a request at once that an earlier run of the process began and cannot finish', async () => {
    const clock = { now: () => 1_000 };
    const store = await open(path, clock);
    await store.requests.begin('t_1', 'key', 'print');
    expect(await store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
    await store.stop();
    clock.now = () => 2_000;
    const next = await open(path, clock);
    expect(await next.requests.begin('t_1', 'key', 'print')).toEqual({
      state: 'new',
      firstBegunMs: 1_000,
      isRetry: true,
    });
    expect(await next.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
  });

  it('does not count a request as running when the write that began it failed', async () => {
    const store = await open();
    await store.requests.begin('t_1', 'key', 'print');
    await store.stop();
    const next = await open();
    editDatabase((database) => {
      // Like a full disk, this rolls back the whole group of writes.
      database.exec("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'no space'); END");
    });
    const together = [next.requests.begin('t_1', 'key', 'print'), next.commit(home, [put(1)])];
    expect((await Promise.allSettled(together)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    editDatabase((database) => database.exec('DROP TRIGGER full'));
    expect(await next.requests.begin('t_1', 'key', 'print')).toMatchObject({ state: 'new' });
  });

  it('is migrated from an older version without loss', async () => {
    const store = await open();
    await store.commit(home, [put(1)]);
    const { id } = store;
    await store.stop();
    const next = [...steps, 'ALTER TABLE homes ADD COLUMN city TEXT', "UPDATE homes SET city = 'Turin'"];
    editDatabase((database) => {
      migrate(database, path, next);
      migrate(database, path, next);
      expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: steps.length + 2 });
      expect(database.prepare('SELECT id, city FROM homes').all()).toEqual([{ id: home, city: 'Turin' }]);
      expect(database.prepare("SELECT value FROM meta WHERE name = 'id'").get()).toEqual({ value: id });
      expect(database.prepare('SELECT id FROM messages').all()).toEqual([{ id: messageId(1) }]);
    });
  });

  it('stays at its version when a migration fails', async () => {
    await (await open()).stop();
    editDatabase((database) => {
      const broken = [...steps, 'ALTER TABLE homes ADD COLUMN city TEXT; SELECT * FROM nowhere'];
      expect(() => migrate(database, path, broken)).toThrow('nowhere');
      expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: steps.length });
      expect(() => database.prepare('SELECT city FROM homes')).toThrow('city');
    });
    await (await open()).ping();
  });

  it.each<[string, () => void, RegExp]>([
    [
      'was written by a newer Homeline',
      () => editDatabase((database) => database.exec('PRAGMA user_version = 99')),
      /newer Homeline \(version 99/,
    ],
    [
      'belongs to another program',
      () => editDatabase((database) => database.exec('PRAGMA application_id = 7')),
      /another program/,
    ],
    ['is no database', () => writeFileSync(path, 'Dear diary, '.repeat(1000)), /move it away and restore/],
    [
      'is damaged',
      () => writeFileSync(path, Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8192, 7)])),
      /move it away and restore/,
    ],
  ])('is refused with the mend in words when it %s', async (_, spoil, words) => {
    await (await open()).stop();
    rmSync(`${path}-wal`, { force: true });
    spoil();
    await expect(open()).rejects.toMatchObject({ code: 'store-unavailable', message: expect.stringMatching(words) });
  });

  it('says what to do where no folder can be created', async () => {
    writeFileSync(join(folder, 'data'), 'a file');
    await expect(open()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/a file and no folder/),
    });
    mkdirSync(join(folder, 'other', 'homeline.db'), { recursive: true });
    await expect(open(join(folder, 'other', 'homeline.db'))).rejects.toMatchObject({ code: 'store-unavailable' });
  });

  it('refuses a file of another program without an application id', async () => {
    mkdirSync(join(folder, 'data'));
    editDatabase((database) => database.exec('CREATE TABLE diary (entry TEXT)'));
    await expect(open()).rejects.toMatchObject({ message: expect.stringMatching(/another program/) });
  });
});

describe('durability', () => {
  it('flushes each commit to the disk (a test can check the setting only)', () => {
    const engine = new SqliteEngine(path);
    engine.open();
    expect(engine.get('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' });
    expect(engine.get('PRAGMA synchronous')).toEqual({ synchronous: 2 });
    engine.close();
  });

  it('loses no acknowledged commit when the process is killed', async () => {
    const writer = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acknowledged: number[] = [];
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged.push(Number(line));
      if (acknowledged.length === 100) writer.kill('SIGKILL');
    }
    const store = await open();
    for (const n of acknowledged) expect(await store.messages.get(home, messageId(n))).toBeDefined();
    const events = await store.events.after(home, '', 10_000);
    expect(events?.length).toBeGreaterThanOrEqual(acknowledged.length);
    expect(await store.conversations.countUnread(home)).toBe(events?.length);
  });

  it('answers store-unavailable when the disk is full, and keeps what it acknowledged', async () => {
    const script = `trap '' XFSZ; ulimit -f 2048; exec "$0" "$@"`;
    const writer = spawn('/bin/sh', ['-c', script, process.execPath, child, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: writer.stdout })) lines.push(line);
    expect(lines.at(-1)).toBe('store-unavailable');
    const store = await open();
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines.slice(0, -1))
      expect(await store.messages.get(home, messageId(Number(line)))).toBeDefined();
    await store.commit(home, [put(999_999)]);
  });
});

describe('retention', () => {
  it('keeps no word of a deleted message in messages and their index', async () => {
    const store = await open();
    await store.commit(home, [put(1), put(2, 'Lunch at 1?')]);
    await store.commit(home, [{ type: 'message.delete', id: messageId(1) }]);
    await store.stop();
    editDatabase((database) => {
      const find = database.prepare('SELECT rowid FROM messages_text WHERE messages_text MATCH ?');
      expect(find.all('dinner')).toEqual([]);
      expect(find.all('lunch')).toHaveLength(1);
      expect(database.prepare('SELECT id FROM messages').all()).toEqual([{ id: messageId(2) }]);
      expect(database.prepare('SELECT id FROM tombstones').all()).toEqual([{ id: messageId(1) }]);
    });
  });

  it('keeps the newest 10,000 events of a home', async () => {
    const store = await open();
    for (let n = 0; n < 10_200; n += 200) {
      const presences = Array.from({ length: 200 }, (_, i): Write => put(n + i));
      await store.commit(home, presences);
    }
    const all = (await store.events.after(home, '', 20_000)) ?? [];
    expect(all).toHaveLength(10_200);
    await store.prune();
    expect(await store.events.after(home, '', 1)).toBeUndefined();
    expect(await store.events.after(home, all[198]?.id ?? '', 1)).toBeUndefined();
    expect(await store.events.after(home, all[199]?.id ?? '', 20_000)).toEqual(all.slice(200));
  });

  it('deletes expired events, requests and tokens, and nothing else', async () => {
    const clock = { nowMs: Date.now(), now: () => clock.nowMs };
    const store = await open(path, clock);
    await store.commit(home, [put(1)]);
    await store.requests.begin('t', 'old', 'print');
    clock.nowMs += 13 * 3_600_000;
    const [kept] = await store.commit(home, [put(2)]);
    await store.requests.begin('t', 'new', 'print');
    clock.nowMs += 12 * 3_600_000;
    await store.prune();
    await store.stop();
    editDatabase((database) => {
      expect(database.prepare('SELECT id FROM events').all()).toEqual([{ id: kept?.id }]);
      expect(database.prepare('SELECT key FROM requests').all()).toEqual([{ key: 'new' }]);
      expect(database.prepare('SELECT count(*) AS count FROM messages').get()).toEqual({ count: 2 });
    });
  });
});

it('writes nothing for phones and homes that are as they were', async () => {
  const store = await open();
  const other = new DatabaseSync(path);
  const version = () => other.prepare('PRAGMA data_version').get();
  const comeBack = async (more: Partial<PhonePresence> = {}) => {
    const [phone] = await store.phones.put(home, [presence('uuid:phone-1', more)]);
    if (phone === undefined) throw new Error('The phone was not kept.');
    const agent = { id: 't_1', name: 'agent' };
    await store.commit(home, [{ type: 'home.status', online: true, agent }]);
    await store.commit(home, [{ type: 'phone.status', phone: { ...phone, online: true } }]);
  };
  await comeBack({ capabilities: { classes: [], sessionClasses: [], fileTransfer: true } });
  const before = version();
  await comeBack();
  expect(version()).toEqual(before);
  await comeBack({ name: 'Kitchen' });
  expect(version()).not.toEqual(before);
  other.close();
});

describe('the plan of a page', () => {
  const fields = ['messageClass', 'folder', 'status', 'session', 'phone', 'from', 'conversation'] as const;
  const filters = Array.from({ length: 2 ** fields.length }, (_, bits) =>
    Object.fromEntries(fields.filter((_, bit) => bits & (1 << bit)).map((field) => [field, 'x'])),
  );

  it('reads from an index in its order and sorts nothing, whatever the filter', async () => {
    await (await open()).stop();
    editDatabase((database) => {
      for (const filter of filters) {
        const { sql, values } = messageQuery(home, filter);
        const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values, '~', 51);
        expect(plan).toHaveLength(1);
        expect(plan[0]?.detail).toMatch(
          /^SEARCH messages USING INDEX messages_by_\w+ \(home=\? AND (\w+=\? AND )?id<\?\)$/,
        );
      }
    });
  });

  it('starts from the filter that leaves the fewest messages', () => {
    const index = (filter: Record<string, string>) => /INDEXED BY (\w+)/.exec(messageQuery(home, filter).sql)?.[1];
    expect(index({ folder: 'Received', status: 'Unread' })).toBe('messages_by_status');
    expect(index({ folder: 'Received', status: 'Read' })).toBe('messages_by_folder');
    expect(index({ status: 'Read' })).toBe('messages_by_status');
    expect(index({ phone: 'p_1', conversation: '+1', from: '+1' })).toBe('messages_by_conversation');
  });
});
