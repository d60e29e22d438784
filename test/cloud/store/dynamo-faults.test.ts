// DynamoStore over a failing connection: it loses nothing, applies nothing twice, and reports failures to the caller.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import type { Write } from '../../../cloud/store/store.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';
import { type Fate, FaultyRoad, type Passing } from './faulty-road.ts';
import { furnish } from './whole-home.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local is slow when all test files run in parallel.
vi.setConfig({ testTimeout: 60_000 });
const home = 'home';

describe.skipIf(missing !== undefined)('DynamoStore over a failing connection', () => {
  const local = new DynamoDbLocal();
  const road = new FaultyRoad(() => local.endpoint);
  let place: string;
  let store: DynamoStore;
  /** Has a long deadline, for calls that must succeed on a slow machine. */
  let patient: DynamoStore;
  let phone: string;

  const open = (endpoint: string, deadlineMs: number) =>
    new DynamoStore({
      client: local.client(endpoint),
      table: basename(place),
      blobs: new FolderBlobs(place),
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
    patient = open(road.endpoint, 30_000);
    phone = await furnish(patient, home);
    store = open(road.endpoint, 300);
    await store.start();
  });
  afterEach(async () => {
    await Promise.all([store.stop(), patient.stop()]);
    rmSync(place, { recursive: true, force: true });
  });

  it.each<Fate>(['throttle', 'break', 'lose'])('retries after “%s”, and reports one event', async (fate) => {
    let commits = 0;
    road.fate = (passing) => (isCommit(passing) && ++commits === 1 ? fate : 'pass');
    expect(toldOf(await patient.commit(home, [put(1)]))).toEqual([messageId(1)]);
    expect(toldOf(await patient.events.after(home, '', 10))).toEqual([messageId(1)]);
    expect(await patient.conversations.countUnread(home)).toBe(1);
  });

  it.each<Fate>(['throttle', 'break', 'lose'])(
    'begins a request once although its put has the fate “%s”',
    async (fate) => {
      let puts = 0;
      road.fate = ({ operation }) => (operation === 'PutItem' && ++puts === 1 ? fate : 'pass');
      expect(await patient.requests.begin('t_1', 'key', 'print')).toMatchObject({ state: 'new' });
      expect(await patient.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
    },
  );

  it.each<Fate>(['throttle', 'break'])(
    'answers store-unavailable with a time to retry while every request has the fate “%s”',
    async (fate) => {
      road.fate = () => fate;
      const error = { code: 'store-unavailable', retryAfterMs: expect.any(Number) };
      await expect(store.commit(home, [put(1)])).rejects.toMatchObject(error);
      await expect(store.messages.get(home, messageId(1))).rejects.toMatchObject(error);
      await expect(store.ping()).rejects.toMatchObject(error);
      road.fate = () => 'pass';
      expect(toldOf(await store.commit(home, [put(1)]))).toEqual([messageId(1)]);
    },
  );

  it('returns the events of a commit whose answers were all lost with the next commit', async () => {
    road.fate = (passing) => (isCommit(passing) ? 'lose' : 'pass');
    await expect(store.commit(home, [put(1)])).rejects.toMatchObject({ code: 'store-unavailable' });
    road.fate = () => 'pass';
    const events = await store.commit(home, [put(1), put(2)]);
    expect(toldOf(events)).toEqual(ids(2));
    expect(await store.events.after(home, '', 10)).toEqual(events);
    expect(await store.commit(home, [put(1)])).toEqual([]);
  });

  describe('with a batch that is written to its items at once', () => {
    const count = 40;
    const batch = () => Array.from({ length: count }, (_, n) => put(n + 1, `Dinner no. ${n}, ${Math.random()}?`));

    async function hasAll(of: DynamoStore): Promise<void> {
      expect(toldOf(await of.events.after(home, '', 100))).toEqual(ids(count));
      expect(await of.conversations.countUnread(home)).toBe(count);
      expect((await of.conversations.list(home, { limit: 9 })).items).toMatchObject([
        { unread: count, last: { id: messageId(count) } },
      ]);
      for (const filter of [{}, { conversation: '+390110001' }, { status: 'Unread' }]) {
        const { items } = await of.messages.list(home, filter, { limit: 200 });
        expect(items.map(({ id }) => id).reverse()).toEqual(ids(count));
      }
    }

    const breaks = [2, 3, 20, count + 2].flatMap((nth) => [
      { nth, fate: 'break' as const },
      { nth, fate: 'lose' as const },
    ]);

    it.each(breaks)(
      'has committed, and returns the events, when every put from no. $nth on has the fate “$fate”',
      async ({ nth, fate }) => {
        let puts = 0;
        road.fate = (passing) => {
          if (isCommit(passing) || (puts > 0 && passing.operation === 'PutItem')) puts++;
          return puts >= nth ? fate : 'pass';
        };
        const told = await store.commit(home, batch());
        expect(toldOf(told)).toEqual(ids(count));
        road.fate = () => 'pass';
        await hasAll(store);
        const other = open(local.endpoint, 2_000);
        await other.start();
        expect(toldOf(await other.commit(home, [put(count, 'Lunch?')]))).toEqual([messageId(count)]);
        expect(await other.conversations.countUnread(home)).toBe(count);
        await other.stop();
      },
    );

    it('has one outcome when another process repeats a commit of unknown outcome', async () => {
      const writes = batch();
      road.fate = (passing) => (isCommit(passing) ? 'lose' : 'pass');
      await expect(store.commit(home, writes)).rejects.toMatchObject({ code: 'store-unavailable' });
      const other = open(local.endpoint, 2_000);
      await other.start();
      expect(await other.commit(home, writes)).toEqual([]);
      await other.commit(home, [
        put(count + 1, 'x'.repeat(2_000)),
        { type: 'message.delete', id: messageId(count + 1) },
      ]);
      road.fate = () => 'pass';
      // The first process now gets the events of its commit, although they were written to pages long ago.
      expect(toldOf(await store.commit(home, writes))).toEqual(ids(count));
      await other.stop();
    });
  });

  it('counts right when two processes write to one home', async () => {
    const other = open(local.endpoint, 30_000);
    await other.start();
    const told = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? other : patient).commit(home, [put(n + 1)])),
    );
    expect(await other.conversations.countUnread(home)).toBe(20);
    const events = await other.events.after(home, '', 100);
    expect(events?.map(({ id }) => id)).toEqual(
      told
        .flat()
        .map(({ id }) => id)
        .sort(),
    );
    await other.stop();
  });

  it('finds the message before a deleted one while the index is still stale', async () => {
    await store.commit(home, [put(1), put(2), put(3)]);
    road.fate = ({ body }) => (body.IndexName === 'by-group' ? { Items: [], Count: 0, ScannedCount: 0 } : 'pass');
    await store.commit(home, [{ type: 'message.delete', id: messageId(3) }]);
    road.fate = () => 'pass';
    expect((await store.conversations.list(home, { limit: 9 })).items).toMatchObject([{ last: { id: messageId(2) } }]);
  });

  it('says what to do when there is no such table', async () => {
    const lost = new DynamoStore({ client: local.client(), table: 'nowhere', blobs: new FolderBlobs(place) });
    await expect(lost.start()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('infra/dynamodb.json'),
    });
    await lost.stop();
  });
});

/** A put of a home's head. */
function isCommit({ operation, body }: Passing): boolean {
  return operation === 'PutItem' && body.Item?.sk?.S === 'A';
}
