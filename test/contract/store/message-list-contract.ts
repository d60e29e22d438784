// The contract of Store: pages of messages and searching them.
import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../protocol/limits.ts';
import { messageId, presence, sessionId } from '../messages.ts';
import { home, numbers, type StoreUnderTest } from './store-under-test.ts';

export function pagesContract(at: StoreUnderTest): void {
  describe('pages of messages', () => {
    it('list every message once, newest first, while more arrive', async () => {
      await at.commit(...numbers(1, 25).map((n) => at.put(messageId(n), { messageId: `phone-${n}` })));
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await at.store.messages.list(home, {}, { limit: 10, cursor });
        seen.push(...page.items.map((message) => message.id));
        cursor = page.next ?? undefined;
        await at.commit(at.put(messageId(100 + seen.length)));
      } while (cursor !== undefined);
      expect(seen).toEqual(numbers(1, 25).reverse().map(messageId));
    });

    it('end without a cursor, also when the last page is exactly full', async () => {
      await at.commit(...numbers(1, 4).map((n) => at.put(messageId(n))));
      expect((await at.store.messages.list(home, {}, { limit: 4 })).next).toBeNull();
      expect((await at.store.messages.list(home, {}, { limit: 3 })).next).not.toBeNull();
    });

    it('take every combination of filters', async () => {
      const second = (await at.store.phones.put(home, [presence('uuid:2')]))[1] ?? at.phone;
      const spread = numbers(0, 63);
      const traits = (n: number) =>
        ({
          messageClass: n & 1 ? 'MMS' : 'SMS',
          folder: n & 2 ? 'Deleted' : 'Received',
          status: n & 4 ? 'Read' : 'Unread',
          session: n & 8 ? sessionId(1) : sessionId(2),
          phone: n & 16 ? second.id : at.phone.id,
          from: n & 32 ? '+1' : '+2',
        }) as const;
      await at.commit(
        ...spread.map((n) => {
          const { messageClass, folder, status, session, phone, from } = traits(n);
          return at.put(messageId(n), { messageClass, folder, status, from: { address: from } }, { session, phone });
        }),
      );
      const fields = ['messageClass', 'folder', 'status', 'session', 'phone', 'from'] as const;
      for (const chosen of spread) {
        const wanted = traits(chosen);
        for (const subset of spread) {
          const filter = Object.fromEntries(
            fields.filter((_, bit) => subset & (1 << bit)).map((field) => [field, wanted[field]]),
          );
          const expected = spread
            .filter((n) => (n & subset) === (chosen & subset))
            .reverse()
            .map(messageId);
          if (chosen % 7 === 0) expect(await at.ids(filter)).toEqual(expected);
        }
      }
      const conversation = sessionId(1);
      expect(await at.ids({ conversation, status: 'Read' })).toEqual(
        spread
          .filter((n) => n & 8 && n & 4 && !(n & 2))
          .reverse()
          .map(messageId),
      );
    });

    it('find unread messages in all conversations, between read ones', async () => {
      const states = new Map<number, { folder: 'Received' | 'Sent'; status: 'Read' | 'Unread' }>();
      const say = (n: number, status: 'Read' | 'Unread') => {
        const folder = n % 17 === 0 ? 'Sent' : 'Received';
        states.set(n, { folder, status });
        return at.put(messageId(n), { messageId: `phone-${n}`, from: { address: `+${n % 11}` }, folder, status });
      };
      const agree = async () => {
        for (const filter of [
          { status: 'Unread' },
          { folder: 'Received', status: 'Unread' },
          { folder: 'Sent', status: 'Unread' },
        ]) {
          const seen: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await at.store.messages.list(home, filter, { limit: 7, cursor });
            seen.push(...page.items.map((message) => message.id));
            cursor = page.next ?? undefined;
          } while (cursor !== undefined);
          const expected = [...states]
            .filter(([, { folder, status }]) => status === 'Unread' && folder === (filter.folder ?? folder))
            .map(([n]) => messageId(n));
          expect(seen).toEqual(expected.sort().reverse());
        }
      };
      await at.commit(...numbers(10, 79).map((n) => say(n, n % 3 === 0 ? 'Unread' : 'Read')));
      await agree();
      // Some conversations have a read oldest or newest message; the oldest of all arrives late; one becomes unread
      // again.
      await at.commit(...[12, 15, 18, 78, 75, 51].map((n) => say(n, 'Read')), say(3, 'Unread'), say(11, 'Unread'));
      await agree();
      await at.commit(...numbers(10, 79).map((n) => say(n, 'Read')));
      await agree();
      await at.commit(say(64, 'Unread'));
      await agree();
    });

    it('refuse an invalid limit, and a cursor of another list', async () => {
      await at.store.homes.create({ id: 'other', account: 'account', name: 'Other', owner: 'Ada' });
      await at.commit(...numbers(1, 3).map((n) => at.put(messageId(n), { messageId: `phone-${n}` })));
      const { next } = await at.store.messages.list(home, { folder: 'Received' }, { limit: 1 });
      const cursor = next ?? '';
      const altered = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'E' : 'A');
      const invalid = { code: 'invalid-request' };
      for (const limit of [0, -1, 1.5, 201, Number.NaN]) {
        await expect(at.store.messages.list(home, {}, { limit })).rejects.toMatchObject(invalid);
      }
      for (const [place, filter, given] of [
        ['other', { folder: 'Received' }, cursor],
        [home, {}, cursor],
        [home, { folder: 'Sent' }, cursor],
        [home, { folder: 'Received', status: 'Unread' }, cursor],
        [home, { folder: 'Received' }, altered],
        [home, { folder: 'Received' }, `${cursor}AAAA`],
        [home, { folder: 'Received' }, ''],
        [home, { folder: 'Received' }, 'not a cursor ☃'],
      ] as const) {
        await expect(at.store.messages.list(place, filter, { limit: 1, cursor: given })).rejects.toMatchObject(invalid);
      }
      await expect(at.store.conversations.list(home, { limit: 1, cursor })).rejects.toMatchObject(invalid);
      await expect(at.store.sessions.list(home, {}, { limit: 1, cursor })).rejects.toMatchObject(invalid);
      await at.reopen();
      const page = await at.store.messages.list(home, { folder: 'Received', status: undefined }, { limit: 1, cursor });
      expect(page.items.map((message) => message.id)).toEqual([messageId(2)]);
    });
  });

  describe('finding text', () => {
    beforeEach(async () => {
      await at.commit(
        at.put(messageId(1), { body: 'The Plumber comes at 8', subject: 'Boiler' }),
        at.put(messageId(2), {
          body: 'Crème brûlée — 100% "ready" AND OR NOT *',
          from: { address: '+49 1512 345', displayName: 'Zoë' },
        }),
        at.put(messageId(3), { body: '今晩の晩飯は鍋です', to: [{ address: 'ada@example.org' }] }),
        at.put(messageId(4), { body: 'Ужин в восемь', folder: 'Sent' }),
      );
    });

    it.each<[string, number[]]>([
      ['plumber', [1]],
      ['LUMB', [1]],
      ['boiler', [1]],
      ['comes 8', [1]],
      ['8', [1]],
      ['512', [2]],
      ['creme BRULEE', [2]],
      ['zoe', [2]],
      ['100%', [2]],
      ['"ready"', [2]],
      ['*', [2]],
      ['AND', [2]],
      ['晩飯', [3]],
      ['今晩の', [3]],
      ['ada@', [3]],
      ['ужин', [4]],
      ['вос УЖ', [4]],
      ['plumber creme', []],
      ['_', []],
      ['   ', [4, 3, 2, 1]],
      ['', [4, 3, 2, 1]],
    ])('finds “%s”', async (text, expected) => {
      expect(await at.ids({ text })).toEqual(expected.map(messageId));
    });

    it('takes any text as words, up to 500 characters', async () => {
      const long = 'a'.repeat(limits.bodyChars);
      await at.commit(at.put(messageId(5), { body: long }), at.put(messageId(6), { body: 'abc\0def \ud800 "NEAR(' }));
      expect(await at.ids({ text: long.slice(0, 500) })).toEqual([messageId(5)]);
      expect(await at.ids({ text: `${long.slice(0, 400)}b` })).toEqual([]);
      expect(await at.ids({ text: 'abc\0def' })).toEqual([messageId(6)]);
      expect(await at.ids({ text: '"near(' })).toEqual([messageId(6)]);
      for (const text of ['"', '\0\0\0', '\ud800\ud800\ud800', 'a* OR b:c ^d', numbers(1, 120).join(' ')])
        await at.ids({ text });
      await expect(at.ids({ text: long.slice(0, 501) })).rejects.toMatchObject({ code: 'invalid-request' });
    });

    it('combines text with every other filter', async () => {
      expect(await at.ids({ text: 'восемь', folder: 'Sent' })).toEqual([messageId(4)]);
      expect(await at.ids({ text: 'восемь', folder: 'Received' })).toEqual([]);
    });

    it('finds a message by its present text, not its former text', async () => {
      await at.commit(at.put(messageId(1), { body: 'The electrician comes' }));
      expect(await at.ids({ text: 'plumber' })).toEqual([]);
      expect(await at.ids({ text: 'electrician' })).toEqual([messageId(1)]);
    });
  });
}
