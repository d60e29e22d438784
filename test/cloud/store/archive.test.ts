// Property: messages that the household did not delete stay unchanged, found and counted, for any reports in any order.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toStoredEvent } from '../../../cloud/hub/edge-events.ts';
import { PhoneRegistry } from '../../../cloud/hub/phone-registry.ts';
import { countsAsUnread } from '../../../cloud/store/rules/conversation-rules.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { Write } from '../../../cloud/store/store.ts';
import { messageFolders, messageStatuses } from '../../../protocol/actions.ts';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';

const udn = 'uuid:1';
const ofPhone = { udn, epoch: 0 };
const number = fc.integer({ min: 1, max: 6 });
const flag = fc.constantFrom<true | undefined>(true, undefined);

const put = fc
  .record({ n: number, folder: fc.constantFrom(...messageFolders), status: fc.constantFrom(...messageStatuses) })
  .map(({ n, folder, status }): EdgeEvent => {
    const time = `2026-11-22T11:00:0${n}.000Z`;
    const message = phoneMessage({ messageId: `phone-${n}`, body: `text ${n}`, time, folder, status });
    return { type: 'message.put', ...ofPhone, id: messageId(n), message, fingerprint: `f${n}` };
  });
const deleted = fc.record({ n: number, requested: flag, confirmed: flag }).map(
  ({ n, requested, confirmed }): EdgeEvent => ({
    type: 'message.deleted',
    ...ofPhone,
    id: messageId(n),
    ...(requested && { requested }),
    ...(confirmed && { confirmed }),
  }),
);
type Step = { event: EdgeEvent } | { write: Write };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: put.map((event) => ({ event })) },
  { weight: 5, arbitrary: deleted.map((event) => ({ event })) },
  { weight: 1, arbitrary: number.map((n): Step => ({ write: { type: 'message.delete', id: messageId(n) } })) },
  { weight: 1, arbitrary: number.map((n): Step => ({ write: { type: 'message.read', id: messageId(n) } })) },
);

let folder: string;
let store: SqliteStore;
let homes = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-archive-'));
  store = new SqliteStore({ path: join(folder, 'homeline.db') });
  await store.start();
});
afterAll(async () => {
  await store.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('keeps every message that was ever shown and that the household did not delete', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const home = `home ${homes++}`;
      await store.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
      const phones = await store.phones.put(home, [presence(udn, { trusted: true })]);
      const phoneRegistry = new PhoneRegistry(home, store, { online: [] });
      phoneRegistry.keep(phones);
      const expected = new Map<string, boolean>();
      const deleted = new Set<string>();
      for (const [index, each] of steps.entries()) {
        const judged =
          'event' in each ? toStoredEvent({ seq: index + 1, time: '', event: each.event }, phoneRegistry, index) : each;
        if (!('write' in judged) || judged.write === undefined) throw new Error('every step is a write');
        await store.commit(home, [judged.write]);
        const { id } = 'event' in each && 'id' in each.event ? each.event : (judged.write as { id: string });
        const isRequested = 'event' in each && each.event.type === 'message.deleted' && each.event.requested === true;
        if (isRequested || judged.write.type === 'message.delete') {
          if (expected.delete(id)) deleted.add(id);
        } else if (judged.write.type === 'message.put' && !deleted.has(id)) expected.set(id, true);
        else if (judged.write.type === 'message.absent' && expected.has(id)) expected.set(id, false);
      }
      const { items } = await store.messages.list(home, {}, { limit: 200 });
      expect(new Map(items.map((message) => [message.id, message.onPhone]))).toEqual(expected);
      for (const message of items) expect(`text ${Number(message.id.slice(2))}`).toBe(message.body);
      expect(await store.conversations.countUnread(home)).toBe(items.filter(countsAsUnread).length);
      const { items: known } = await store.messages.inventory(home, phones[0]?.id ?? '', { limit: 100 });
      expect(known.filter(({ deleted: isDeleted }) => isDeleted).map(({ id }) => id)).toEqual([...deleted].sort());
      expect(known.filter(({ absent }) => absent).map(({ id }) => id)).toEqual(
        [...expected]
          .filter(([, onPhone]) => !onPhone)
          .map(([id]) => id)
          .sort(),
      );
    }),
    { numRuns: 200 },
  );
});
