// Token buckets: what is taken never exceeds what there is and what came back, however the time goes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TokenBuckets } from '../../../cloud/routes/token-buckets.ts';

const steps = fc.array(
  fc.record({ passedMs: fc.integer({ min: -5_000, max: 5_000 }), amount: fc.integer({ min: 1, max: 5 }) }),
);

it('give no more than their capacity and what comes back, and it comes back', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const clock = { nowMs: 1_000_000, now: () => clock.nowMs };
      const buckets = new TokenBuckets(10, 10_000, clock);
      let given = 0;
      let forwardMs = 0;
      for (const { passedMs, amount } of taken) {
        clock.nowMs += passedMs;
        forwardMs += Math.max(0, passedMs);
        const level = buckets.take('key', amount);
        if (level.isEnough) given += amount;
        else {
          expect(level.waitMs).toBeGreaterThan(0);
          clock.nowMs += Math.ceil(level.waitMs);
          forwardMs += Math.ceil(level.waitMs);
          expect(buckets.take('key', amount).isEnough).toBe(true);
          given += amount;
        }
        expect(given).toBeLessThanOrEqual(10 + forwardMs / 1000 + 0.001);
      }
    }),
  );
});

it('are kept apart by their keys, of which 10,000 are remembered', () => {
  const buckets = new TokenBuckets(1, 1_000, { now: () => 0 });
  for (let n = 0; n < 10_000; n++) expect(buckets.take(`key ${n}`).isEnough).toBe(true);
  expect(buckets.take('key 0').isEnough).toBe(false);
  expect(buckets.take('another').isEnough).toBe(true);
  expect(buckets.take('key 0').isEnough).toBe(false);
  expect(buckets.take('key 1').isEnough).toBe(true);
});
