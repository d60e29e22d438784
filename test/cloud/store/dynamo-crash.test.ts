// DynamoStore crashes between any two of its requests, or writes to a home together with a second process: every commit
// is stored whole or not at all, repeating it has no effect, and each event exists once, in order.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import { conversationKey, countsAsUnread } from '../../../cloud/store/rules/conversation-rules.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Write } from '../../../cloud/store/store.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { messageId, phoneMessage, send } from '../../contract/messages.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';
import { everything, furnish, homed } from './whole-home.ts';

const missing = missingForDynamoDbLocal();
// The course runs twice for each of its requests, which takes long.
vi.setConfig({ testTimeout: 600_000 });
const clock = { now: () => Date.UTC(2026, 10, 22, 12) };

/** Homes that run in parallel, to save time. */
const atOnce = 6;
/** The fate of the last request: it is not sent, or it is applied and its answer is lost. */
const deaths = ['before', 'after'] as const;

describe.skipIf(missing !== undefined)('DynamoStore', () => {
  const local = new DynamoDbLocal();
  const opened: DynamoStore[] = [];
  let place: string;

  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'homeline-crash-'));
    await local.start();
    await local.createTable(basename(place));
  });
  afterAll(async () => {
    for (const store of opened) await store.stop();
    await local.stop();
    rmSync(place, { recursive: true, force: true });
  });

  async function open(client = local.client()): Promise<DynamoStore> {
    const store = new DynamoStore({ client, table: basename(place), blobs: new FolderBlobs(place), clock });
    opened.push(store);
    await store.start();
    return store;
  }

  it.each(deaths)(
    'has committed all or nothing when it crashes at any of its requests, %s it is applied',
    async (death) => {
      const expected = await courseInSqlite(join(place, `${death}.db`));
      /** Whether the store crashed, rather than finishing before that request. */
      const dieAt = async (last: number): Promise<boolean> => {
        const home = `${death}-${last}`;
        const first = await open();
        const phone = await furnish(first, home);
        const mortal = new Mortal(local.client(), death);
        const dying = await open(mortal.client);
        mortal.requestsLeft = last;
        const done = await countUntil(course, (writes) => dying.commit(home, homed(writes(phone), home)));
        const died = done < course.length;
        if (died) {
          const second = await open();
          const found = await everything(second, home);
          expect([expected[done], expected[done + 1]], `request ${last} of commit ${done}`).toContainEqual(found);
          for (const writes of course.slice(done)) await second.commit(home, homed(writes(phone), home));
        }
        expect(await everything(first, home), `request ${last}`).toEqual(expected.at(-1));
        return died;
      };
      let died = true;
      for (let last = 1; died; last += atOnce) {
        const lives = Array.from({ length: atOnce }, (_, n) => dieAt(last + n));
        died = (await Promise.all(lives)).every((each) => each);
      }
    },
  );

  it.each<[string, (phone: string) => Write, object[]]>([
    [
      'changed',
      (phone) => put(1, phone, { status: 'Read', bodyOmitted: true }),
      [{ id: messageId(1), status: 'Read' }],
    ],
    ['deleted', () => ({ type: 'message.delete', id: messageId(1) }), []],
  ])('does not bring back, when it comes too late, what another has %s', async (what, write, left) => {
    const home = `late-${what}`;
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const late = await open(
      held(local.client(), (sk) => {
        if (!sk.startsWith('M#')) return undefined;
        reached.resolve();
        return gate.promise;
      }),
    );
    const prompt = await open();
    const phone = await furnish(prompt, home);
    const long = (n: number) => put(n, phone, { body: nothingAlike(n, 900) });
    await late.commit(home, [long(1)]);
    const delayed = late.commit(home, [long(2)]);
    await reached.promise;
    await prompt.commit(home, [write(phone)]);
    for (const n of [3, 4]) await prompt.commit(home, [long(n)]);
    gate.resolve();
    await delayed;
    const { items } = await prompt.messages.list(home, {}, { limit: 9 });
    expect(items).toMatchObject([...[4, 3, 2].map((n) => ({ id: messageId(n) })), ...left]);
    expect(await prompt.conversations.countUnread(home)).toBe(3);
    const conversations = (await prompt.conversations.list(home, { limit: 9 })).items;
    expect(conversations).toMatchObject([{ unread: 3, last: { id: messageId(4) } }]);
  });

  it('agrees with a second process that writes to the same home at the same time', async () => {
    const home = 'shared';
    const stores = [await open(delayed(local.client())), await open(delayed(local.client()))];
    const phone = await furnish(await open(), home);
    const told = await Promise.all(
      stores.map(async (store, writer) => {
        const events: HomeEvent[] = [];
        for (let round = 0; round < 12; round++) {
          for (const writes of quarrel(writer, round, phone)) events.push(...(await insist(store, home, writes)));
        }
        return events;
      }),
    );
    const store = await open();
    const { items } = await store.messages.list(home, {}, { limit: 200 });
    const events = (await store.events.after(home, '', 1_000)) ?? [];
    // Each event exists once, in order, and exactly one of the two returned it.
    expect(events.map(({ id }) => id)).toEqual(told.flatMap((each) => each.map(({ id }) => id)).sort());
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    // The last event of each message shows its present state.
    const retold = new Map<string, unknown>();
    for (const { type, data } of events) {
      if (type === 'message.deleted') retold.delete(data.id);
      else if ('state' in data) retold.set(data.id, data);
    }
    expect(retold.size).toBe(items.length);
    for (const item of items) expect(retold.get(item.id)).toEqual(item);
    // Conversations and counts equal a recount.
    const conversations = (await store.conversations.list(home, { limit: 200 })).items;
    for (const { key, last, unread } of conversations) {
      const among = items.filter((item) => conversationKey(item) === key);
      expect({ last: last.id, unread }).toEqual({ last: among[0]?.id, unread: among.filter(countsAsUnread).length });
    }
    expect(new Set(conversations.map(({ key }) => key))).toEqual(new Set(items.map(conversationKey)));
    expect(await store.conversations.countUnread(home)).toBe(items.filter(countsAsUnread).length);
  });
});

