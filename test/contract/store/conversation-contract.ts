// The contract of Store: conversations.
import { describe, expect, it } from 'vitest';
import { messageId, send, sessionId } from '../messages.ts';
import { home, numbers, type StoreUnderTest } from './store-under-test.ts';

export function conversationsContract(at: StoreUnderTest): void {
  describe('conversations', () => {
    const list = async () => (await at.store.conversations.list(home, { limit: 200 })).items;

    it('group messages by the people in them, in both directions', async () => {
      await at.commit(
        at.put(messageId(1), { from: { address: ' +1 ', displayName: 'Ann' } }),
        at.put(messageId(2), { folder: 'Sent', to: [{ address: '+1' }] }),
        at.put(messageId(3), { folder: 'Sent', to: [{ address: '+2' }, { address: '+1' }] }),
        at.put(messageId(4), { from: { address: '+1' } }, { session: sessionId(1) }),
      );
      expect(await list()).toMatchObject([
        { key: sessionId(1), session: sessionId(1), unread: 1, last: { id: messageId(4) } },
        { key: '+1\n+2', session: null, unread: 0, last: { id: messageId(3) } },
        {
          key: '+1',
          session: null,
          unread: 1,
          last: { id: messageId(2) },
          parties: [{ address: '+1', displayName: 'Ann' }],
        },
      ]);
      expect(await at.ids({ conversation: '+1' })).toEqual([messageId(2), messageId(1)]);
      expect(await at.store.conversations.countUnread(home)).toBe(2);
    });

    it('follow messages as they are read, moved and deleted', async () => {
      await at.commit(...[1, 2, 3].map((n) => at.put(messageId(n))));
      await at.commit(at.put(messageId(3), { status: 'Read' }));
      expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(3), status: 'Read' } }]);
      await at.commit(at.put(messageId(3), { folder: 'Deleted', status: 'Read' }));
      expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(2) } }]);
      await at.commit({ type: 'message.delete', id: messageId(2) });
      expect(await list()).toMatchObject([{ unread: 1, last: { id: messageId(1) } }]);
      await at.commit(at.put(messageId(1), { folder: 'Deleted' }));
      expect(await list()).toEqual([]);
      expect(await at.store.conversations.countUnread(home)).toBe(0);
    });

    it('show the last message as it is now, however long it is', async () => {
      const body = 'a long letter '.repeat(2_000);
      await at.commit(at.put(messageId(1)), at.put(messageId(2), { body }));
      const last = async () => (await list())[0]?.last;
      expect(await last()).toMatchObject({ id: messageId(2), body });
      await at.commit(at.put(messageId(2), { body: 'a short one' }));
      expect(await last()).toEqual((await at.store.messages.list(home, {}, { limit: 1 })).items[0]);
      await at.commit(at.put(messageId(1), { body: 'older, but changed later' }));
      expect(await last()).toMatchObject({ id: messageId(2), body: 'a short one' });
      await at.commit({ type: 'message.delete', id: messageId(2) });
      expect(await last()).toMatchObject({ id: messageId(1), body: 'older, but changed later' });
      await at.commit({ type: 'send.create', message: send(messageId(3), { to: [{ address: '+390110001' }] }) });
      expect(await last()).toMatchObject({ id: messageId(3), state: 'queued' });
      await at.commit({ type: 'send.move', id: messageId(3), from: ['queued'], to: 'sent', messageId: 'phone-3' });
      expect(await last()).toMatchObject({ id: messageId(3), state: 'sent', messageId: 'phone-3' });
    });

    it('come in pages, the latest first', async () => {
      await at.commit(...numbers(1, 5).map((n) => at.put(messageId(n), { from: { address: `+${n}` } })));
      await at.commit(at.put(messageId(6), { from: { address: '+1' } }));
      const first = await at.store.conversations.list(home, { limit: 3 });
      const rest = await at.store.conversations.list(home, { limit: 3, cursor: first.next ?? undefined });
      expect([...first.items, ...rest.items].map((each) => each.key)).toEqual(['+1', '+5', '+4', '+3', '+2']);
      expect(rest.next).toBeNull();
    });

    const spellings = ['+390110001', '00390110001', '+39 011 0001', 'tel:+39-011-0001', '011 0001'];

    it('are one for each person across all spellings of the address, and show the latest spelling', async () => {
      const mails = ['ada@example.org', 'Ada@Example.org', 'mailto:ada@example.org', 'Ada <ada@example.org>'];
      await at.commit(
        ...spellings.map((address, n) => at.put(messageId(n + 1), { from: { address } })),
        ...mails.map((address, n) => at.put(messageId(n + 11), { messageClass: 'e-Mail', from: { address } })),
        at.put(messageId(20), {
          folder: 'Sent',
          from: { address: '' },
          to: [{ address: '011 0001' }, { address: mails[0] ?? '' }],
        }),
      );
      expect(await list()).toMatchObject([
        { key: '+390110001\nada@example.org', parties: [{ address: '011 0001' }, { address: 'ada@example.org' }] },
        { key: 'ada@example.org', unread: 4, parties: [{ address: 'Ada <ada@example.org>' }] },
        { key: '+390110001', unread: 5, parties: [{ address: '011 0001' }], last: { from: { address: '011 0001' } } },
      ]);
      expect(await at.ids({ conversation: '+390110001' })).toHaveLength(5);
    });

    it('are found by a former key, such as an address in a bookmark', async () => {
      await at.commit(...spellings.map((address, n) => at.put(messageId(n + 1), { from: { address } })));
      for (const key of spellings) expect(await at.ids({ conversation: key }), key).toHaveLength(5);
      expect(await at.ids({ conversation: '+390110002' })).toEqual([]);
    });

    it('stay separate for senders that are not certainly the same: short codes, names, no sender', async () => {
      const senders = ['Vodafone', 'VODAFONE', '40404', '', '4040404', '+390110001', '+390110002'];
      await at.commit(...senders.map((address, n) => at.put(messageId(n + 1), { from: { address } })));
      expect((await list()).map(({ key }) => key).sort()).toEqual(senders.toSorted());
    });

    it('follow the country of the household’s settings, and before that the country of their numbers', async () => {
      const address = '030 1234567';
      await at.commit(
        at.put(messageId(1), { from: { address }, to: [] }),
        at.put(messageId(2), { from: { address: '+49301234567' }, to: [] }),
      );
      expect((await list()).map(({ key }) => key)).toEqual(['+49301234567', address]);
      await at.commit({ type: 'home.change', country: 'DE' });
      await expect
        .poll(async () => (await list()).map(({ key, unread }) => [key, unread]))
        .toEqual([['+49301234567', 2]]);
      expect(await at.ids({ conversation: address })).toHaveLength(2);
      await at.commit({ type: 'home.change', country: null });
      await expect.poll(async () => (await list()).map(({ key }) => key)).toEqual(['+49301234567', address]);
      expect(await at.store.conversations.countUnread(home)).toBe(2);
    });

    it('move to another country in batches, which resume after a restart', async () => {
      const from = (n: number) => ({ address: `030 ${1_000_000 + (n % 7)}` });
      const all = numbers(1, 140);
      for (let n = 0; n < all.length; n += 50) {
        await at.commit(
          ...all
            .slice(n, n + 50)
            .map((each) => at.put(messageId(each), { from: from(each), to: [], status: each % 2 ? 'Read' : 'Unread' })),
        );
      }
      await at.commit({ type: 'home.change', country: 'DE' });
      await at.reopen();
      // DynamoStore resumes the upkeep of a home with its next commit.
      await at.commit(at.put(messageId(141), { from: from(0), to: [], status: 'Read' }));
      await expect
        .poll(async () => (await list()).map(({ key }) => key).sort(), { timeout: 90_000 })
        .toEqual(numbers(0, 6).map((n) => `+49301${String(n).padStart(6, '0')}`));
      const conversations = await list();
      expect(conversations.reduce((sum, { unread }) => sum + unread, 0)).toBe(70);
      for (const { key, last } of conversations) expect((await at.ids({ conversation: key }))[0]).toBe(last.id);
    });

    it('of a sender with a line break have one party, whose address is one line', async () => {
      await at.commit(
        at.put(messageId(1), { from: { address: '+390110001\r\nVodafone', displayName: 'No\u2028nna' } }),
      );
      expect(await list()).toMatchObject([{ key: '+390110001 Vodafone', parties: [{ displayName: 'No nna' }] }]);
      expect(
        await at.commit(
          at.put(messageId(1), { from: { address: '+390110001\r\nVodafone', displayName: 'No\u2028nna' } }),
        ),
      ).toEqual([]);
    });

    it('put their key into each of their messages and events where it differs from the address', async () => {
      const [event] = await at.commit(at.put(messageId(1), { from: { address: '011 0001' } }));
      expect(event).toMatchObject({
        type: 'message.received',
        data: { conversation: '+390110001', from: { address: '011 0001' } },
      });
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ conversation: '+390110001' });
      const [plain] = await at.commit(at.put(messageId(2), { from: { address: '+390110001' } }));
      expect(plain?.data).not.toHaveProperty('conversation');
    });

    it('find a message by another spelling of its words', async () => {
      await at.commit(
        at.put(messageId(1), { from: { address: '011 123 4567' }, body: 'Haupt\u00adstraße' }),
        at.put(messageId(2), { body: 'Call 0111234567' }),
      );
      expect(await at.ids({ text: 'hauptstrasse' })).toEqual([messageId(1)]);
      expect(await at.ids({ text: '0111234567' })).toEqual([messageId(2), messageId(1)]);
      expect(await at.ids({ text: '011 123 4567' })).toEqual([messageId(2), messageId(1)]);
      expect(await at.ids({ text: '+390111234567' })).toEqual([messageId(1)]);
    });
  });
}
