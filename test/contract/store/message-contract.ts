// The contract of Store: messages that phones list.
import { describe, expect, it } from 'vitest';
import type { Write } from '../../../cloud/store/store.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import { messageId, presence, send } from '../messages.ts';
import { home, iso, minuteMs, numbers, type StoreUnderTest, snapshot } from './store-under-test.ts';

export function messagesContract(at: StoreUnderTest): void {
  describe('messages from a phone', () => {
    it('stores one event for an arrival, and returns the message unchanged', async () => {
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
        onPhone: true,
      };
      expect(events[0]?.data).toEqual({ ...message, recovered: true });
      expect(await at.store.messages.get(home, messageId(1))).toEqual({
        ...message,
        epoch: 0,
        fingerprint: 'f',
        deliverByMs: null,
      });
      expect((await at.store.messages.list(home, {}, { limit: 1 })).items).toEqual([message]);
      expect(await at.commit(at.put(messageId(1), { body: 'Dinner at 8?', subject: 'Tonight' }))).toEqual([]);
    });

    it('follows the phone in all visible fields, including a corrected time', async () => {
      await at.commit(at.put(messageId(1)));
      const changed = at.put(messageId(1), { status: 'Read', time: '2026-11-22T11:30:00.000Z' });
      expect(await at.commit(changed)).toMatchObject([
        { type: 'message.updated', data: { id: messageId(1), status: 'Read', time: '2026-11-22T11:30:00.000Z' } },
      ]);
      expect(await at.commit(changed)).toEqual([]);
      expect(await at.commit(at.put(messageId(1), { status: 'Unread' }))).toMatchObject([
        { data: { status: 'Unread' } },
      ]);
    });

    it('stores a change of internal fields without an event', async () => {
      await at.commit(at.put(messageId(1)));
      expect(await at.commit(at.put(messageId(1), {}, { fingerprint: 'g', epoch: 1 }))).toEqual([]);
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ fingerprint: 'g', epoch: 1 });
    });

    it('keeps a body that the phone omits later', async () => {
      await at.commit(at.put(messageId(1), { body: '', bodyOmitted: true }));
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ body: null });
      await at.commit(at.put(messageId(1), { body: 'fetched' }));
      expect(await at.commit(at.put(messageId(1), { body: '', bodyOmitted: true }))).toEqual([]);
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ body: 'fetched' });
    });

    it('stores a send event, not an arrival, for a message written on the phone', async () => {
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

    it('stores one event for a deletion, and never returns that id again', async () => {
      await at.commit(at.put(messageId(1)), at.put(messageId(2), { messageId: 'phone-2' }));
      const gone = { type: 'message.delete', id: messageId(1) } as const;
      expect(await at.commit(gone)).toMatchObject([{ type: 'message.deleted', data: { id: messageId(1) } }]);
      expect(await at.commit(gone, at.put(messageId(1)), { type: 'send.create', message: send(messageId(1)) })).toEqual(
        [],
      );
      await at.reopen();
      expect(await at.commit(at.put(messageId(1), { body: 'back' }))).toEqual([]);
      expect(await at.store.messages.get(home, messageId(1))).toBeUndefined();
      expect(await at.ids()).toEqual([messageId(2)]);
      expect(await at.ids({ text: 'dinner' })).toEqual([messageId(2)]);
      expect((await at.store.messages.inventory(home, at.phone.id, { limit: 10 })).items).toEqual([
        { id: messageId(1), messageId: 'phone-1', epoch: 0, fingerprint: 'f', deleted: true },
        { id: messageId(2), messageId: 'phone-2', epoch: 0, fingerprint: 'f' },
      ]);
      expect(await at.commit({ type: 'message.delete', id: messageId(9) })).toEqual([]);
    });

    it('lists the inventory of a phone in pages, by id', async () => {
      await at.commit(
        ...[3, 1, 2].map((n) => at.put(messageId(n), { messageId: `phone-${n}` }, { fingerprint: `f${n}` })),
      );
      await at.commit({ type: 'send.create', message: send(messageId(4)) });
      const first = await at.store.messages.inventory(home, at.phone.id, { limit: 2 });
      expect(first.items).toEqual([
        { id: messageId(1), messageId: 'phone-1', epoch: 0, fingerprint: 'f1' },
        { id: messageId(2), messageId: 'phone-2', epoch: 0, fingerprint: 'f2' },
      ]);
      const rest = await at.store.messages.inventory(home, at.phone.id, { limit: 2, after: first.next });
      expect(rest.items.map((item) => item.id)).toEqual([messageId(3)]);
      expect(rest.next).toBeUndefined();
      expect(await at.store.messages.inventory(home, 'p_none', { limit: 2 })).toEqual({ items: [] });
    });

    it('keeps a message that the phone no longer lists, found and counted as before, and relists it under its id', async () => {
      await at.commit(at.put(messageId(1)), at.put(messageId(2), { messageId: 'phone-2', status: 'Read' }));
      const before = await snapshot(at.store);
      const absent = (n: number): Write => ({ type: 'message.absent', id: messageId(n), atMs: at.clock.nowMs });
      expect(await at.commit(absent(1), absent(2), absent(9))).toMatchObject([
        { type: 'message.updated', data: { id: messageId(1), onPhone: false, body: 'Dinner at 8?', status: 'Unread' } },
        { type: 'message.updated', data: { id: messageId(2), onPhone: false } },
      ]);
      expect(await at.commit(absent(1))).toEqual([]);
      await at.reopen();
      const after = await snapshot(at.store);
      expect(after.unread).toBe(before.unread);
      expect(after.messages).toEqual(before.messages.map((message) => ({ ...message, onPhone: false })));
      expect(after.conversations).toEqual(
        before.conversations.map((each) => ({ ...each, last: { ...each.last, onPhone: false } })),
      );
      expect(await at.ids({ text: 'dinner' })).toEqual([messageId(2), messageId(1)]);
      expect((await at.store.messages.inventory(home, at.phone.id, { limit: 10 })).items).toMatchObject([
        { id: messageId(1), messageId: 'phone-1', fingerprint: 'f', absent: true },
        { id: messageId(2), absent: true },
      ]);
      expect(await at.commit(at.put(messageId(1)))).toMatchObject([
        { type: 'message.updated', data: { id: messageId(1), onPhone: true } },
      ]);
      expect(await at.store.messages.get(home, messageId(1))).not.toHaveProperty('absentSinceMs');
    });

    it('notes when a message went missing, and whether the agent reports that a second list lacked it', async () => {
      await at.commit(...[1, 2].map((n) => at.put(messageId(n), { messageId: `phone-${n}` })));
      const sinceMs = at.clock.nowMs;
      const absent = (n: number, atMs: number, isConfirmed?: true): Write => {
        return { type: 'message.absent', id: messageId(n), atMs, isConfirmed };
      };
      const note = async (n: number) => {
        const { absentSinceMs, absentTwice } = (await at.store.messages.get(home, messageId(n))) ?? {};
        return { absentSinceMs, absentTwice };
      };
      await at.commit(absent(1, sinceMs), absent(2, sinceMs));
      // A repeated absence is no second list: the agent repeats it after comparing inventories.
      expect(await at.commit(absent(1, sinceMs + 60 * minuteMs))).toEqual([]);
      expect(await note(1)).toEqual({ absentSinceMs: sinceMs, absentTwice: undefined });
      expect(await at.commit(absent(1, sinceMs + 61 * minuteMs, true), absent(2, sinceMs + 1, true))).toEqual([]);
      for (const n of [1, 2]) expect(await note(n)).toEqual({ absentSinceMs: sinceMs, absentTwice: true });
      await at.commit(absent(1, sinceMs + 62 * minuteMs));
      expect(await note(1)).toEqual({ absentSinceMs: sinceMs, absentTwice: true });
    });

    it('marks a message read in the cloud alone, and leaves it read when the phone lists it again', async () => {
      await at.commit(at.put(messageId(1)), { type: 'message.absent', id: messageId(1), atMs: 1 });
      expect(await at.store.conversations.countUnread(home)).toBe(1);
      const read = { type: 'message.read', id: messageId(1) } as const;
      expect(await at.commit(read)).toMatchObject([
        { type: 'message.updated', data: { status: 'Read', onPhone: false } },
      ]);
      expect(await at.commit(read, { ...read, id: messageId(9) })).toEqual([]);
      expect(await at.store.conversations.countUnread(home)).toBe(0);
      await at.commit(at.put(messageId(1)));
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ status: 'Read', onPhone: true });
    });

    it('lists messages on or missing from their phone, with other filters and in pages', async () => {
      await at.commit(
        ...numbers(1, 6).map((n) =>
          at.put(messageId(n), { messageId: `phone-${n}`, body: n % 2 === 0 ? 'even' : 'odd' }),
        ),
        { type: 'send.create', message: send(messageId(7)) },
        ...[1, 2, 4].map((n): Write => ({ type: 'message.absent', id: messageId(n), atMs: 1 })),
      );
      expect(await at.ids({ onPhone: false })).toEqual([7, 4, 2, 1].map(messageId));
      expect(await at.ids({ onPhone: true })).toEqual([6, 5, 3].map(messageId));
      expect(await at.ids({ onPhone: false, text: 'even' })).toEqual([4, 2].map(messageId));
      expect(await at.ids({ onPhone: false, folder: 'Received', status: 'Unread' })).toEqual([4, 2, 1].map(messageId));
      expect(await at.ids({ onPhone: true, conversation: '+390110001' })).toEqual([6, 5, 3].map(messageId));
      const first = await at.store.messages.list(home, { onPhone: false }, { limit: 2 });
      const rest = await at.store.messages.list(home, { onPhone: false }, { limit: 2, cursor: first.next ?? '' });
      expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual([7, 4, 2, 1].map(messageId));
    });

    it('counts a send as on the phone once the phone has taken it', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1)) });
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ onPhone: false });
      expect(await at.commit({ type: 'message.absent', id: messageId(1), atMs: 1 })).toEqual([]);
      const moved = { type: 'send.move', id: messageId(1), from: ['queued'], to: 'sent', phone: at.phone.id } as const;
      await at.commit({ ...moved, messageId: 'phone-1' });
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ onPhone: true });
    });

    it('names truncated fields until the phone sends them whole', async () => {
      const truncated = { fields: ['body' as const, 'to' as const] };
      expect(await at.commit(at.put(messageId(1), { truncated }))).toMatchObject([{ data: { truncated } }]);
      expect((await at.store.messages.list(home, {}, { limit: 1 })).items[0]).toMatchObject({ truncated });
      await at.commit(at.put(messageId(1), { body: 'Dinner at 8? Bring wine.' }));
      expect(await at.store.messages.get(home, messageId(1))).not.toHaveProperty('truncated');
    });

    it('does not restore a deleted message under another id, but takes a new one under its identifier', async () => {
      const sent = { messageId: 'phone-1', folder: 'Sent', status: 'Read' } as const;
      await at.commit(at.put(messageId(1), sent), { type: 'message.delete', id: messageId(1) });
      expect(await at.commit(at.put(messageId(2), sent), at.put(messageId(3), { ...sent, folder: 'Deleted' }))).toEqual(
        [],
      );
      await at.reopen();
      const later = '2026-11-22T13:00:00.000Z';
      expect(await at.commit(at.put(messageId(4), { ...sent, folder: 'Deleted', time: later }))).toEqual([]);
      // A SIM gives the identifier of the deleted message to the next one, also after a reset.
      expect(await at.commit(at.put(messageId(5), { time: later }))).toHaveLength(1);
      expect(await at.commit(at.put(messageId(6), sent, { epoch: 1 }))).toHaveLength(1);
      await at.commit({ type: 'message.delete', id: messageId(5) });
      expect(await at.commit(at.put(messageId(7), { time: later }), at.put(messageId(8)))).toEqual([]);
      expect(await at.ids()).toEqual([messageId(6)]);
    });

    it('lists absent and deleted messages in the inventory once each', async () => {
      await at.commit(...numbers(1, 9).map((n) => at.put(messageId(n), { messageId: `phone-${n}` })));
      await at.commit(
        ...[2, 3, 9].map((n): Write => ({ type: 'message.delete', id: messageId(n) })),
        ...[4, 8].map((n): Write => ({ type: 'message.absent', id: messageId(n), atMs: 1 })),
      );
      for (const limit of [1, 2, 3, 9]) {
        const told: string[] = [];
        let after: string | undefined;
        do {
          const page = await at.store.messages.inventory(home, at.phone.id, { limit, after });
          told.push(...page.items.map((item) => `${item.messageId}${item.deleted ? 'd' : item.absent ? 'a' : ''}`));
          after = page.next;
        } while (after !== undefined);
        expect(told).toEqual(['1', '2d', '3d', '4a', '5', '6', '7', '8a', '9d'].map((name) => `phone-${name}`));
      }
    });

    it('lists messages that two lists of one phone lacked, and deletes them only while they are missing', async () => {
      const other = (await at.store.phones.put(home, [presence('uuid:2')])).find(({ udn }) => udn === 'uuid:2');
      const theirs = { phone: other?.id ?? '' };
      const absent = (n: number, isConfirmed: boolean): Write => {
        return { type: 'message.absent', id: messageId(n), atMs: 7, isConfirmed };
      };
      await at.commit(
        ...numbers(1, 4).map((n) => at.put(messageId(n), { messageId: `phone-${n}` })),
        at.put(messageId(5), {}, theirs),
        absent(1, true),
        absent(2, false),
        absent(3, true),
        absent(5, true),
        { type: 'send.create', message: send(messageId(6), { phone: at.phone.id }) },
      );
      const missing = [1, 3].map((n) => ({ id: messageId(n), sinceMs: 7 }));
      expect(await at.store.messages.missingFrom(home, at.phone.id)).toEqual({ listed: 1, missing });
      await at.commit(at.put(messageId(1)));
      const drop = (n: number): Write => ({ type: 'message.delete', id: messageId(n), onlyMissing: true });
      expect(await at.commit(...numbers(1, 4).map(drop))).toMatchObject([{ data: { id: messageId(3) } }]);
      expect(await at.store.messages.missingFrom(home, at.phone.id)).toEqual({ listed: 2, missing: [] });
    });

    it('lists the oldest messages before a time in pages, without sends in flight', async () => {
      const timeMs = (n: number) => at.clock.nowMs + n * minuteMs;
      const idAt = (n: number) => `m_${ulidFloor(timeMs(n)).slice(0, 25)}A`;
      await at.commit(
        ...numbers(1, 5).map((n) => at.put(idAt(n), { messageId: `phone-${n}`, time: iso(timeMs(n)) })),
        { type: 'send.create', message: send(idAt(0)) },
        { type: 'message.delete', id: idAt(2) },
      );
      const older = async (n: number, after: string) =>
        (await at.store.messages.olderThan(home, timeMs(n), { after, limit: 2 })).map(({ id }) => id);
      expect(await older(5, '')).toEqual([1, 3].map(idAt));
      expect(await older(5, idAt(3))).toEqual([idAt(4)]);
      expect(await older(5, idAt(4))).toEqual([]);
      expect(await older(0, '')).toEqual([]);
      expect(await older(0, idAt(3))).toEqual([]);
    });
  });
}
