// HOMELINE_STORE: the choice of the store of a Node host.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { tableDefinition } from '../../../cloud/store/table.ts';
import { freePort } from '../../fixtures/free-port.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local is slow when all test files run in parallel.
vi.setConfig({ testTimeout: 60_000 });
const program = resolve(import.meta.dirname, '../../../cloud/hosts/node.ts');

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

  function run(env: Record<string, string>, args: readonly string[] = []): ChildProcess {
    child = spawn(process.execPath, [program, ...args], {
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
      stdio: ['ignore', args.length > 0 ? 'pipe' : 'ignore', 'pipe', 'ipc'],
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

  /** Runs `npm run cloud` with arguments; returns its exit code and output. */
  async function command(args: string[], env: Record<string, string> = {}) {
    const running = run(env, args);
    const ended = once(running, 'exit');
    const said = [running.stdout, running.stderr].map((stream) => (stream === null ? '' : text(stream)));
    const [[code], out, err] = await Promise.all([ended, ...said]);
    return { code, out, err };
  }

  it('creates the table in a local engine once, and a cloud starts on it', async () => {
    const env = { HOMELINE_TABLE: 'made' };
    expect(await command([], env)).toMatchObject({ code: 1, err: expect.stringContaining('create-table') });
    const made = await command(['create-table'], env);
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).toContain('The table “made” is made and ready.');
    const again = await command(['create-table', '--table', 'made']);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.out).toContain(
      'The table “made” was there already, and is as it should be.\nIts items expire already.',
    );
    await once(run(env), 'message');
  });

  it('refuses a table of that name with another definition', async () => {
    const client = local.client();
    const { GlobalSecondaryIndexes: _, ...table } = tableDefinition;
    const AttributeDefinitions = table.AttributeDefinitions.slice(0, 2);
    await client.send(new CreateTableCommand({ ...table, AttributeDefinitions, TableName: 'another' }));
    client.destroy();
    const { code, err } = await command(['create-table', '--table', 'another']);
    expect([code, err]).toEqual([1, expect.stringContaining('but its index by-group is missing. Name another table')]);
  });

  it.each(['', 'https://dynamodb.eu-central-1.amazonaws.com', 'https://x.dynamodb.cn-north-1.amazonaws.com.cn/'])(
    'makes no table at AWS unless asked twice (endpoint “%s”)',
    async (endpoint) => {
      const { code, err } = await command(['create-table'], { AWS_ENDPOINT_URL_DYNAMODB: endpoint });
      expect([code, err]).toEqual([2, expect.stringContaining('add --yes-at-aws')]);
    },
  );

  it('explains what is wrong when no engine answers, and when the setting is invalid', async () => {
    const AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${await freePort()}`;
    const silent = await command(['create-table'], { AWS_ENDPOINT_URL_DYNAMODB });
    expect([silent.code, silent.err]).toEqual([
      1,
      expect.stringContaining('The table cannot be made: DynamoDB is not'),
    ]);
    const other = await command(['create-tables']);
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringContaining('create-tables: this command takes no such argument'),
    ]);
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
