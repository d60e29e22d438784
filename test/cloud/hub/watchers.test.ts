// Watchers get each event once and in order, whatever is committed while they join, read and leave.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HubHarness, put, settled } from './hub-harness.ts';

let bench: HubHarness;
beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
  await bench.online();
});
afterEach(() => bench.stop());

let n = 0;
async function commitOne(): Promise<string> {
  const event = put(++n);
  if (event.type !== 'message.put') throw new Error('no put');
  const { id, epoch, message, fingerprint } = event;
  const phone = (await bench.store.phones.list('home'))[0]?.id ?? '';
  const [made] = await bench.hub.commit([
    { type: 'message.put', id, phone, epoch, session: null, message, fingerprint },
  ]);
  return made?.id ?? '';
}

describe('a watcher', () => {
  it('is told to load everything again when its cursor is too old, and then gets all later events', async () => {
    const watch = await bench.hub.watch('00000000000000000000000000');
    bench.clock.nowMs += 25 * 3_600_000;
    expect(await watch.next()).toMatchObject({ type: 'reset' });
    const id = await commitOne();
    expect(await watch.next()).toMatchObject({ type: 'message.received', id });
    watch.stop();
  });

  it('that does not read is dropped, and loses nothing when it resumes', async () => {
    const watch = await bench.hub.watch();
    const first = await commitOne();
    expect(await watch.next()).toMatchObject({ id: first });
    const ids: string[] = [];
    for (let count = 0; count < 1001; count++) ids.push(await commitOne());
    expect(watch.ended).toBe('tooSlow');
    expect(await watch.next()).toBeUndefined();
    const back = await bench.hub.watch(first);
    for (const id of ids) expect(await back.next()).toMatchObject({ id });
    back.stop();
  });

  it('that stops gets no more events, and its reader is released', async () => {
    const watch = await bench.hub.watch();
    const pending = watch.next();
    watch.stop();
    expect(await pending).toBeUndefined();
    await commitOne();
    expect(await watch.next()).toBeUndefined();
  });

  it('sees each event once and in order, wherever it joins', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 }), async (before, during) => {
        const start = await commitOne();
        const expected: string[] = [];
        for (let count = 0; count < before; count++) expected.push(await commitOne());
        const watch = await bench.hub.watch(start);
        const seen: string[] = [];
        const reading = (async () => {
          for (let event = await watch.next(); event !== undefined; event = await watch.next()) seen.push(event.id);
        })();
        expected.push(...(await Promise.all(Array.from({ length: during }, commitOne))));
        await settled(() => seen.length >= expected.length);
        watch.stop();
        await reading;
        expect(seen).toEqual(expected);
        expect(seen).toEqual([...seen].sort());
      }),
      { numRuns: 50 },
    );
  });
});
