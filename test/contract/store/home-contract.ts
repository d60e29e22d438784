// The contract of Store: homes, and the store's start and stop.
import { describe, expect, it } from 'vitest';
import { messageId, sessionId } from '../messages.ts';
import { home, iso, type StoreUnderTest, snapshot } from './store-under-test.ts';

export function homesContract(at: StoreUnderTest): void {
  describe('start and stop', () => {
    it('keeps its id and its records when it is opened again', async () => {
      const { id } = at.store;
      const [event] = await at.commit(at.put(messageId(1)), at.putSession(sessionId(1)));
      const before = await snapshot(at.store);
      await at.reopen();
      expect(at.store.id).toBe(id);
      expect(await snapshot(at.store)).toEqual(before);
      expect(before.messages).toHaveLength(1);
      expect(await at.store.events.after(home, event?.id ?? '', 10)).toHaveLength(1);
    });

    it('answers a ping while it is open, and store-unavailable afterwards', async () => {
      await at.store.ping();
      await at.store.stop();
      await expect(at.store.ping()).rejects.toMatchObject({ code: 'store-unavailable' });
      await expect(at.commit(at.put(messageId(1)))).rejects.toMatchObject({ code: 'store-unavailable' });
      await at.store.start();
      await at.store.ping();
    });

    it('finishes waiting commits when it is stopped', async () => {
      const committed = at.commit(at.put(messageId(1)));
      await at.store.stop();
      expect(await committed).toHaveLength(1);
      await at.store.start();
      expect(await at.ids()).toEqual([messageId(1)]);
    });
  });

  describe('homes', () => {
    it('leaves a home as it is when it is created again', async () => {
      await at.commit({ type: 'home.status', online: true, agent: { id: 'a', name: 'attic' } });
      await at.store.homes.create({ id: home, account: 'other', name: 'Other', owner: 'Bob' });
      expect(await at.store.homes.get(home)).toEqual({
        id: home,
        account: 'account',
        name: 'Home',
        online: true,
        sinceMs: at.clock.nowMs,
        agent: { id: 'a', name: 'attic' },
      });
      expect(await at.store.homes.idsOf('other')).toEqual([]);
    });

    it('lists the homes of an account and of no other', async () => {
      await at.store.homes.create({ id: 'b', account: 'account', name: 'B', owner: 'Ada' });
      await at.store.homes.create({ id: 'c', account: 'other', name: 'C', owner: 'Bob' });
      expect(await at.store.homes.idsOf('account')).toEqual(['b', home]);
      expect(await at.store.homes.get('nowhere')).toBeUndefined();
    });

    it('refuses to write to a home that does not exist', async () => {
      await expect(at.store.commit('nowhere', [at.put(messageId(1))])).rejects.toMatchObject({ code: 'not-found' });
      await expect(at.store.phones.put('nowhere', [])).rejects.toMatchObject({ code: 'not-found' });
    });

    it('stores one event when a home goes online or offline', async () => {
      const online = { type: 'home.status', online: true, agent: { id: 'a', name: 'attic' } } as const;
      expect(await at.commit({ ...online, online: false, agent: null })).toEqual([]);
      expect(await at.commit(online)).toMatchObject([
        { type: 'home.online', data: { home, since: iso(at.clock.nowMs) } },
      ]);
      at.clock.nowMs += 5;
      expect(await at.commit({ ...online, agent: { id: 'b', name: 'cellar' } })).toEqual([]);
      expect(await at.store.homes.get(home)).toMatchObject({ sinceMs: at.clock.nowMs - 5, agent: { name: 'cellar' } });
      expect(await at.commit({ ...online, online: false })).toMatchObject([{ type: 'home.offline' }]);
    });

    it('keeps settings, stores one event for a change, and stores no defaults', async () => {
      const before = await at.store.homes.get(home);
      const change = {
        type: 'home.change',
        name: 'Lake',
        keep: 'like-the-phone',
        keepDays: 30,
        country: 'IT',
      } as const;
      expect(await at.commit(change)).toMatchObject([{ type: 'home.updated', data: { home } }]);
      expect(await at.commit(change, { type: 'home.change' })).toEqual([]);
      const settings = { keep: 'like-the-phone', keepSinceMs: at.clock.nowMs, keepDays: 30, country: 'IT' };
      await at.reopen();
      expect(await at.store.homes.get(home)).toEqual({ ...before, name: 'Lake', settings });
      await at.commit({ type: 'home.status', online: true, agent: null }, { type: 'home.change', keepDays: 31 });
      expect(await at.store.homes.get(home)).toMatchObject({ online: true, settings: { ...settings, keepDays: 31 } });
      const back = { type: 'home.change', name: 'Home', keep: 'always', keepDays: null, country: null } as const;
      expect(await at.commit(back)).toHaveLength(1);
      expect((await at.store.homes.get(home))?.settings).toEqual({ keepSinceMs: at.clock.nowMs });
    });

    it('keeps a question until it is answered, and the decision until the keeping rule changes', async () => {
      await at.commit({ type: 'home.change', keep: 'like-the-phone' });
      const question = {
        id: 'q_1',
        kind: 'missing-messages',
        phone: 'p_1',
        count: 3,
        of: 4,
        timeMs: 5,
        upToMs: 4,
      } as const;
      const settings = async () => (await at.store.homes.get(home))?.settings;
      const note = { type: 'home.missing', phone: 'p_1', atMs: at.clock.nowMs } as const;
      expect(await at.commit({ ...note, question })).toMatchObject([{ type: 'home.updated' }]);
      expect(await at.commit({ ...note, question }, { ...note, deleted: 2 }, { ...note, deleted: 3 })).toEqual([]);
      expect(await settings()).toMatchObject({
        questions: [question],
        missing: { p_1: { deleted: [[Math.floor(at.clock.nowMs / 86_400_000) * 86_400_000, 5]] } },
      });
      expect(await at.commit({ type: 'question.answer', id: 'q_0', answer: 'delete' })).toEqual([]);
      expect(await at.commit({ type: 'question.answer', id: 'q_1', answer: 'delete' })).toHaveLength(1);
      expect(await settings()).toMatchObject({ missing: { p_1: { deleteUpToMs: 4 } } });
      expect(await settings()).not.toHaveProperty('questions');
      await at.commit({ ...note, isAnswerDone: true, question: { ...question, id: 'q_2', upToMs: 7 } });
      await at.commit({ type: 'question.answer', id: 'q_2', answer: 'keep' });
      expect((await settings())?.missing?.p_1).toEqual({ keptUpToMs: 7, deleted: expect.anything() });
      await at.commit({ ...note, question }, { type: 'home.change', keep: 'always' });
      expect(await settings()).toEqual({ keepSinceMs: at.clock.nowMs });
    });

    it('stores an event for each home.updated write, and leaves the home as it is', async () => {
      const before = await at.store.homes.get(home);
      for (let times = 0; times < 2; times++) {
        expect(await at.commit({ type: 'home.updated' })).toMatchObject([{ type: 'home.updated', data: { home } }]);
      }
      expect(await at.store.homes.get(home)).toEqual(before);
    });
  });
}
