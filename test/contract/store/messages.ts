// The contract of Store: messages as phones show them.
import { describe, expect, it } from 'vitest';
import { messageId, send } from '../messages.ts';
import { home, iso, type StoreUnderTest } from './store-under-test.ts';

export function messagesContract(at: StoreUnderTest): void {
  describe('messages from a phone', () => {
    it('tells of an arrival once, and shows it as it came', async () => {
      const events = await at.commit(
        at.put(messageId(1), { body: 'Dinner at 8?', subject: 'Tonight' }, { recovered: true }),
      );
      expect(events).toMatchObject([{ home, time: iso(at.clock.nowMs), type: 'message.received' }]);
      const message = {
        id: messageId(1),
        messageId: 'phone-1',
        home,
        phone: at.phone.id,
        messageClass: 'SMS',
        folder: 'Received',
        status: 'Unread',
        sessionId: null,
        from: { address: '+390110001', displayName: 'Nonna' },
        to: [{ address: '+390119999' }],
        subject: 'Tonight',
        body: 'Dinner at 8?',
        contentType: 'text/plain',
        attachments: [],
        time: '2026-11-22T11:00:00.000Z',
        state: 'received',
      };
      expect(events[0]?.data).toEqual({ ...message, recovered: true });
      expect(await at.store.getMessage(home, messageId(1))).toEqual({
        ...message,
        epoch: 0,
        fingerprint: 'f',
        deliverByMs: null,
      });
      expect((await at.store.listMessages(home, {}, { limit: 1 })).items).toEqual([message]);
      expect(await at.commit(at.put(messageId(1), { body: 'Dinner at 8?', subject: 'Tonight' }))).toEqual([]);
    });

    it('follows the phone in what is visible, except for id and time', async () => {
      await at.commit(at.put(messageId(1)));
      const changed = at.put(messageId(1), { status: 'Read', time: '2026-11-22T11:30:00.000Z' });
      expect(await at.commit(changed)).toMatchObject([
        { type: 'message.updated', data: { id: messageId(1), status: 'Read', time: '2026-11-22T11:00:00.000Z' } },
      ]);
      expect(await at.commit(changed)).toEqual([]);
      expect(await at.commit(at.put(messageId(1), { status: 'Unread' }))).toMatchObject([
        { data: { status: 'Unread' } },
      ]);
    });

    it('keeps a change that nobody sees without telling of it', async () => {
      await at.commit(at.put(messageId(1)));
      expect(await at.commit(at.put(messageId(1), {}, { fingerprint: 'g', epoch: 1 }))).toEqual([]);
      expect(await at.store.getMessage(home, messageId(1))).toMatchObject({ fingerprint: 'g', epoch: 1 });
    });

    it('keeps a body that the phone leaves out later', async () => {
      await at.commit(at.put(messageId(1), { body: '', bodyOmitted: true }));
      expect(await at.store.getMessage(home, messageId(1))).toMatchObject({ body: null });
      await at.commit(at.put(messageId(1), { body: 'fetched' }));
      expect(await at.commit(at.put(messageId(1), { body: '', bodyOmitted: true }))).toEqual([]);
      expect(await at.store.getMessage(home, messageId(1))).toMatchObject({ body: 'fetched' });
    });

    it('tells of what was written at the phone itself as a send, not as an arrival', async () => {
      expect(await at.commit(at.put(messageId(1), { folder: 'Outgoing', status: 'Read' }))).toMatchObject([
        { type: 'send.updated', data: { state: 'sending' } },
      ]);
      expect(await at.commit(at.put(messageId(2), { folder: 'Sent' }))).toMatchObject([
        { type: 'send.updated', data: { state: 'sent' } },
      ]);
      expect(await at.commit(at.put(messageId(1), { folder: 'Sent', status: 'Read' }))).toMatchObject([
        { type: 'send.updated', data: { state: 'sent' } },
      ]);
      expect(await at.commit(at.put(messageId(3), { folder: 'Deleted' }))).toMatchObject([{ type: 'message.updated' }]);
    });

    it('tells of a deletion once, and never shows that id again', async () => {
      await at.commit(at.put(messageId(1)), at.put(messageId(2), { messageId: 'phone-2' }));
      const gone = { type: 'message.delete', id: messageId(1) } as const;
      expect(await at.commit(gone)).toMatchObject([{ type: 'message.deleted', data: { id: messageId(1) } }]);
      expect(await at.commit(gone, at.put(messageId(1)), { type: 'send.create', message: send(messageId(1)) })).toEqual(
        [],
      );
      await at.reopen();
      expect(await at.commit(at.put(messageId(1), { body: 'back' }))).toEqual([]);
      expect(await at.store.getMessage(home, messageId(1))).toBeUndefined();
      expect(await at.ids()).toEqual([messageId(2)]);
      expect(await at.ids({ text: 'dinner' })).toEqual([messageId(2)]);
      expect((await at.store.inventory(home, at.phone.id, { limit: 10 })).items.map((item) => item.id)).toEqual([
        messageId(2),
      ]);
      expect(await at.commit({ type: 'message.delete', id: messageId(9) })).toEqual([]);
    });

    it('tells the inventory of a phone in pages, by id', async () => {
      await at.commit(
        ...[3, 1, 2].map((n) => at.put(messageId(n), { messageId: `phone-${n}` }, { fingerprint: `f${n}` })),
      );
      await at.commit({ type: 'send.create', message: send(messageId(4)) });
      const first = await at.store.inventory(home, at.phone.id, { limit: 2 });
      expect(first.items).toEqual([
        { id: messageId(1), messageId: 'phone-1', epoch: 0, fingerprint: 'f1' },
        { id: messageId(2), messageId: 'phone-2', epoch: 0, fingerprint: 'f2' },
      ]);
      const rest = await at.store.inventory(home, at.phone.id, { limit: 2, after: first.next });
      expect(rest.items.map((item) => item.id)).toEqual([messageId(3)]);
      expect(rest.next).toBeUndefined();
      expect(await at.store.inventory(home, 'p_none', { limit: 2 })).toEqual({ items: [] });
    });
  });
}
