// Deletion by the home's settings, and the questions asked before it.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Retention } from '../../../cloud/hub/retention.ts';
import type { Write } from '../../../cloud/store/store.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import { messageId, phoneMessage, presence, send } from '../../contract/messages.ts';
import { numbers } from '../../contract/store/store-under-test.ts';
import { HubHarness, unavailable } from './hub-harness.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
let bench: HubHarness;
let phone: string;
let retention: Retention;

beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
  phone = (await bench.store.phones.put('home', [presence('uuid:1', { trusted: true })]))[0]?.id ?? '';
  retention = made();
});
afterEach(async () => {
  await retention.stop();
  await bench.stop();
});

function made(): Retention {
  const { deps } = bench;
  const commit = (writes: readonly Write[]) => deps.store.commit('home', writes);
  return new Retention({ id: 'home', phones: () => [phone], commit }, deps);
}

const commit = (...writes: Write[]) => bench.store.commit('home', writes);

function put(n: number, time = '2026-11-22T11:00:00.000Z', id = messageId(n)): Write {
  const message = phoneMessage({ messageId: `phone-${n}`, time });
  return { type: 'message.put', id, phone, epoch: 0, session: null, fingerprint: `f${n}`, message };
}

const missing = (n: number, isConfirmed = true): Write => {
  return { type: 'message.absent', id: messageId(n), atMs: bench.clock.nowMs, isConfirmed };
};
const settings = async () => (await bench.store.homes.get('home'))?.settings;
const held = async () => (await bench.store.messages.list('home', {}, { limit: 200 })).items.length;

