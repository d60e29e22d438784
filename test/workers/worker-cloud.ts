// The deployed Worker in workerd, with DynamoDB Local: replaces the Node host in suites that run against both.
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { inject } from 'vitest';
import { unstable_startWorker as startWorker } from 'wrangler';
import { Access } from '../../cloud/access/access.ts';
import { DynamoStore, newDynamoClient } from '../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../cloud/store/folder-blobs.ts';
import { tableDefinition } from '../../cloud/store/table.ts';

const root = resolve(import.meta.dirname, '../..');
const account = 'household';

interface Settings {
  /** 0: any free port. */
  port: number;
  /** Names the table, so that the next Worker on this folder finds the data. */
  dataFolder: string;
  home: string;
  ownerToken: string;
  baseUrl?: string;
}

/** Named like the Node host that it replaces (vitest.workers.config.ts). */
export { WorkerCloud as NodeHost };

class WorkerCloud {
  readonly #settings: Settings;
  readonly #table: string;
  #worker: Awaited<ReturnType<typeof startWorker>> | undefined;
  #url = '';

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#table = `t${createHash('sha256').update(settings.dataFolder).digest('hex').slice(0, 32)}`;
  }

  async start(): Promise<void> {
    const endpoint = inject('dynamoDbUrl');
    await this.#createTable();
    const { port, home, ownerToken } = this.#settings;
    const plain = (value: string) => ({ type: 'plain_text' as const, value });
    const secret = (value: string) => ({ type: 'secret_text' as const, value });
    this.#worker = await startWorker({
      config: join(root, 'wrangler.toml'),
      entrypoint: inject('workerBuild'),
      build: { bundle: false, findAdditionalModules: false, nodejsCompatMode: 'v2' },
      bindings: {
        HOMELINE_HOME: plain(home),
        HOMELINE_TABLE: plain(this.#table),
        HOMELINE_BASE_URL: plain(this.#settings.baseUrl ?? 'http://127.0.0.1'),
        AWS_ENDPOINT_URL_DYNAMODB: plain(endpoint),
        HOMELINE_OWNER_TOKEN: secret(ownerToken),
        AWS_ACCESS_KEY_ID: secret('local'),
        AWS_SECRET_ACCESS_KEY: secret('local'),
      },
      dev: {
        server: { hostname: '127.0.0.1', port },
        logLevel: 'none',
        watch: false,
        persist: false,
        inspector: false,
        remote: false,
      },
    });
    this.#url = (await this.#worker.url).origin;
    const answer = await fetch(`${this.#url}/readyz`);
    if (answer.status !== 200) throw new Error(`The Worker is not ready: ${await answer.text()}`);
  }

  async stop(): Promise<void> {
    await this.#worker?.dispose();
    this.#worker = undefined;
  }

  get url(): string {
    return this.#url;
  }

  get baseUrl(): string {
    return this.#settings.baseUrl ?? this.#url;
  }

  signInLink(): Promise<string> {
    return this.#withAccess(async (access) => `${this.baseUrl}/#sign-in=${(await access.createSignIn(account)).token}`);
  }

  issueAgentToken(name: string): Promise<string> {
    const grant = { account, home: this.#settings.home, name, scopes: ['phones:approve'] };
    return this.#withAccess(async (access) => (await access.issue('agent', grant)).token);
  }

  async #createTable(): Promise<void> {
    const client = this.#client();
    try {
      await client.send(new CreateTableCommand({ TableName: this.#table, ...tableDefinition }));
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error;
    } finally {
      client.destroy();
    }
  }

  #client() {
    return newDynamoClient({
      endpoint: inject('dynamoDbUrl'),
      region: 'eu-central-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
  }

  async #withAccess<Answer>(use: (access: Access) => Promise<Answer>): Promise<Answer> {
    const store = new DynamoStore({
      client: this.#client(),
      table: this.#table,
      blobs: new FolderBlobs(join(this.#settings.dataFolder, 'blobs')),
    });
    await store.start();
    try {
      return await use(new Access({ store, clock: Date }));
    } finally {
      await store.stop();
    }
  }
}
