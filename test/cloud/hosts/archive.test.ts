// Export, import and backup as a user runs them: nothing is lost, also when one of them was interrupted.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupDatabase } from '../../../cloud/store/sqlite/archive.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Message } from '../../../protocol/model.ts';
import { messageId, phoneMessage, presence, send } from '../../contract/messages.ts';

const program = join(import.meta.dirname, '../../../cloud/hosts/archive.ts');
let folder: string;
let store: SqliteStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-archive-'));
  store = await open('from');
  await store.homes.create({ id: 'home', account: 'a', name: 'Home', owner: 'Ada' });
  const phone = (await store.phones.put('home', [presence('uuid:1', { trusted: true })]))[0]?.id ?? '';
  for (let n = 1; n <= 30; n++) {
    const message = phoneMessage({ messageId: `m-${n}`, body: `Dinner number ${n}?` });
    const put = { type: 'message.put', id: messageId(n), phone, epoch: 0, session: null, message } as const;
    await store.commit('home', [{ ...put, fingerprint: `f-${n}` }]);
  }
  await store.commit('home', [
    { type: 'message.delete', id: messageId(7) },
    { type: 'send.create', message: send(messageId(40), { phone, sendSeq: 5, hops: [['api', 1]] }) },
  ]);
});
afterEach(async () => {
  await store.stop();
  rmSync(folder, { recursive: true });
});

async function open(name: string): Promise<SqliteStore> {
  const opened = new SqliteStore({ path: join(folder, name, 'cloud.db') });
  await opened.start();
  return opened;
}

function run(verb: string, data: string, ...rest: string[]) {
  return spawnSync(process.execPath, [program, verb, '--data', join(folder, data), ...rest], { encoding: 'utf8' });
}

async function allMessages(asked: SqliteStore): Promise<Message[]> {
  const messages: Message[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await asked.messages.list('home', {}, { limit: 200, cursor });
    messages.push(...page.items);
    if (page.next === null) return messages;
    cursor = page.next;
  }
}

/** Everything that a store answers about its home. */
async function contentsOf(asked: SqliteStore) {
  const phones = await asked.phones.list('home');
  return {
    homes: await asked.homes.idsOf('a'),
    phones,
    messages: await allMessages(asked),
    found: (await asked.messages.list('home', { text: 'number 12' }, { limit: 200 })).items,
    record: await asked.messages.get('home', messageId(40)),
    inventory: await asked.messages.inventory('home', phones[0]?.id ?? '', { limit: 100 }),
    conversations: await asked.conversations.list('home', { limit: 50 }),
    unread: await asked.conversations.countUnread('home'),
    events: await asked.events.after('home', '', 1000),
    open: await asked.messages.openSends('home', ['queued'], 10),
  };
}

async function expectSame(name: string): Promise<void> {
  const restored = await open(name);
  try {
    expect(await contentsOf(restored)).toEqual(await contentsOf(store));
    // Another database name: the agents then compare lists.
    expect(restored.id).not.toBe(store.id);
    const again = { type: 'message.put', id: messageId(7), phone: 'p', epoch: 0, session: null } as const;
    const events = await restored.commit('home', [{ ...again, message: phoneMessage(), fingerprint: 'f' }]);
    expect(events).toEqual([]);
  } finally {
    await restored.stop();
  }
}

/** 0 if there is no such database yet. */
function storedMessages(path: string): number {
  if (!existsSync(path)) return 0;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(database.prepare('SELECT count(*) AS n FROM messages').get()?.n);
  } catch {
    // The database is not made yet.
    return 0;
  } finally {
    database.close();
  }
}

const file = () => join(folder, 'all.ndjson');

