// Upkeep: records of an earlier version get their present form soon after the store opens, without loss.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DynamoDBDocumentClient, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { pack, unpackRecord } from '../../../cloud/store/dynamo/packing.ts';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import { migrate } from '../../../cloud/store/sqlite/migrate.ts';
import { steps } from '../../../cloud/store/sqlite/schema.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Store, Write } from '../../../cloud/store/store.ts';
import { attributes } from '../../../cloud/store/table.ts';
import { messageId, phoneMessage, send } from '../../contract/messages.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';

vi.setConfig({ testTimeout: 120_000 });
const home = 'home';
const patiently = { timeout: 60_000 };
let folder: string;
const opened: Store[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-upkeep-'));
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function conversationsOf(store: Store): Promise<[key: string, unread: number][]> {
  const { items } = await store.conversations.list(home, { limit: 200 });
  return items.map(({ key, unread }) => [key, unread]);
}

describe('a database of the first version', () => {
  const path = () => join(folder, 'cloud.db');
  const told: [event: string, messages: number][] = [];
  const senders = [
    '00390110001',
    '011 0001',
    '+39 011 0001',
    'Ada <ada@example.org>',
    'ADA@example.org',
    '+1\nVodafone',
  ];

  /** A message in the form of the first version: keys of addresses as written, texts folded without ligatures. */
  function writeFirstVersion(count: number): void {
    mkdirSync(folder, { recursive: true });
    const database = new DatabaseSync(path());
    migrate(database, path(), steps.slice(0, 1));
    database.exec(`
      INSERT INTO accounts VALUES ('account');
      INSERT INTO homes (id, account, name, unread) VALUES ('${home}', 'account', 'Home', ${count});
      BEGIN;
    `);
    const insert = database.prepare(
      `INSERT INTO messages (row, home, id, phone, message_id, message_class, folder, status, session, conversation,
         sender, state, record, text) VALUES (?, ?, ?, 'p_1', ?, 'SMS', 'Received', 'Unread', NULL, ?, ?, 'received', ?, ?)`,
    );
    const index = database.prepare('INSERT INTO messages_text (rowid, text) VALUES (?, ?)');
    for (let n = 1; n <= count; n++) {
      const address = senders[n % senders.length] ?? '';
      const record = {
        ...send(messageId(n)),
        ...phoneMessage({ messageId: `phone-${n}`, from: { address }, body: 'Hauptstraße' }),
        phone: 'p_1',
        state: 'received',
      };
      const text = `hauptstraße\n${address}`.toLowerCase();
      insert.run(n, home, messageId(n), `phone-${n}`, address, address, JSON.stringify(record), text);
      index.run(n, text);
    }
    database.exec(`
      INSERT INTO conversations SELECT home, conversation, NULL, '[]', max(id), count(*) FROM messages GROUP BY conversation;
      COMMIT;
    `);
    database.close();
  }

  async function open(): Promise<SqliteStore> {
    const store = new SqliteStore({ path: path(), report: (event, { messages }) => told.push([event, messages]) });
    opened.push(store);
    await store.start();
    return store;
  }

  it('has one conversation for each person, by the country of its phones’ own number, and finds other spellings', async () => {
    writeFirstVersion(1_200);
    told.length = 0;
    const store = await open();
    await store.upkeep();
    expect(told.map(([event]) => event)).toEqual(['upkeep.begun', 'upkeep.done']);
    expect(told[1]?.[1]).toBe(1_200);
    expect((await conversationsOf(store)).sort()).toEqual([
      ['+1 Vodafone', 200],
      ['+390110001', 600],
      ['ada@example.org', 400],
    ]);
    expect(await store.conversations.countUnread(home)).toBe(1_200);
    const found = async (text: string) => (await store.messages.list(home, { text }, { limit: 200 })).items.length;
    expect(await found('hauptstrasse')).toBe(200);
    expect((await store.messages.get(home, messageId(5)))?.from.address).toBe('+1 Vodafone');
    expect((await store.messages.list(home, { conversation: '011 0001' }, { limit: 1 })).items[0]?.from.address).toBe(
      '00390110001',
    );
  });

  it('can be read and written during upkeep, which resumes where it broke off', async () => {
    writeFirstVersion(3_000);
    const first = await open();
    const write: Write = { type: 'send.create', message: send(messageId(9_001), { to: [{ address: '011 0001' }] }) };
    expect(await first.commit(home, [write])).toHaveLength(1);
    expect((await first.messages.list(home, {}, { limit: 1 })).items[0]?.id).toBe(messageId(9_001));
    await first.stop();
    const second = await open();
    await second.upkeep();
    const all = await conversationsOf(second);
    expect(all.map(([key]) => key).sort()).toEqual(['+1 Vodafone', '+390110001', 'ada@example.org']);
    expect(all.reduce((sum, [, unread]) => sum + unread, 0)).toBe(3_000);
    expect(all.find(([key]) => key === '+390110001')).toEqual(['+390110001', 1_500]);
  });
});

describe.skipIf(missingForDynamoDbLocal() !== undefined)('a table of an earlier version', () => {
  const local = new DynamoDbLocal();
  beforeAll(() => local.start());
  afterAll(() => local.stop());

  async function open(): Promise<DynamoStore> {
    const store = new DynamoStore({ client: local.client(), table: basename(folder), blobs: new FolderBlobs(folder) });
    opened.push(store);
    await store.start();
    return store;
  }

  it('has one conversation for each person after the next commit of the home', async () => {
    await local.createTable(basename(folder));
    const before = await open();
    await before.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
    const addresses = ['011 0001', '+390110001', '011/0001'];
    for (const [n, address] of addresses.entries()) {
      const message = phoneMessage({ messageId: `phone-${n}`, from: { address }, to: [] });
      const id = messageId(n + 1);
      await before.commit(home, [
        { type: 'message.put', id, phone: 'p_1', epoch: 0, session: null, fingerprint: 'f', message },
      ]);
    }
    expect((await conversationsOf(before)).length).toBe(3);
    await before.stop();
    await makeEarlier();
    const store = await open();
    await store.commit(home, [{ type: 'home.status', online: true, agent: null }]);
    await expect.poll(() => conversationsOf(store), patiently).toEqual([['+390110001', 3]]);
    expect((await store.messages.list(home, { conversation: '011/0001' }, { limit: 5 })).items).toHaveLength(3);
    expect(await store.conversations.countUnread(home)).toBe(3);
  });

  /** Removes the home’s stored country, which its messages hold. */
  async function makeEarlier(): Promise<void> {
    const documents = DynamoDBDocumentClient.from(local.client());
    const { Items = [] } = await documents.send(new ScanCommand({ TableName: basename(folder) }));
    for (const item of Items) {
      const packed = item[attributes.record];
      if (!(packed instanceof Uint8Array)) continue;
      const text = unpackRecord(packed)
        .replace(/"keying":\{[^}]*\},/, '')
        .replaceAll('"to":[]', '"to":[{"address":"+390119999"}]');
      await documents.send(
        new PutCommand({ TableName: basename(folder), Item: { ...item, [attributes.record]: pack(text) } }),
      );
    }
  }
});
