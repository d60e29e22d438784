import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const program = join(import.meta.dirname, 'lock-holder.ts');
let folder: string;
const holders = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-lock-'));
});
afterEach(async () => {
  for (const holder of holders) await kill(holder, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

async function hold(...args: string[]): Promise<ChildProcess> {
  const holder = fork(program, [folder, ...args], { execArgv: [], silent: true });
  holders.add(holder);
  await once(holder, 'message');
  return holder;
}

async function kill(holder: ChildProcess, signal: 'SIGKILL' | 'release'): Promise<void> {
  holders.delete(holder);
  const ended = once(holder, 'exit');
  if (signal === 'release') holder.send('release');
  else holder.kill(signal);
  await ended;
}

/** The error of a second holder; undefined if it gets the lock. */
function refusal(): string | undefined {
  const second = spawnSync(process.execPath, [program, folder], { encoding: 'utf8', timeout: 5_000 });
  return second.status === 1 ? second.stderr : undefined;
}

describe('the lock of a data folder', () => {
  it('keeps a second process out and names the first: its process, since when, and where it listens', async () => {
    const first = await hold('http://127.0.0.1:8787');
    expect(refusal()).toMatch(
      new RegExp(
        `another cloud already runs on the data folder ${folder}: process ${first.pid}, running since ` +
          '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z, at http://127.0.0.1:8787. Stop that one, or give this one a folder of its own',
      ),
    );
  });

  it('is free at once when its holder was killed, for the next holder too', async () => {
    for (let round = 0; round < 3; round++) await kill(await hold(), 'SIGKILL');
    await hold();
    expect(refusal()).toContain('another cloud');
  });

  it('is held by a process that is stopped', async () => {
    const first = await hold();
    first.kill('SIGSTOP');
    expect(refusal()).toContain(`process ${first.pid}`);
  });

  it('leaves nothing that names a holder when it is released', async () => {
    const first = await hold();
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0);
    await kill(first, 'release');
    expect(readdirSync(folder)).toEqual(['cloud.lock']);
  });
});