describe('export and import', () => {
  it('restore everything, also tombstones and search, while the store is in use', async () => {
    expect(run('export', 'from', file()).status).toBe(0);
    const made = run('import', 'to', file());
    expect([made.status, made.stderr]).toEqual([0, expect.stringContaining('rows were read')]);
    await expectSame('to');
  });

  it('resume where they were interrupted', async () => {
    run('export', 'from', file());
    const whole = readFileSync(file(), 'utf8');
    writeFileSync(file(), whole.slice(0, whole.length / 2));
    const early = run('import', 'to', file());
    expect([early.status, early.stderr]).toEqual([1, expect.stringContaining('is no line of an export')]);
    expect(run('export', 'from', file()).status).toBe(0);
    const linesOf = (text: string) => new Set(text.split('\n').slice(0, -2));
    expect(linesOf(readFileSync(file(), 'utf8'))).toEqual(linesOf(whole));
    expect(run('import', 'to', file()).status).toBe(0);
    await expectSame('to');
  });

  it('contain changes made since they were interrupted', async () => {
    const token = { id: 't_1', kind: 'api', account: 'a', home: null, name: 'old', scopes: [] } as const;
    await store.tokens.create({
      ...token,
      scopes: [],
      hash: 'h',
      createdAtMs: 1,
      expiresAtMs: null,
      revokedAtMs: null,
    });
    run('export', 'from', file());
    const whole = readFileSync(file(), 'utf8');
    writeFileSync(file(), whole.slice(0, whole.indexOf('"table":"tombstones"')));
    const [phone = { id: '' }] = await store.phones.list('home');
    const read = phoneMessage({ messageId: 'm-2', body: 'Dinner number 2?', status: 'Read' });
    await store.commit('home', [
      { type: 'message.delete', id: messageId(1) },
      {
        type: 'message.put',
        id: messageId(2),
        phone: phone.id,
        epoch: 0,
        session: null,
        message: read,
        fingerprint: '2',
      },
    ]);
    await store.tokens.revoke('a', 't_1');
    run('export', 'from', file());
    expect(run('import', 'to', file()).status).toBe(0);
    const restored = await open('to');
    expect(await restored.tokens.find('h')).toBeUndefined();
    expect(await restored.messages.get('home', messageId(1))).toBeUndefined();
    expect((await restored.messages.list('home', { text: 'number' }, { limit: 200 })).items).toHaveLength(28);
    // A line exported before the change has the old state: the agent compares lists and sends the change again.
    const unread = (await allMessages(restored)).filter(
      ({ folder, status }) => `${folder} ${status}` === 'Received Unread',
    );
    expect(await restored.conversations.countUnread('home')).toBe(unread.length);
    const conversations = (await restored.conversations.list('home', { limit: 50 })).items;
    expect(conversations.reduce((sum, conversation) => sum + conversation.unread, 0)).toBe(unread.length);
    expect(unread).not.toHaveLength(0);
    await restored.stop();
  });

  it('resume after the import was killed half-way, and start over with another export', async () => {
    const phone = (await store.phones.list('home'))[0]?.id ?? '';
    const many = Array.from({ length: 1200 }, (_, at) => at + 100).map((n) => {
      const message = phoneMessage({ messageId: `m-${n}`, body: `Supper number ${n}?` });
      const put = { type: 'message.put', id: messageId(n), phone, epoch: 0, session: null } as const;
      return { ...put, message, fingerprint: `f-${n}` };
    });
    await store.commit('home', many);
    run('export', 'from', file());
    await killHalfWay();
    expect(run('import', 'to', file()).status).toBe(0);
    await expectSame('to');

    rmSync(join(folder, 'to'), { recursive: true });
    await killHalfWay();
    await store.commit('home', [{ type: 'message.delete', id: messageId(100) }]);
    rmSync(file());
    run('export', 'from', file());
    expect(run('import', 'to', file()).status).toBe(0);
    await expectSame('to');
  }, 60_000);

  /** kill -9 as soon as the first rows are stored. */
  async function killHalfWay(): Promise<void> {
    const half = readFileSync(file(), 'utf8').split('\n').slice(0, 900);
    const importing = spawn(process.execPath, [program, 'import', '--data', join(folder, 'to')]);
    // The lines that the killed import had not read.
    importing.stdin.on('error', () => undefined);
    importing.stdin.write(`${half.join('\n')}\n`);
    const unfinished = join(folder, 'to', 'cloud.db.import');
    await expect.poll(() => storedMessages(unfinished), { timeout: 25_000, interval: 20 }).toBeGreaterThan(0);
    importing.kill('SIGKILL');
    await once(importing, 'close');
    expect(storedMessages(unfinished)).toBeGreaterThan(0);
  }

  it('work through a pipe', async () => {
    const npm = ['run', 'export', '--', '--data', join(folder, 'from')];
    const env = { ...process.env, npm_config_loglevel: 'notice' };
    const text = spawnSync('npm', npm, { encoding: 'utf8', env }).stdout;
    expect(text).toMatch(/^\n> homeline/);
    const made = spawnSync(process.execPath, [program, 'import', '--data', join(folder, 'to')], { input: text });
    expect(made.status).toBe(0);
    await expectSame('to');
  });

  it('wait for a slow reader of the pipe', async () => {
    const body = 'x'.repeat(100_000);
    for (let n = 100; n < 120; n++) {
      await store.commit('home', [{ type: 'send.create', message: send(messageId(n), { body }) }]);
    }
    const exporting = spawn(process.execPath, [program, 'export', '--data', join(folder, 'from')]);
    exporting.stdout.pause();
    const closed = once(exporting, 'close');
    // A full pipe holds 64 KiB. That the program waits for room in it shows nowhere from outside.
    await once(exporting.stdout, 'readable');
    await pause(200);
    const text = (await exporting.stdout.toArray()).join('');
    expect(await closed).toEqual([0, null]);
    expect(JSON.parse(text.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ end: true });
  });

  it('refuse a file that is no export, a truncated export, and an existing store', () => {
    writeFileSync(file(), '{"some":"json"}\n');
    expect(run('import', 'to', file()).stderr).toContain('Line 1 is no line of an export.');
    rmSync(file());
    run('export', 'from', file());
    expect(run('import', 'from', file()).stderr).toContain('move it away');
    const lines = readFileSync(file(), 'utf8').trimEnd().split('\n');
    writeFileSync(file(), `${lines.slice(0, -1).join('\n')}\n`);
    expect(run('import', 'to', file()).stderr).toContain('ends in the middle');
    writeFileSync(file(), `${lines[0]}\n`);
    appendFileSync(file(), '{"table":"sqlite_schema","row":{"sql":"x"}}\n');
    expect(run('import', 'other', file()).stderr).toContain('There is no table');
    appendFileSync(file(), '');
  });
});

