// The contract of Store: requests under an Idempotency-Key.
import { describe, expect, it } from 'vitest';
import { dayMs, minuteMs, type StoreUnderTest } from './store-under-test.ts';

export function requestsContract(at: StoreUnderTest): void {
  describe('requests under a key', () => {
    const answer = { status: 201, body: '{"id":"m_1"}' };

    it('are begun once; a repeat waits, and then gets the same answer', async () => {
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toMatchObject({ state: 'new', isRetry: false });
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
      await at.store.requests.finish('t_1', 'key', answer);
      await at.store.requests.finish('t_1', 'key', { status: 500, body: 'late' });
      await at.reopen();
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'done', ...answer });
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
      expect(await at.store.requests.begin('t_2', 'key', 'other')).toMatchObject({ state: 'new' });
      expect(await at.store.requests.begin('t_1', 'key 2', 'other')).toMatchObject({ state: 'new' });
    });

    it('are begun by one of many concurrent callers', async () => {
      const begun = await Promise.all(Array.from({ length: 50 }, () => at.store.requests.begin('t_1', 'key', 'print')));
      expect(begun.filter(({ state }) => state === 'new')).toHaveLength(1);
    });

    it('are deleted when they are abandoned, or after 24 hours', async () => {
      await at.store.requests.begin('t_1', 'key', 'print');
      await at.store.requests.abandon('t_1', 'key');
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toMatchObject({ state: 'new' });
      await at.store.requests.finish('t_1', 'key', answer);
      await at.store.requests.abandon('t_1', 'key');
      at.clock.nowMs += dayMs - 1;
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toMatchObject({ state: 'done' });
      at.clock.nowMs += 1;
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toMatchObject({ state: 'new' });
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
    });

    it('are retried by one of their repeats once released, and by no other request', async () => {
      const begun = await at.store.requests.begin('t_1', 'key', 'print');
      at.clock.nowMs += minuteMs;
      await at.store.requests.release('t_1', 'key');
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
      await at.reopen();
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ ...begun, isRetry: true });
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
      await at.store.requests.finish('t_1', 'key', answer);
      await at.store.requests.release('t_1', 'key');
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'done', ...answer });
    });

    it('are retried by one of their repeats once the process that began them must be gone', async () => {
      await at.store.requests.begin('t_1', 'key', 'print');
      at.clock.nowMs += 2 * minuteMs;
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
      at.clock.nowMs += 10 * minuteMs;
      expect(await at.store.requests.begin('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
      const firstBegunMs = at.clock.nowMs - 12 * minuteMs;
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({
        state: 'new',
        firstBegunMs,
        isRetry: true,
      });
      expect(await at.store.requests.begin('t_1', 'key', 'print')).toEqual({ state: 'running' });
    });
  });
}
