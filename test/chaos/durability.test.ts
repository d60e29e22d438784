// Power loss: every acknowledgement follows a flush to the disk. Counted by strace, for agent and cloud.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const strace = spawnSync('strace', ['-V']).status === 0;
// strace may be missing on a developer's machine, but not in CI.
if (!strace && process.env.CI !== undefined) throw new Error('strace is missing, and durability would go untested.');
if (!strace) process.stderr.write('Durability is not counted: strace is missing.\n');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-durability-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a program under strace; returns its flushes and its output in order. */
async function trace(program: string): Promise<string[]> {
  const file = join(folder, 'trace');
  const path = join(import.meta.dirname, program);
  const watched = ['-f', '-qq', '-e', 'trace=fsync,fdatasync,write', '-e', 'signal=none', '-s', '64', '-o', file];
  const child = spawn('strace', [...watched, process.execPath, path, folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`The traced program ended with ${code}: is strace allowed here?`);
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      // If another thread ran in between, the end of the call is a separate line: `<… fsync resumed>) = 0`.
      if (/ (fsync|fdatasync)(\(| resumed).* = 0$/.test(line)) return ['flush'];
      return /write\(1, "(begin|acknowledged)/.exec(line)?.[1] ?? [];
    });
}

/** The number of flushes between each `begin` and its `acknowledged`. */
function flushesOf(calls: readonly string[]): number[] {
  const flushes: number[] = [];
  let count = 0;
  for (const call of calls) {
    if (call === 'begin') count = 0;
    else if (call === 'flush') count++;
    else flushes.push(count);
  }
  return flushes;
}

describe.skipIf(!strace)('each acknowledged write was flushed to the disk before', () => {
  it.each([
    { program: 'writes-of-cloud.ts', atLeast: 1 },
    { program: 'writes-of-agent.ts', atLeast: 1 },
    // The file, its folder, and the parent of that folder.
    { program: 'writes-of-blobs.ts', atLeast: 3 },
  ])(
    '$program',
    async ({ program, atLeast }) => {
      const flushes = flushesOf(await trace(program));
      expect(flushes).toHaveLength(20);
      expect(Math.min(...flushes)).toBeGreaterThanOrEqual(atLeast);
    },
    60_000,
  );

  it.each([
    // For two hundred writes.
    { program: 'writes-together.ts', atMost: 20 },
    // Twenty writes that are waited for, and ten ends of sends that are not.
    { program: 'writes-of-agent.ts', atMost: 25 },
  ])(
    'and what comes together shares a flush: $program',
    async ({ program, atMost }) => {
      const calls = await trace(program);
      const flushes = calls.slice(calls.indexOf('begin')).filter((call) => call === 'flush').length;
      expect(flushes).toBeGreaterThan(0);
      expect(flushes).toBeLessThanOrEqual(atMost);
    },
    60_000,
  );

  it('and where SQLite is told not to flush, that is seen', async () => {
    expect(flushesOf(await trace('writes-without-flush.ts'))).toEqual(Array.from({ length: 20 }, () => 0));
  }, 60_000);
});
