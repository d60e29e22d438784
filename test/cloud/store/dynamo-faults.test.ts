// DynamoStore where the way to DynamoDB fails: nothing is lost, nothing happens twice, and whoever waits is told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import type { Write } from '../../../cloud/store/store.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';
import { type Fate, FaultyRoad } from './faulty-road.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local takes its time where all test files run at once.
vi.setConfig({ testTimeout: 60_000 });
const home = 'home';
/** Few, so that a batch takes several. */
const transactionItems = 10;

describe.skipIf(missing !== undefined)('DynamoStore on a bad road', () => {
  const local = new DynamoDbLocal();
  const road = new FaultyRoad(() => local.endpoint);
  let place: string;
  let store: DynamoStore;
  let phone: string;

  const open = (endpoint: string, deadlineMs: number) =>
    new DynamoStore({
      client: local.client(endpoint),
      table: basename(place),
      blobs: new FolderBlobs(place),
      transactionItems,
      deadlineMs,
    });
  const put = (n: number, body = 'Dinner?'): Write => ({
    type: 'message.put',
    id: messageId(n),
    phone,
    epoch: 0,
    session: null,
    message: phoneMessage({ messageId: `phone-${n}`, body }),
    fingerprint: 'f',
  });
  const toldOf = (events: readonly HomeEvent[] | undefined) => events?.map(({ data }) => 'id' in data && data.id);
  const ids = (count: number) => Array.from({ length: count }, (_, index) => messageId(index + 1));

  beforeAll(async () => {
    await local.start();
    await road.start();
  });
  afterAll(async () => {
    await road.stop();
    await local.stop();
  });
  beforeEach(async () => {
    road.fate = () => 'pass';
    place = mkdtempSync(join(tmpdir(), 'homeline-store-'));
    await local.createTable(basename(place));
    store = open(road.endpoint, 300);
    await store.start();
    await store.createHome({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
    phone = (await store.putPhones(home, [presence('uuid:1')]))[0]?.id ?? '';
  });
  afterEach(async () => {
    await store.stop();
    rmSync(place, { recursive: true, force: true });
  });

  /** The n-th of the transactions that follow, and only it, has this fate. */
  function strike(nth: number, fate: Fate): void {
    let count = 0;
    road.fate = ({ operation }) => (operation === 'TransactWriteItems' && ++count === nth ? fate : 'pass');
  }

  it.each<Fate>(['throttle', 'break', 'lose'])('tries again after “%s”, and tells of it once', async (fate) => {
    strike(1, fate);
    expect(toldOf(await store.commit(home, [put(1)]))).toEqual([messageId(1)]);
    expect(toldOf(await store.eventsAfter(home, '', 10))).toEqual([messageId(1)]);
    expect(await store.countUnread(home)).toBe(1);
  });

  it.each<Fate>(['throttle', 'break', 'lose'])(
    'begins a request once though its put has the fate “%s”',
    async (fate) => {
      let puts = 0;
      road.fate = ({ operation }) => (operation === 'PutItem' && ++puts === 1 ? fate : 'pass');
      expect(await store.beginRequest('t_1', 'key', 'print')).toMatchObject({ state: 'new' });
      expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'running' });
    },
  );

  it.each<Fate>(['throttle', 'break'])(
    'says store-unavailable, and when to come back, while there is only “%s”',
    async (fate) => {
      road.fate = () => fate;
      const error = { code: 'store-unavailable', retryAfterMs: expect.any(Number) };
      await expect(store.commit(home, [put(1)])).rejects.toMatchObject(error);
      await expect(store.getMessage(home, messageId(1))).rejects.toMatchObject(error);
      await expect(store.ping()).rejects.toMatchObject(error);
      road.fate = () => 'pass';
      expect(toldOf(await store.commit(home, [put(1)]))).toEqual([messageId(1)]);
    },
  );

  it('tells at the next commit of what happened although every answer to it was lost', async () => {
    road.fate = ({ operation }) => (operation === 'TransactWriteItems' ? 'lose' : 'pass');
    await expect(store.commit(home, [put(1)])).rejects.toMatchObject({ code: 'store-unavailable' });
    road.fate = () => 'pass';
    const events = await store.commit(home, [put(1), put(2)]);
    expect(toldOf(events)).toEqual(ids(2));
    expect(await store.eventsAfter(home, '', 10)).toEqual(events);
    expect(await store.commit(home, [put(1)])).toEqual([]);
  });

  describe('with a batch that takes several transactions', () => {
    const batch = () => [1, 2, 3, 4, 5, 6, 7].map((n) => put(n));

    const breaks = [1, 2, 4, 7].flatMap((nth) => [{ nth, fate: 'break' } as const, { nth, fate: 'lose' } as const]);

    it.each(breaks)(
      'comes to the same end by a repeat when from no. $nth on there was only “$fate”',
      async ({ nth, fate }) => {
        let count = 0;
        road.fate = ({ operation }) => (operation === 'TransactWriteItems' && ++count >= nth ? fate : 'pass');
        await expect(store.commit(home, batch())).rejects.toMatchObject({ code: 'store-unavailable' });
        road.fate = () => 'pass';
        const told = await store.commit(home, batch());
        expect(toldOf(told)).toEqual(ids(7));
        expect(await store.eventsAfter(home, '', 20)).toEqual(told);
        expect(await store.countUnread(home)).toBe(7);
        expect((await store.listConversations(home, { limit: 9 })).items).toMatchObject([
          { unread: 7, last: { id: messageId(7) } },
        ]);
      },
    );

    it('comes to the same end when another process repeats it', async () => {
      let count = 0;
      road.fate = ({ operation }) => (operation === 'TransactWriteItems' && ++count >= 3 ? 'lose' : 'pass');
      await expect(store.commit(home, batch())).rejects.toMatchObject({ code: 'store-unavailable' });
      const other = open(local.endpoint, 2_000);
      await other.start();
      await other.commit(home, batch());
      const events = await other.eventsAfter(home, '', 20);
      expect(await other.countUnread(home)).toBe(7);
      await other.stop();
      expect(toldOf(events)).toEqual(ids(7));
    });
  });

  it('keeps count when two processes write to one home', async () => {
    const other = open(local.endpoint, 5_000);
    const patient = open(local.endpoint, 5_000);
    await Promise.all([other.start(), patient.start()]);
    const told = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? other : patient).commit(home, [put(n + 1)])),
    );
    expect(await other.countUnread(home)).toBe(20);
    const events = await other.eventsAfter(home, '', 100);
    expect(events?.map(({ id }) => id)).toEqual(
      told
        .flat()
        .map(({ id }) => id)
        .sort(),
    );
    await Promise.all([other.stop(), patient.stop()]);
  });

  it('finds the message before a deleted one, also while the index does not know it yet', async () => {
    await store.commit(home, [put(1), put(2), put(3)]);
    road.fate = ({ body }) => (body.IndexName === 'by-group' ? { Items: [], Count: 0, ScannedCount: 0 } : 'pass');
    await store.commit(home, [{ type: 'message.delete', id: messageId(3) }]);
    road.fate = () => 'pass';
    expect((await store.listConversations(home, { limit: 9 })).items).toMatchObject([{ last: { id: messageId(2) } }]);
  });

  it('names the mend when there is no such table', async () => {
    const lost = new DynamoStore({ client: local.client(), table: 'nowhere', blobs: new FolderBlobs(place) });
    await expect(lost.start()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('infra/dynamodb.json'),
    });
    await lost.stop();
  });
});