/**
 * A course of commits: arrivals, sends, reads and deletions, one at a time and many at once. Some texts are so long
 * that a head has no room for its earlier changes.
 */
const course: ((phone: string) => Write[])[] = [
  (phone) => [put(1, phone, { body: nothingAlike(1, 300) }), put(2, phone, { from: { address: '+2' } })],
  (phone) => [put(2, phone, { status: 'Read', from: { address: '+2' } })],
  () => [
    { type: 'send.create', message: send(messageId(3)) },
    { type: 'send.move', id: messageId(3), from: ['queued'], to: 'sending' },
  ],
  (phone) => [put(4, phone, { body: nothingAlike(4, 700) })],
  () => [{ type: 'send.move', id: messageId(3), from: ['sending'], to: 'sent', messageId: 'phone-3' }],
  (phone) => [{ ...put(3, phone, { messageId: 'phone-3', folder: 'Sent' }), fingerprint: 'g' } as Write],
  (phone) => [put(5, phone, { body: nothingAlike(5, 700) }), put(4, phone, { status: 'Read', bodyOmitted: true })],
  () => [{ type: 'message.delete', id: messageId(1) }],
  (phone) => Array.from({ length: 6 }, (_, n) => put(10 + n, phone, { body: nothingAlike(n, 900) })),
  (phone) => [put(4, phone, { status: 'Read' }), put(20, phone)],
];

/** Two writers that create, read, send and delete, with overlapping messages. */
function quarrel(writer: number, round: number, phone: string): Write[][] {
  const own = 100 * (writer + 1) + round;
  const shared = 1_000 + (round % 3);
  return [
    [put(own, phone, { from: { address: `+${round % 2}` } })],
    [put(shared, phone, { body: `${writer} ${round}` }), put(own, phone, { status: 'Read' })],
    [{ type: 'send.create', message: { ...send(messageId(2_000 + round)), home: 'shared' } }],
    [{ type: 'send.move', id: messageId(2_000 + round), from: ['queued'], to: 'sending' }],
    ...(round % 4 === 3 ? [[{ type: 'message.delete', id: messageId(own - 1) } as const]] : []),
  ];
}

function put(n: number, phone: string, more: Parameters<typeof phoneMessage>[0] = {}): Write {
  const message = phoneMessage({ messageId: `phone-${n}`, ...more });
  return { type: 'message.put', id: messageId(n), phone, epoch: 0, session: null, fingerprint: 'f', message };
}

/** The same text each time, but incompressible. */
function nothingAlike(seed: number, chars: number): string {
  let state = seed + 1;
  return Array.from({ length: chars }, () => {
    state = (state * 48_271) % 0x7fffffff;
    return String.fromCharCode(33 + (state % 90));
  }).join('');
}

/** The home before the first commit of the course, and after each. */
async function courseInSqlite(path: string): Promise<unknown[]> {
  const store = new SqliteStore({ path, clock });
  try {
    const phone = await furnish(store, 'home');
    const states = [await everything(store, 'home')];
    for (const writes of course) {
      await store.commit('home', writes(phone));
      states.push(await everything(store, 'home'));
    }
    return states;
  } finally {
    await store.stop();
  }
}

/** Retries like an agent when the store is unavailable. */
async function insist(store: DynamoStore, home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
  for (;;) {
    try {
      return await store.commit(home, writes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'store-unavailable' });
    }
  }
}

/** The number of commits before the first failure. */
async function countUntil<Step>(steps: readonly Step[], run: (step: Step) => Promise<unknown>): Promise<number> {
  for (const [index, step] of steps.entries()) {
    try {
      await run(step);
    } catch (error) {
      expect(error).toMatchObject({ code: 'store-unavailable' });
      return index;
    }
  }
  return steps.length;
}

/** A client that stops working after a number of requests. */
class Mortal {
  readonly client: DynamoDBClient;
  requestsLeft = Number.POSITIVE_INFINITY;

  constructor(client: DynamoDBClient, death: (typeof deaths)[number]) {
    this.client = client;
    client.middlewareStack.add(
      (next) => async (step) => {
        const left = this.requestsLeft--;
        // An error that the store does not retry.
        const end = Object.assign(new Error('dead'), { name: 'AccessDeniedException' });
        if (left < 1 || (left === 1 && death === 'before')) throw end;
        const result = await next(step);
        if (left === 1) throw end;
        return result;
      },
      { step: 'initialize', priority: 'low' },
    );
  }
}

/** A client whose puts wait for the promise that `until` returns for their sort keys. */
function held(client: DynamoDBClient, until: (sk: string) => Promise<void> | undefined): DynamoDBClient {
  client.middlewareStack.add(
    (next) => async (step) => {
      const { Item } = step.input as { Item?: { sk?: unknown } };
      if (Item !== undefined) await until(String(Item.sk));
      return next(step);
    },
    { step: 'initialize', priority: 'high' },
  );
  return client;
}

function delayed(client: DynamoDBClient): DynamoDBClient {
  client.middlewareStack.add(
    (next) => async (step) => {
      await sleep(Math.random() * 8);
      const result = await next(step);
      await sleep(Math.random() * 8);
      return result;
    },
    { step: 'initialize', priority: 'low' },
  );
  return client;
}
