// A short run of the chaos suite, and its self-test: without a safeguard it must find the fault.
import { describe, expect, it } from 'vitest';
import { type RoundOptions, runRound } from './round.ts';

/** An event that was lost with a truncated list is made up for after some 20 s, and later on a busy machine. */
const short: Omit<RoundOptions, 'seed'> = { loadMs: 4000, perSecond: 50, faults: 5, quietMs: 60_000 };
const whole = { lost: 0, twice: 0, disordered: 0, misread: 0, unfinished: 0, crashes: 0, faults: [] };

describe('when everything fails now and then', () => {
  it.each(['seed 1', 'seed 2'])(
    'nothing is lost, nothing comes twice, and all is in order (%s)',
    async (seed) => {
      expect(await runRound({ ...short, seed })).toMatchObject(whole);
    },
    120_000,
  );

  it('nothing waits for the next comparison when the phone comes back at the same port', async () => {
    const round = { ...short, seed: 'same port', faults: 2, kinds: ['restart' as const] };
    expect(await runRound(round)).toMatchObject(whole);
  }, 120_000);
});

describe('the suite itself', () => {
  /** The duplicates of the first round that has any: on a busy machine a cut may hit nothing in flight. */
  async function twice(seed: string, preload: RoundOptions['preload']): Promise<number> {
    let found = 0;
    for (let round = 0; found === 0 && round < 5; round++) {
      const unsafe = { ...short, seed: `${seed}/${round}`, loadMs: 8000, faults: 24, kinds: ['cut' as const] };
      found = (await runRound({ ...unsafe, quietMs: 10_000, discard: true, ...(preload && { preload }) })).twice;
    }
    return found;
  }

  it('finds what is sent twice when the agent keeps no journal', async () => {
    expect(await twice('no journal', { agent: 'without-journal.ts' })).toBeGreaterThan(0);
  }, 300_000);

  it('finds what is stored twice when the store does not tell the same from the new', async () => {
    expect(await twice('no dedupe', { cloud: 'without-dedupe.ts' })).toBeGreaterThan(0);
  }, 300_000);
});
