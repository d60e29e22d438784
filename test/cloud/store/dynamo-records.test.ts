// DynamoStore beyond the contract: large texts are in blobs, and its results equal those of SQLite.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DynamoDBDocumentClient, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mergeNewestFirst } from '../../../cloud/store/dynamo/dynamo-page.ts';
import { partitions } from '../../../cloud/store/dynamo/keys.ts';
import { pack, unpackRecord } from '../../../cloud/store/dynamo/packing.ts';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Write } from '../../../cloud/store/store.ts';
import { attributes } from '../../../cloud/store/table.ts';
import { messageFolders, messageStatuses } from '../../../protocol/actions.ts';
import { limits } from '../../../protocol/limits.ts';
import { messageStates } from '../../../protocol/model.ts';
import { messageId, phoneMessage, send, sessionId } from '../../contract/messages.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';
import { everything, furnish, homed } from './whole-home.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local is slow when all test files run in parallel.
vi.setConfig({ testTimeout: 60_000 });
const home = 'home';
const nowMs = Date.UTC(2026, 10, 22, 12);
const clock = { now: () => nowMs };

describe.skipIf(missing !== undefined)('DynamoStore', () => {
  const local = new DynamoDbLocal();
  let place: string;
  let store: DynamoStore;
  let phone: string;

  beforeAll(() => local.start());
  afterAll(() => local.stop());
  beforeEach(async () => {
    place = mkdtempSync(join(tmpdir(), 'homeline-store-'));
    await local.createTable(basename(place));
    store = openDynamo();
    phone = await furnish(store, home);
  });
  afterEach(async () => {
    await store.stop();
    rmSync(place, { recursive: true, force: true });
  });

  function openDynamo(): DynamoStore {
    const blobs = new FolderBlobs(join(place, 'blobs'));
    return new DynamoStore({ client: local.client(), table: basename(place), blobs, clock });
  }

  function put(n: number, body: string): Write {
    const message = phoneMessage({ messageId: `phone-${n}`, body });
    return { type: 'message.put', id: messageId(n), phone, epoch: 0, session: null, fingerprint: 'f', message };
  }

  function blobs(folder: string): string[] {
    try {
      const all = readdirSync(join(place, 'blobs', folder), { recursive: true, withFileTypes: true });
      return all.filter((each) => each.isFile()).map((each) => each.name);
    } catch {
      return [];
    }
  }

  it('takes the longest body, and leaves nothing of it when it is deleted', async () => {
    const body = incompressible(limits.bodyChars);
    const [event] = await store.commit(home, [put(1, body), put(2, 'short')]);
    expect(event).toMatchObject({ data: { body } });
    expect(await store.events.after(home, '', 1)).toEqual([event]);
    expect(await store.messages.get(home, messageId(1))).toMatchObject({ body });
    for (const filter of [{}, { folder: 'Received' }, { from: '+390110001' }, { text: body.slice(0, 9) }]) {
      const { items } = await store.messages.list(home, filter, { limit: 9 });
      expect(items.at(-1)).toMatchObject({ id: messageId(1), body });
    }
    expect(blobs('kept')).toHaveLength(1);
    await store.commit(home, [put(1, `${body.slice(1)}.`)]);
    expect(blobs('kept')).toHaveLength(1);
    await store.commit(home, [{ type: 'message.delete', id: messageId(1) }]);
    expect(blobs('kept')).toEqual([]);
    expect(blobs('until/2026-11-23')).toHaveLength(2);
    expect(await store.events.after(home, '', 1)).toEqual([event]);
  });

  it.each([
    ['is too long', 'x'.repeat(5_000)],
    ['is too long in bytes', '€'.repeat(400)],
    ['is no text', '\ud800'],
    ['is a control character', '\0'],
    ['parts keys', '#'],
    ['is empty', ''],
  ])('knows nothing by a name that %s', async (_, name) => {
    expect(await store.messages.get(home, name)).toBeUndefined();
    expect(await store.sessions.get(home, name)).toBeUndefined();
    expect(await store.homes.get(name)).toBeUndefined();
    expect(await store.phones.list(name)).toEqual([]);
    expect(await store.phones.approve(home, name, true)).toBeUndefined();
    expect(await store.events.after(name, '', 1)).toBeUndefined();
    expect(await store.tokens.find(name)).toBeUndefined();
    await store.commit(home, [put(1, 'here')]);
    for (const filter of [
      { folder: name },
      { status: name },
      { session: name },
      { conversation: name },
      { from: name },
    ]) {
      expect((await store.messages.list(home, filter, { limit: 9 })).items).toEqual([]);
    }
    expect((await store.messages.inventory(home, phone, { after: name, limit: 9 })).items.length).toBeLessThan(2);
    await expect(store.commit(name, [put(1, 'there')])).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.requests.begin('t_1', name, name)).toMatchObject({ state: 'new' });
  });

  it.each(['x'.repeat(2_000), '\ud800'])(
    'refuses a message whose id no key can hold, and keeps working',
    async (id) => {
      await expect(store.commit(home, [put(1, 'here'), { ...put(2, 'there'), id } as Write])).rejects.toMatchObject({
        code: 'invalid-request',
      });
      await store.commit(home, [put(1, 'here'.repeat(999))]);
      await store.commit(home, [put(2, 'there')]);
      expect((await store.messages.list(home, {}, { limit: 9 })).items).toHaveLength(2);
    },
  );

  it('lists the others when one blob is missing, and does not overwrite a record that it cannot read', async () => {
    await store.commit(home, [put(1, incompressible(200_000)), put(2, 'short')]);
    rmSync(join(place, 'blobs/kept'), { recursive: true });
    for (const filter of [{}, { folder: 'Received' }]) {
      const { items } = await store.messages.list(home, filter, { limit: 9 });
      expect(items).toMatchObject([{ id: messageId(2) }]);
    }
    await expect(store.commit(home, [put(1, 'new')])).rejects.toMatchObject({ code: 'store-unavailable' });
  });

  it('deletes the expiring texts of past days when a new day begins', async () => {
    const folder = new FolderBlobs(join(place, 'blobs'));
    for (const day of ['2026-11-20', '2026-11-22', '2026-11-23']) await folder.put(`until/${day}/a`, 'text');
    await folder.put('until/2026-11-24/a', 'text');
    expect(readdirSync(join(place, 'blobs/until'))).toEqual(['2026-11-22', '2026-11-23', '2026-11-24']);
    expect(await folder.get('until/2026-11-20/a')).toBeUndefined();
    expect(await folder.get('until/2026-11-24/a')).toBe('text');
  });

  it('takes a batch of the largest messages', async () => {
    const writes = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => put(n, incompressible(99_000)));
    expect(await store.commit(home, writes)).toHaveLength(8);
    const page = await store.messages.list(home, {}, { limit: 200 });
    expect(page.items.map(({ body }) => body?.length)).toEqual(writes.map(() => 99_000));
    expect(page.next).toBeNull();
  });

  it('reads the records of an earlier version, and continues from them', async () => {
    const bodies = Array.from({ length: 41 }, () => incompressible(200));
    const from = (n: number) => ({ address: `+${n % 5}` });
    const many = (ns: number[], status: 'Read' | 'Unread'): Write[] =>
      ns.map(
        (n) =>
          ({
            ...put(n, ''),
            message: phoneMessage({ messageId: `p-${n}`, from: from(n), status, body: bodies[n] ?? '' }),
          }) as Write,
      );
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await store.commit(home, many(numbers, 'Unread'));
    await store.commit(
      home,
      many(
        numbers.filter((n) => n % 3 > 0),
        'Read',
      ),
    );
    const before = await everything(store, home);
    // So large a batch empties the head: all changes are in their items.
    expect(await makeOld()).toBeGreaterThan(40);
    const later = openDynamo();
    await later.start();
    try {
      expect(await everything(later, home)).toEqual(before);
      await later.commit(home, many([0, 1, 39], 'Read'));
      await later.commit(home, [{ type: 'message.delete', id: messageId(38) }, ...many([40], 'Unread')]);
      const { items } = await later.messages.list(home, { status: 'Unread' }, { limit: 200 });
      const unread = [40, ...numbers.filter((n) => n % 3 === 0 && n > 0 && n < 38).reverse()];
      expect(items.map(({ id }) => id)).toEqual(unread.map(messageId));
      const conversations = (await later.conversations.list(home, { limit: 9 })).items;
      expect(conversations.map(({ last }) => last.id)).toEqual([40, 39, 37, 36, 33].map(messageId));
      expect((await later.messages.get(home, messageId(7)))?.fingerprint).toBe('f');
    } finally {
      await later.stop();
    }
  });

  /** As records were before they had two parts and conversations a copy; unread messages had a place in index 2. */
  async function makeOld(): Promise<number> {
    const client = DynamoDBDocumentClient.from(local.client());
    const TableName = basename(place);
    const { Items = [] } = await client.send(new ScanCommand({ TableName, ConsistentRead: true }));
    for (const item of Items) {
      const [sk, packed, aside] = [String(item[attributes.sort]), item[attributes.record], item[attributes.aside]];
      if (!(packed instanceof Uint8Array)) continue;
      const shown = JSON.parse(unpackRecord(packed));
      const { [attributes.aside]: _, ...rest } = item;
      const write = (record: object, more = {}) =>
        client.send(
          new PutCommand({ TableName, Item: { ...rest, ...more, [attributes.record]: pack(JSON.stringify(record)) } }),
        );
      if (sk.startsWith('M#') && aside instanceof Uint8Array) {
        const record = { ...shown, ...JSON.parse(unpackRecord(aside)) };
        const list = partitions.folder(home, record.folder, record.status);
        await write(record, record.status === 'Unread' ? { [attributes.list]: list } : {});
      } else if (sk.startsWith('C#')) {
        const { last: __, unreadFrom: ___, ...record } = shown;
        await write(record);
      }
    }
    client.destroy();
    return Items.length;
  }

  it('agrees with SQLite for any course of writes', async () => {
    const number = fc.integer({ min: 1, max: 4 });
    const write = fc.oneof(
      fc.record({
        type: fc.constant('message.put' as const),
        id: number.map(messageId),
        phone: fc.constant(''),
        epoch: fc.constant(0),
        session: fc.option(fc.constant(sessionId(1)), { freq: 1 }),
        fingerprint: fc.constantFrom('f', 'g'),
        message: fc
          .record({
            // Mostly arrivals from one person, so that conversations grow and shrink.
            folder: fc.constantFrom('Received' as const, 'Received' as const, ...messageFolders),
            status: fc.constantFrom(...messageStatuses),
            from: fc.constantFrom({ address: '+1' }, { address: '+1', displayName: 'Zoë' }, { address: '+2' }),
            body: fc.constantFrom('one', 'two'),
          })
          .map(phoneMessage),
      }),
      fc.record({ type: fc.constant('message.delete' as const), id: number.map(messageId) }),
      fc.record({ type: fc.constant('send.create' as const), message: number.map((n) => send(messageId(n))) }),
      fc.record({
        type: fc.constant('send.move' as const),
        id: number.map(messageId),
        from: fc.subarray([...messageStates]),
        to: fc.constantFrom('queued' as const, 'sending' as const, 'sent' as const, 'failed' as const),
        messageId: fc.option(fc.constant('phone-9'), { nil: undefined, freq: 4 }),
      }),
    );
    let course = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(write, { minLength: 3, maxLength: 9 }), { minLength: 1, maxLength: 4 }),
        async (batches) => {
          const there = `home-${course++}`;
          const embedded = new SqliteStore({ path: join(place, `${there}.db`), clock });
          try {
            const stores = [store, embedded];
            for (const each of stores) {
              const known = await furnish(each, there);
              for (const batch of batches) {
                const writes = batch.map((each) => (each.type === 'message.put' ? { ...each, phone: known } : each));
                await each.commit(there, homed(writes, there));
              }
            }
            const [here, other] = await Promise.all(stores.map((each) => everything(each, there)));
            expect(here).toEqual(other);
          } finally {
            await embedded.stop();
          }
        },
      ),
      { numRuns: 20 },
    );
    // Twenty courses of up to 36 writes each, in two stores, and the machine may be busy.
  }, 300_000);
});

/** Incompressible text of this many characters. */
function incompressible(chars: number): string {
  return randomBytes(chars).toString('base64').slice(0, chars);
}

describe('merged lists', () => {
  it('come newest first, nothing left out and nothing twice', async () => {
    const list = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 })).map((items) => items.sort().reverse());
    await fc.assert(
      fc.asyncProperty(fc.array(list), async (lists) => {
        const merged: string[] = [];
        const each = lists.map(async function* (items) {
          yield* items;
        });
        for await (const item of mergeNewestFirst(each, (text) => text)) merged.push(item);
        expect(merged).toEqual([...new Set(lists.flat())].sort().reverse());
      }),
    );
  });
});