describe('backup', () => {
  it('is a complete database with another name, made while the store is in use', async () => {
    const made = run('backup', 'from', join(folder, 'copy', 'cloud.db'));
    expect([made.status, made.stderr]).toEqual([0, expect.stringContaining('is a whole copy')]);
    await expectSame('copy');
  });

  it('ends although the store is written to all the time', async () => {
    const body = 'x'.repeat(4000);
    for (let n = 100; n < 300; n++) {
      await store.commit('home', [{ type: 'send.create', message: send(messageId(n), { body }) }]);
    }
    // A copy that starts over at each write would never end.
    let ended = false;
    const made = backupDatabase(join(folder, 'from', 'cloud.db'), join(folder, 'copy', 'cloud.db')).finally(() => {
      ended = true;
    });
    for (let n = 300; !ended; n++) await store.commit('home', [{ type: 'send.create', message: send(messageId(n)) }]);
    await made;
    const copy = await open('copy');
    expect((await copy.messages.get('home', messageId(299)))?.body).toBe(body);
    await copy.stop();
  });

  it('is readable by its owner alone, like the file of an import', () => {
    run('export', 'from', file());
    run('import', 'to', file());
    run('backup', 'from', join(folder, 'copy.db'));
    const modes = [file(), join(folder, 'to', 'cloud.db'), join(folder, 'copy.db')].map((path) => statSync(path).mode);
    expect(modes.map((mode) => mode & 0o077)).toEqual([0, 0, 0]);
  });

  it('says what is missing', () => {
    expect(run('backup', 'nowhere', join(folder, 'x')).stderr).toContain('There is no database');
    expect(run('backup', 'from').stderr).toContain('Name the file');
    expect(run('export', 'from', '--help').stdout).toContain('--data');
  });
});