describe('like-the-phone', () => {
  beforeEach(() => commit({ type: 'home.change', keep: 'like-the-phone' }, ...numbers(1, 20).map((n) => put(n))));

  it('deletes messages that two lists lacked, and keeps those that one list lacked', async () => {
    await commit(...[1, 2].map((n) => missing(n)), missing(3, false));
    await retention.run();
    expect(await held()).toBe(18);
    expect(await bench.store.messages.get('home', messageId(3))).toBeDefined();
    expect(await commit(put(1))).toEqual([]);
    // The agent repeats absences that the cloud seems not to know, also after a reset of the phone.
    bench.clock.nowMs += hourMs;
    await commit(missing(3, false));
    await retention.run();
    expect(await held()).toBe(18);
    await commit(missing(3));
    await retention.run();
    expect(await held()).toBe(17);
  });

  it('deletes nothing with the default rule', async () => {
    await commit({ type: 'home.change', keep: 'always' }, ...numbers(1, 20).map((n) => missing(n)));
    await retention.run();
    expect(await held()).toBe(20);
    expect(await settings()).not.toHaveProperty('questions');
  });

  it('asks before more than half of a phone’s messages go, and follows the answer', async () => {
    await commit(...numbers(1, 11).map((n) => missing(n)));
    await retention.run();
    expect(await held()).toBe(20);
    const question = (await settings())?.questions?.[0];
    expect(question).toMatchObject({ kind: 'missing-messages', phone, count: 11, of: 20 });
    // Other numbers have another id, so that nobody answers a question that was not shown.
    await commit(missing(12));
    await retention.run();
    const asked = (await settings())?.questions?.[0];
    expect(asked).toMatchObject({ count: 12, of: 20 });
    expect(asked?.id).not.toBe(question?.id);
    expect(await commit({ type: 'question.answer', id: question?.id ?? '', answer: 'delete' })).toEqual([]);
    await commit({ type: 'question.answer', id: asked?.id ?? '', answer: 'delete' });
    await retention.run();
    expect(await held()).toBe(8);
    expect(await settings()).not.toHaveProperty('questions');
    expect((await settings())?.missing?.[phone]).not.toHaveProperty('deleteUpToMs');
  });

  it('keeps the messages that the household wants to keep, and does not ask again', async () => {
    await commit(...numbers(1, 20).map((n) => missing(n)));
    await retention.run();
    await commit({ type: 'question.answer', id: (await settings())?.questions?.[0]?.id ?? '', answer: 'keep' });
    await retention.run();
    bench.clock.nowMs += 2 * dayMs;
    await retention.run();
    expect(await held()).toBe(20);
    expect(await settings()).not.toHaveProperty('questions');
  });

  it('withdraws the question when the phone has the messages again', async () => {
    await commit(...numbers(1, 20).map((n) => missing(n)));
    await retention.run();
    await commit(...numbers(1, 20).map((n) => put(n)));
    await retention.run();
    expect(await settings()).not.toHaveProperty('questions');
    expect(await held()).toBe(20);
  });

  it.each([
    ['half an hour', hourMs / 2],
    ['a day', dayMs],
    ['a day and a second', dayMs + 1_000],
  ])('counts many small deletions together, each %s after the last', async (_, stepMs) => {
    for (const n of numbers(1, 20)) {
      bench.clock.nowMs += stepMs;
      await commit(missing(n));
      await retention.run();
    }
    expect(await held()).toBe(10);
    expect((await settings())?.questions).toMatchObject([{ count: 10, of: 10 }]);
  });

  it('deletes at most half unasked within 30 days, whatever arrives and disappears', async () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('gone' as const), n: fc.integer({ min: 1, max: 40 }), isConfirmed: fc.boolean() }),
      fc.record({ type: fc.constant('listed' as const), n: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ type: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: dayMs }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await retention.stop();
        await bench.stop();
        bench = new HubHarness();
        await bench.start();
        phone = (await bench.store.phones.put('home', [presence('uuid:1', { trusted: true })]))[0]?.id ?? '';
        retention = made();
        const first = numbers(1, 20);
        await commit({ type: 'home.change', keep: 'like-the-phone' }, ...first.map((n) => put(n)));
        const ever = new Set(first);
        for (const each of steps) {
          if (each.type === 'pause') bench.clock.nowMs += each.ms;
          else if (each.type === 'gone') await commit(missing(each.n, each.isConfirmed));
          else {
            await commit(put(each.n));
            ever.add(each.n);
          }
          await retention.run();
          expect(2 * (await held())).toBeGreaterThanOrEqual(ever.size);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('starts a new count after 30 days', async () => {
    await commit(...numbers(1, 10).map((n) => missing(n)));
    await retention.run();
    expect(await held()).toBe(10);
    bench.clock.nowMs += 31 * dayMs;
    await commit(...numbers(11, 15).map((n) => missing(n)));
    await retention.run();
    expect(await held()).toBe(5);
  });

  it('asks about messages that were missing before the setting, however few', async () => {
    await commit({ type: 'home.change', keep: 'always' }, missing(1));
    bench.clock.nowMs += minuteMs;
    await commit({ type: 'home.change', keep: 'like-the-phone' });
    await retention.run();
    expect(await held()).toBe(20);
    expect((await settings())?.questions).toMatchObject([{ count: 1, of: 20 }]);
  });

  it('spares a message that the phone lists again before it is deleted', async () => {
    await commit(missing(1), put(1));
    expect(await commit({ type: 'message.delete', id: messageId(1), onlyMissing: true })).toEqual([]);
    expect(await held()).toBe(20);
  });

  it('tries again after the store was unavailable', async () => {
    await commit(missing(1));
    bench.fault = unavailable;
    await retention.run();
    expect(await held()).toBe(20);
    bench.fault = undefined;
    bench.clock.pass(minuteMs);
    await retention.run();
    expect(await held()).toBe(19);
  });
});

describe('keepDays', () => {
  const old = (n: number, daysAgo: number) => {
    const atMs = bench.clock.nowMs - daysAgo * dayMs;
    return put(n, new Date(atMs).toISOString(), idAt(atMs, n));
  };

  it('deletes older messages in batches, and later those that have become too old', async () => {
    await commit(...numbers(1, 130).map((n) => old(n, 31)), ...numbers(131, 135).map((n) => old(n, 29)));
    await retention.run();
    expect(await held()).toBe(135);
    await commit({ type: 'home.change', keepDays: 30 });
    bench.commits = [];
    await retention.run();
    expect(await held()).toBe(5);
    expect(Math.max(...bench.commits.map((writes) => writes.length))).toBeLessThanOrEqual(50);
    bench.clock.nowMs += 2 * dayMs;
    bench.clock.pass(0);
    await retention.run();
    expect(await held()).toBe(0);
    expect(await commit(old(1, 33))).toEqual([]);
  });

  it('keeps sends in flight, and new messages whose phone’s clock was never set', async () => {
    const longAgo = { ...send(idAt(0, 9)), time: '2020-01-01T00:00:00.000Z' };
    const undated = put(1, '1970-01-02T00:00:00.000Z', idAt(dayMs, 1)) as Extract<Write, { type: 'message.put' }>;
    await commit(
      { type: 'home.change', keepDays: 1 },
      { type: 'send.create', message: longAgo },
      { ...undated, hops: [['tunnel', bench.clock.nowMs]] },
    );
    await retention.run();
    expect(await held()).toBe(2);
    bench.clock.nowMs += 2 * dayMs;
    await retention.run();
    expect(await held()).toBe(1);
  });
});

/** The n-th identifier with that time. */
function idAt(timeMs: number, n: number): string {
  return `m_${ulidFloor(timeMs).slice(0, 20)}${String(n).padStart(6, '0')}`;
}
