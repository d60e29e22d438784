// The contract of Store: commits and their events.
import { describe, expect, it } from 'vitest';
import type { Write } from '../../../cloud/store/store.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { ulidFloor } from '../../../shared/ulid.ts';
import { messageId, presence, send, sessionId } from '../messages.ts';
import { ascending, dayMs, home, minuteMs, numbers, only, type StoreUnderTest, snapshot } from './store-under-test.ts';

export function commitsContract(at: StoreUnderTest): void {
  describe('commits', () => {
    it('are all or nothing, and a failing one does not affect concurrent ones', async () => {
      const poisoned = {
        ...at.put(messageId(2)),
        get message(): PhoneMessage {
          throw new Error('no message');
        },
      } as Write;
      const results = await Promise.allSettled([
        at.commit(at.put(messageId(1))),
        at.commit(at.put(messageId(3)), poisoned),
        at.commit(at.put(messageId(4))),
      ]);
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await at.ids()).toEqual([messageId(4), messageId(1)]);
      expect(await at.store.events.after(home, '', 10)).toHaveLength(2);
      expect(await at.store.conversations.countUnread(home)).toBe(2);
    });

    it('are visible at once and in order, even with deferred durability', async () => {
      const soon = at.store.commit(home, [at.put(messageId(1))], 'soon');
      const [[first], [second]] = await Promise.all([soon, at.commit(at.put(messageId(2), { messageId: 'phone-2' }))]);
      const [third] = await at.store.commit(home, [at.put(messageId(3), { messageId: 'phone-3' })], 'soon');
      expect(await at.ids()).toEqual([3, 2, 1].map(messageId));
      expect(await at.store.events.after(home, '', 10)).toEqual([first, second, third]);
    });

    it('resolve in the order of the calls, each with its own events', async () => {
      const order: number[] = [];
      const answers = await Promise.all(
        numbers(1, 300).map((n) =>
          at.commit(at.put(messageId(n), { messageId: `phone-${n}` })).then((events) => {
            order.push(n);
            return events;
          }),
        ),
      );
      expect(order).toEqual(numbers(1, 300));
      const events = answers.flat();
      expect(events.map((event) => (event.data as { id: string }).id)).toEqual(numbers(1, 300).map(messageId));
      expect(await at.store.events.after(home, '', 1000)).toEqual(events);
      expect(ascending(events)).toBe(true);
    });

    it('keep two homes apart', async () => {
      await at.store.homes.create({ id: 'other', account: 'account', name: 'Other', owner: 'Ada' });
      const theirs = only(await at.store.phones.put('other', [presence('uuid:1')]));
      await at.commit(at.put(messageId(1)), at.putSession(sessionId(1)), {
        type: 'send.create',
        message: send(messageId(7)),
      });
      const mine = await snapshot(at.store);
      expect(await snapshot(at.store, 'other')).toMatchObject({
        messages: [],
        conversations: [],
        sessions: [],
        events: [],
        unread: 0,
        open: [],
      });
      await at.store.commit('other', [
        { ...at.put(messageId(1), { body: 'theirs' }), phone: theirs.id } as Write,
        { type: 'message.delete', id: messageId(7) },
        at.putSession(sessionId(1), { status: 'Closed' }),
      ]);
      await at.store.commit('other', [{ type: 'message.delete', id: messageId(1) }]);
      expect(await snapshot(at.store)).toEqual(mine);
      expect(theirs.id).not.toBe(at.phone.id);
      expect(await at.store.phones.list(home)).not.toContainEqual(expect.objectContaining({ id: theirs.id }));
      expect(await at.store.phones.approve(home, theirs.id, true)).toBeUndefined();
      expect(await at.store.messages.get('other', messageId(7))).toBeUndefined();
    });
  });

  describe('events', () => {
    it('are listed in order after any event', async () => {
      const events = await at.commit(...numbers(1, 5).map((n) => at.put(messageId(n))));
      expect(await at.store.events.after(home, events[1]?.id ?? '', 10)).toEqual(events.slice(2));
      expect(await at.store.events.after(home, events[1]?.id ?? '', 2)).toEqual(events.slice(2, 4));
      expect(await at.store.events.after(home, events[4]?.id ?? '', 2)).toEqual([]);
      expect(await at.store.events.after(home, '', 10)).toEqual(events);
    });

    it('have ascending ids whatever the clock does, also across a restart', async () => {
      const events = await at.commit(at.put(messageId(1)), at.put(messageId(2)));
      at.clock.nowMs -= 10 * minuteMs;
      events.push(...(await at.commit(at.put(messageId(3)))));
      await at.reopen();
      events.push(...(await at.commit(at.put(messageId(4)), at.put(messageId(5)))));
      at.clock.nowMs += 20 * minuteMs;
      events.push(...(await at.commit(at.put(messageId(6)))));
      expect(ascending(events)).toBe(true);
      expect(await at.store.events.after(home, '', 10)).toEqual(events);
    });

    it('are listed after any time', async () => {
      const quiet = ulidFloor(at.clock.nowMs);
      expect(await at.store.events.after(home, quiet, 10)).toEqual([]);
      const [first] = await at.commit(at.put(messageId(1)));
      at.clock.nowMs += minuteMs;
      const between = ulidFloor(at.clock.nowMs);
      expect(await at.store.events.after(home, between, 10)).toEqual([]);
      const [second] = await at.commit(at.put(messageId(2)));
      expect(await at.store.events.after(home, quiet, 10)).toEqual([first, second]);
      expect(await at.store.events.after(home, between, 10)).toEqual([second]);
    });

    it('are undefined after a point that is no longer kept, or lies ahead', async () => {
      const [first] = await at.commit(at.put(messageId(1)));
      at.clock.nowMs += minuteMs;
      const [second] = await at.commit(at.put(messageId(2)));
      at.clock.nowMs += dayMs - minuteMs / 2;
      expect(await at.store.events.after(home, '', 10)).toBeUndefined();
      expect(await at.store.events.after(home, first?.id ?? '', 10)).toEqual([second]);
      at.clock.nowMs += minuteMs;
      expect(await at.store.events.after(home, first?.id ?? '', 10)).toBeUndefined();
      expect(await at.store.events.after(home, second?.id ?? '', 10)).toEqual([]);
      expect(await at.store.events.after(home, '7ZZZZZZZZZZZZZZZZZZZZZZZZZ', 10)).toBeUndefined();
      expect(await at.store.events.after(home, ulidFloor(at.clock.nowMs + minuteMs), 10)).toBeUndefined();
      expect(await at.store.events.after('nowhere', '', 10)).toBeUndefined();
    });
  });
}
