// HOMELINE_STORE: the store that a Node host is told to use.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local takes its time where all test files run at once.
vi.setConfig({ testTimeout: 60_000 });
const command = resolve(import.meta.dirname, '../../../cloud/hosts/node.ts');

describe.skipIf(missing !== undefined)('the Node host with HOMELINE_STORE=dynamodb', () => {
  const local = new DynamoDbLocal();
  let folder: string;
  let child: ChildProcess | undefined;

  beforeAll(() => local.start());
  afterAll(() => local.stop());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'homeline-open-'));
  });
  afterEach(async () => {
    if (child?.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function run(env: Record<string, string>): ChildProcess {
    child = spawn(process.execPath, [command], {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        AWS_EC2_METADATA_DISABLED: 'true',
        HOMELINE_STORE: 'dynamodb',
        HOMELINE_PORT: '0',
        HOMELINE_DATA: join(folder, 'data'),
        HOMELINE_TABLE: 'homeline',
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_ENDPOINT_URL_DYNAMODB: local.endpoint,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    return child;
  }

  it('keeps home and owner in the table, and nothing of SQLite in the data folder', async () => {
    await local.createTable('homeline');
    const ownerToken = 'owner-of-this-home-in-thirty-two-characters';
    for (const start of ['first', 'second']) {
      const [ready] = (await once(run({ HOMELINE_OWNER_TOKEN: ownerToken }), 'message')) as [{ url: string }];
      const answer = await fetch(`${ready.url}/v1/homes`, { headers: { authorization: `Bearer ${ownerToken}` } });
      expect(await answer.json(), start).toMatchObject({ items: [{ id: 'home', online: false }] });
      child?.kill('SIGTERM');
      if (child) expect(await once(child, 'exit')).toEqual([0, null]);
    }
    expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes('.db'))).toEqual([]);
  });

  it.each([
    ['there is no such table', { HOMELINE_TABLE: 'nowhere' }, 'infra/dynamodb.json'],
    ['there is no region', { AWS_REGION: '' }, 'AWS_REGION'],
    ['there are no credentials', { AWS_ACCESS_KEY_ID: '' }, 'AWS_ACCESS_KEY_ID'],
  ])('does not start when %s, and names the mend', async (_, env, mend) => {
    const failing = run(env);
    const [said] = await Promise.all([text(failing.stderr as NodeJS.ReadableStream), once(failing, 'exit')]);
    expect(failing.exitCode).toBe(1);
    expect(said).toContain(mend);
  });
});
