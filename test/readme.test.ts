// Runs the README's code blocks, or checks that other end-to-end tests run them.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Household } from './end-to-end/household.ts';

const root = resolve(import.meta.dirname, '..');
const text = readFileSync(join(root, 'README.md'), 'utf8');
const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((match) => (match[1] ?? '').trim().split('\n'));

/** Run by .ci/run, by test/end-to-end/start.test.ts, or by the agent's tests. */
const elsewhere = [
  'npm ci && npm start',
  'npm ci && npm test',
  'npm run phone -- say +390110001 "Dinner at 8?"',
  '(umask 077 && cat > agent-token)',
  'npm run agent -- --cloud wss://homeline.example.org --agent-token-file agent-token',
];
const header = lines.find((line) => line.includes('homeline.header') && !line.startsWith('curl ')) ?? '';
const requests = lines.filter((line) => line.startsWith('curl '));

describe('the README', () => {
  let household: Household;
  let folder: string;

  beforeAll(async () => {
    household = await Household.open();
    await household.addPhone('Kitchen');
    await household.startAgent();
    await household.phoneOnline('Kitchen');
    folder = mkdtempSync(join(tmpdir(), 'homeline-readme-'));
    execFileSync('sh', ['-c', header], { cwd: folder, input: `${household.ownerToken}\n` });
  });
  afterAll(async () => {
    await household.close();
    rmSync(folder, { recursive: true });
  });

  it('shows no token on a command line, and puts it into a file that only its owner reads', () => {
    expect(lines.filter((line) => /hl_|\$TOKEN/.test(line))).toEqual([]);
    expect(statSync(join(folder, 'homeline.header')).mode & 0o777).toBe(0o600);
  });

  it('shows no command that nothing runs', () => {
    expect(lines.filter((line) => !line.startsWith('curl ') && line !== header)).toEqual(elsewhere);
    expect(requests.length).toBeGreaterThan(0);
  });

  it.each(requests)('%s', async (request) => {
    const command = request
      .replaceAll('http://127.0.0.1:8787', household.url)
      .replace('curl', `curl --silent --fail-with-body --max-time ${request.includes('-N') ? 1 : 10}`);
    const child = spawn('sh', ['-c', command], { cwd: folder });
    const [stdout, [status]] = await Promise.all([textOf(child.stdout), once(child, 'close')]);
    if (request.includes('/events')) expect(stdout).toMatch(/^: homeline\n/);
    else expect(status, stdout).toBe(0);
  });
});
