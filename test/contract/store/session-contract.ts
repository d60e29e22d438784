// The contract of Store: sessions and files.
import { describe, expect, it } from 'vitest';
import { sessionId } from '../messages.ts';
import { home, iso, minuteMs, type StoreUnderTest } from './store-under-test.ts';

export function sessionsContract(at: StoreUnderTest): void {
  describe('sessions', () => {
    it('returns a session unchanged, and stores one event', async () => {
      const events = await at.commit(at.putSession(sessionId(1), { subject: 'Plumber' }));
      const session = {
        id: sessionId(1),
        sessionId: 's-1',
        home,
        phone: at.phone.id,
        sessionClass: 'Chat',
        status: 'Running',
        subject: 'Plumber',
        contentTypes: ['text/plain'],
        initiator: null,
        recipients: [{ address: '+1' }],
        startedAt: null,
        updatedAt: iso(at.clock.nowMs),
      };
      expect(events).toMatchObject([{ type: 'session.updated', data: session }]);
      expect(await at.store.sessions.get(home, sessionId(1))).toEqual(session);
      at.clock.nowMs += minuteMs;
      expect(await at.commit(at.putSession(sessionId(1), { subject: 'Plumber' }))).toEqual([]);
      expect(await at.store.sessions.get(home, sessionId(1))).toEqual(session);
      expect(await at.commit(at.putSession(sessionId(1)))).toMatchObject([
        { data: { subject: null, updatedAt: iso(at.clock.nowMs) } },
      ]);
      expect(await at.store.sessions.get(home, sessionId(2))).toBeUndefined();
    });

    it('never replaces a report with an older one', async () => {
      await at.commit(at.putSession(sessionId(1), { status: 'Closed', updatedAt: '2026-11-22T11:00:00.002Z' }));
      expect(await at.commit(at.putSession(sessionId(1), { updatedAt: '2026-11-22T11:00:00.001Z' }))).toEqual([]);
      expect(await at.store.sessions.get(home, sessionId(1))).toMatchObject({ status: 'Closed' });
      expect(
        await at.commit(at.putSession(sessionId(1), { status: 'Parked', updatedAt: '2026-11-22T11:00:00.003Z' })),
      ).toHaveLength(1);
    });

    it('lists by class, status and phone in pages', async () => {
      await at.commit(
        at.putSession(sessionId(1)),
        at.putSession(sessionId(2), { status: 'Closed' }),
        at.putSession(sessionId(3), { sessionClass: 'File-Transfer' }),
      );
      const list = async (filter: object) =>
        (await at.store.sessions.list(home, filter, { limit: 200 })).items.map((session) => session.id);
      expect(await list({})).toEqual([3, 2, 1].map(sessionId));
      expect(await list({ status: 'Running' })).toEqual([3, 1].map(sessionId));
      expect(await list({ status: 'Running', sessionClass: 'Chat', phone: at.phone.id })).toEqual([sessionId(1)]);
      expect(await list({ phone: 'p_none' })).toEqual([]);
      const first = await at.store.sessions.list(home, {}, { limit: 2 });
      const rest = await at.store.sessions.list(home, {}, { limit: 2, cursor: first.next ?? undefined });
      expect(rest).toMatchObject({ items: [{ id: sessionId(1) }], next: null });
    });

    it('stores an event for the progress of a file', async () => {
      const file = {
        fileId: 'f-1',
        sessionId: sessionId(1),
        name: 'cake.jpg',
        contentType: 'image/jpeg',
        sizeBytes: 9,
        url: '',
        direction: 'send',
        status: 'transferring',
        transferredBytes: 3,
      } as const;
      expect(await at.commit({ type: 'file.progress', phone: at.phone.id, file })).toMatchObject([
        { type: 'file.progress', data: { ...file, phone: at.phone.id } },
      ]);
    });
  });
}
