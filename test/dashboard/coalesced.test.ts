import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { coalesced } from '../../cloud/dashboard/state/coalesced.ts';

/** Work of which each run ends when the test says so. */
function work() {
  const runs: PromiseWithResolvers<void>[] = [];
  const run = () => {
    const begun = Promise.withResolvers<void>();
    runs.push(begun);
    return begun.promise;
  };
  return { runs, run };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('wishes during a run share the next one', async () => {
  const { runs, run } = work();
  const wish = coalesced(run, 20);
  const first = wish();
  const settled = Promise.allSettled([wish(), wish()]);
  runs[0]?.resolve();
  await first;
  await vi.advanceTimersByTimeAsync(20);
  expect(runs).toHaveLength(2);
  runs[1]?.reject(new Error('It failed.'));
  expect(await settled).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  expect(runs).toHaveLength(2);
});

test('a wish in the pause between two runs does not overtake one that waits', async () => {
  const { runs, run } = work();
  const wish = coalesced(run, 20);
  const first = wish();
  const second = wish();
  runs[0]?.resolve();
  await first;
  await vi.advanceTimersByTimeAsync(19);
  const third = wish();
  expect(runs).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(runs).toHaveLength(2);
  runs[1]?.resolve();
  await Promise.all([second, third]);
  expect(runs).toHaveLength(2);
});
