// The README's code blocks are run here, or their commands are those of other end-to-end tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Household } from './end-to-end/household.ts';

const root = resolve(import.meta.dirname, '..');
const text = readFileSync(join(root, 'README.md'), 'utf8');
const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((match) => (match[1] ?? '').trim().split('\n'));

/** Run as they stand elsewhere: by .ci/run, by test/end-to-end/start.test.ts, by the agent's own tests. */
const elsewhere = [
  'npm ci && npm start',
  'npm ci && npm test',
  'npm run phone -- say +390110001 "Dinner at 8?"',
  'npm run agent -- --cloud wss://homeline.example.org --agent-token hl_…',
];
const requests = lines.filter((line) => line.startsWith('curl '));

describe('the README', () => {
  let household: Household;

  beforeAll(async () => {
    household = await Household.open();
    await household.addPhone('Kitchen');
    await household.startAgent();
    await household.phoneOnline('Kitchen');
  });
  afterAll(() => household.close());

  it('shows no command that nothing runs', () => {
    expect(lines.filter((line) => !line.startsWith('curl '))).toEqual(elsewhere);
    expect(requests.length).toBeGreaterThan(0);
  });

  it.each(requests)('%s', async (request) => {
    const command = request
      .replaceAll('http://127.0.0.1:8787', household.url)
      .replace('curl', `curl --silent --fail-with-body --max-time ${request.includes('-N') ? 1 : 10}`);
    const child = spawn('sh', ['-c', command], { env: { ...process.env, TOKEN: household.ownerToken } });
    const [stdout, [status]] = await Promise.all([textOf(child.stdout), once(child, 'close')]);
    if (request.includes('/events')) expect(stdout).toMatch(/^: homeline\n/);
    else expect(status, stdout).toBe(0);
  });
});
