// The contract of Store: conversations.
import { describe, expect, it } from 'vitest';
import { messageId, send, sessionId } from '../messages.ts';
import { home, numbers, type StoreUnderTest } from './store-under-test.ts';

export function conversationsContract(at: StoreUnderTest): void {
  describe('conversations', () => {
    const list = async () => (await at.store.listConversations(home, { limit: 200 })).items;

    it('gather what was said with the same people, whoever spoke', async () => {
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
      expect(await at.store.countUnread(home)).toBe(2);
    });

    it('keep in step as messages are read, moved and deleted', async () => {
      await at.commit(...[1, 2, 3].map((n) => at.put(messageId(n))));
      await at.commit(at.put(messageId(3), { status: 'Read' }));
      expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(3), status: 'Read' } }]);
      await at.commit(at.put(messageId(3), { folder: 'Deleted', status: 'Read' }));
      expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(2) } }]);
      await at.commit({ type: 'message.delete', id: messageId(2) });
      expect(await list()).toMatchObject([{ unread: 1, last: { id: messageId(1) } }]);
      await at.commit(at.put(messageId(1), { folder: 'Deleted' }));
      expect(await list()).toEqual([]);
      expect(await at.store.countUnread(home)).toBe(0);
    });

    it('show the last message as it is now, however long it is', async () => {
      const body = 'a long letter '.repeat(2_000);
      await at.commit(at.put(messageId(1)), at.put(messageId(2), { body }));
      const last = async () => (await list())[0]?.last;
      expect(await last()).toMatchObject({ id: messageId(2), body });
      await at.commit(at.put(messageId(2), { body: 'a short one' }));
      expect(await last()).toEqual((await at.store.listMessages(home, {}, { limit: 1 })).items[0]);
      await at.commit(at.put(messageId(1), { body: 'older, but changed later' }));
      expect(await last()).toMatchObject({ id: messageId(2), body: 'a short one' });
      await at.commit({ type: 'message.delete', id: messageId(2) });
      expect(await last()).toMatchObject({ id: messageId(1), body: 'older, but changed later' });
      await at.commit({ type: 'send.create', message: send(messageId(3), { to: [{ address: '+390110001' }] }) });
      expect(await last()).toMatchObject({ id: messageId(3), state: 'queued' });
      await at.commit({ type: 'send.move', id: messageId(3), from: ['queued'], to: 'sent', messageId: 'phone-3' });
      expect(await last()).toMatchObject({ id: messageId(3), state: 'sent', messageId: 'phone-3' });
    });

    it('come in pages, the last spoken first', async () => {
      await at.commit(...numbers(1, 5).map((n) => at.put(messageId(n), { from: { address: `+${n}` } })));
      await at.commit(at.put(messageId(6), { from: { address: '+1' } }));
      const first = await at.store.listConversations(home, { limit: 3 });
      const rest = await at.store.listConversations(home, { limit: 3, cursor: first.next ?? undefined });
      expect([...first.items, ...rest.items].map((each) => each.key)).toEqual(['+1', '+5', '+4', '+3', '+2']);
      expect(rest.next).toBeNull();
    });
  });
}
