import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
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

test('wishes during a run share the next one', async () => {
  const { runs, run } = work();
  const wish = coalesced(run, 1);
  const first = wish();
  const [second, third] = [wish(), wish()];
  runs[0]?.resolve();
  await first;
  while (runs.length < 2) await pause(1);
  runs[1]?.reject(new Error('It failed.'));
  expect(await Promise.allSettled([second, third])).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  expect(runs).toHaveLength(2);
});

test('a wish in the pause between two runs does not overtake one that waits', async () => {
  const { runs, run } = work();
  const wish = coalesced(run, 20);
  const first = wish();
  const second = wish();
  runs[0]?.resolve();
  await first;
  await pause(0);
  const third = wish();
  expect(runs).toHaveLength(1);
  while (runs.length < 2) await pause(1);
  runs[1]?.resolve();
  await Promise.all([second, third]);
  expect(runs).toHaveLength(2);
});
