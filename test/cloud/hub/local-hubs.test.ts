import { afterAll, expect, it } from 'vitest';
import { LocalHubs } from '../../../cloud/hub/local-hubs.ts';
import { HubHarness } from './hub-harness.ts';

const bench = new HubHarness();
afterAll(() => bench.stop());

it('spreads the reconnects of a drained fleet over the time it takes to accept them', async () => {
  await bench.start();
  const spreadOf = async (homes: number) => {
    const hubs = new LocalHubs(bench.deps);
    const drained: string[] = [];
    await Promise.all(
      Array.from({ length: homes }, async (_, n) => {
        await bench.store.homes.create({ id: `home-${n}`, account: 'a', name: 'Home', owner: 'Ada' });
        const hub = await hubs.hub(`home-${n}`);
        const link = { send: (text: string) => drained.push(text), close: () => undefined, keep: () => undefined };
        hub.attach(link, { id: 't_1', name: 'agent', mayApprove: true });
      }),
    );
    await hubs.stop();
    expect(drained).toHaveLength(homes);
    return JSON.parse(drained[0] ?? '').spreadMs;
  };
  expect(await spreadOf(1)).toBe(2_000);
  expect(await spreadOf(1_500)).toBe(3_000);
});
