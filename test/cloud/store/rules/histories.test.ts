// What holds for every history of writes: replays change nothing, what was deleted stays so, counts are true.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MessageRecord } from '../../../../cloud/store/message-store.ts';
import { conversationKey, countsAsUnread } from '../../../../cloud/store/rules/conversation-rules.ts';
import { Cursors } from '../../../../cloud/store/rules/cursor.ts';
import { moveSend, putMessage, type StoredMessage } from '../../../../cloud/store/rules/message-rules.ts';
import { searchText, searchWords } from '../../../../cloud/store/rules/search-text.ts';
import { SqliteStore } from '../../../../cloud/store/sqlite.ts';
import type { Write } from '../../../../cloud/store/store.ts';
import { messageFolders, messageStatuses } from '../../../../protocol/actions.ts';
import { messageStates } from '../../../../protocol/model.ts';
import type { PhoneMessage } from '../../../../protocol/phone-model.ts';
import { nextUlid, ulidFloor } from '../../../../shared/ulid.ts';
import { messageId, phoneMessage, send, sessionId } from '../../../contract/messages.ts';

type Put = Extract<Write, { type: 'message.put' }>;

const party = fc.constantFrom('+1', '+2', ' +2', 'a@b.c').map((address) => ({ address }));
const message: fc.Arbitrary<PhoneMessage> = fc
  .record({
    folder: fc.constantFrom(...messageFolders),
    status: fc.constantFrom(...messageStatuses),
    from: party,
    to: fc.array(party, { maxLength: 2 }),
    body: fc.constantFrom('Dinner', 'Lunch'),
  })
  .map(phoneMessage);
const put: fc.Arbitrary<Put> = fc.record({
  type: fc.constant('message.put'),
  id: fc.integer({ min: 1, max: 6 }).map(messageId),
  phone: fc.constant('p_1'),
  epoch: fc.constant(0),
  session: fc.constantFrom(null, sessionId(1)),
  message,
  fingerprint: fc.constant('f'),
});
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 5, arbitrary: put },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('message.delete'), id: put.map((each) => each.id) }) },
  { weight: 1, arbitrary: put.map((each): Write => ({ type: 'send.create', message: send(each.id) })) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('send.move'),
      id: put.map((each) => each.id),
      from: fc.subarray([...messageStates]),
      to: fc.constantFrom(...messageStates.slice(1)),
    }),
  },
);

describe('any history of writes', () => {
  let folder: string;
  let store: SqliteStore;
  let homes = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'homeline-history-'));
    store = new SqliteStore({ path: join(folder, 'homeline.db') });
    await store.start();
  });
  afterAll(async () => {
    await store.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('leaves conversations and counts as a recount of the messages gives them, and its events retell it', async () => {
    const history = fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(history, async (batches) => {
        const home = `home ${homes++}`;
        await store.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
        const events = (await Promise.all(batches.map((batch) => store.commit(home, batch)))).flat();
        const { items } = await store.messages.list(home, {}, { limit: 200 });

        const expected = new Map<string, { last: string; unread: number }>();
        for (const each of items) {
          const key = conversationKey(each);
          if (key === undefined) continue;
          const known = expected.get(key) ?? { last: each.id, unread: 0 };
          expected.set(key, { ...known, unread: known.unread + Number(countsAsUnread(each)) });
        }
        const conversations = (await store.conversations.list(home, { limit: 200 })).items;
        expect(new Map(conversations.map(({ key, last, unread }) => [key, { last: last.id, unread }]))).toEqual(
          expected,
        );
        expect(await store.conversations.countUnread(home)).toBe(items.filter(countsAsUnread).length);

        const told = new Map<string, unknown>();
        for (const event of events) {
          if (event.type === 'message.deleted') told.delete(event.data.id);
          else if ('state' in event.data) told.set(event.data.id, event.data);
        }
        expect([...told.values()]).toEqual(expect.arrayContaining(items));
        expect(told.size).toBe(items.length);

        const deleted = events.filter((event) => event.type === 'message.deleted').map((event) => event.data.id);
        expect(new Set(deleted).size).toBe(deleted.length);
        for (const id of deleted) expect(await store.messages.get(home, id)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });
});

describe('what a write makes of a message', () => {
  const record = (history: Put[]): StoredMessage =>
    history.reduce<StoredMessage>((current, each) => putMessage(current, each, 'home')?.next ?? current, undefined);

  it('is nothing new when the same comes again', () => {
    fc.assert(
      fc.property(fc.array(put), put, (history, last) => {
        expect(putMessage(record([...history, last]), last, 'home')).toBeUndefined();
      }),
    );
  });

  it('never changes its time, nor takes back that it was sent', () => {
    fc.assert(
      fc.property(fc.array(put, { minLength: 1 }), put, (history, last) => {
        const before = record(history) as MessageRecord;
        const { next } = putMessage(before, last, 'home') ?? { next: before };
        expect(next.time).toBe(before.time);
        if (before.state === 'sent') expect(next.state).not.toBe('sending');
      }),
    );
  });

  it('moves a send only from where it is', () => {
    fc.assert(
      fc.property(fc.subarray([...messageStates]), fc.constantFrom(...messageStates), (from, to) => {
        const change = moveSend(send(messageId(1)), { type: 'send.move', id: messageId(1), from, to });
        expect(change?.next.state).toBe(from.includes('queued') && to !== 'queued' ? to : undefined);
      }),
    );
  });
});

describe('ordered identifiers', () => {
  const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });

  it('grow with every step of any clock', () => {
    fc.assert(
      fc.property(fc.array(time, { minLength: 2, maxLength: 50 }), (times) => {
        let last = '';
        for (const nowMs of times) {
          const next = nextUlid(last, nowMs);
          expect(next > last).toBe(true);
          expect(next >= ulidFloor(nowMs)).toBe(true);
          expect(next).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
          last = next;
        }
      }),
    );
  });
});

describe('cursors', () => {
  const list = { kind: 'messages', home: 'home', filter: { folder: 'Sent' } } as const;
  const cursors = new Cursors();
  cursors.secret = 'secret';

  it('carry any position, and open with the secret only', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (position) => {
        const cursor = cursors.write(list, position);
        expect(cursors.read(list, cursor)).toBe(position);
        expect(() => new Cursors().read(list, cursor)).toThrow('another list');
      }),
    );
  });

  it('cannot be made up', () => {
    fc.assert(
      fc.property(fc.string(), (cursor) => {
        expect(() => cursors.read(list, cursor)).toThrow('another list');
      }),
    );
  });
});

describe('search', () => {
  it('finds every piece of every text', () => {
    const pieces = fc.tuple(fc.string(), fc.string({ minLength: 1 }), fc.string());
    fc.assert(
      fc.property(pieces, ([before, piece, after]) => {
        const text = searchText({ ...send(messageId(1)), body: before + piece + after });
        for (const word of searchWords(piece)) expect(text).toContain(word);
      }),
    );
  });
});
