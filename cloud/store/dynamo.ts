// DynamoStore: the Store in Amazon DynamoDB, on Node and in Workers. Each sub-store is a file in dynamo/; table.ts
// defines the table; texts that are too large for an item go to Blobs.
import { randomBytes } from 'node:crypto';
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { HomeEvent } from '../../protocol/model.ts';
import { newUlid } from '../../shared/ulid.ts';
import type { Blobs } from './blobs.ts';
import type { Clock } from './clock.ts';
import { DynamoCommits } from './dynamo/dynamo-commits.ts';
import { DynamoConversations } from './dynamo/dynamo-conversations.ts';
import { DynamoEvents } from './dynamo/dynamo-events.ts';
import { DynamoHomes } from './dynamo/dynamo-homes.ts';
import { DynamoMessages } from './dynamo/dynamo-messages.ts';
import { DynamoPhones } from './dynamo/dynamo-phones.ts';
import { DynamoRequests } from './dynamo/dynamo-requests.ts';
import { DynamoSessions } from './dynamo/dynamo-sessions.ts';
import { DynamoTokens } from './dynamo/dynamo-tokens.ts';
import { DynamoUpkeep } from './dynamo/dynamo-upkeep.ts';
import { DynamoEngine } from './dynamo/engine.ts';
import { HomeRecords } from './dynamo/home-records.ts';
import { Items } from './dynamo/items.ts';
import { keys } from './dynamo/keys.ts';
import { Records } from './dynamo/records.ts';
import { Cursors } from './rules/cursor.ts';
import type { Store, Write } from './store.ts';
import { attributes } from './table.ts';

/** Shorter than the time for which an agent waits for an acknowledgement. */
const standardDeadlineMs = 8_000;

export interface DynamoStoreOptions {
  /** Of `newDynamoClient`; the store ends its connections. */
  client: DynamoDBClient;
  /** Made from infra/dynamodb.json. */
  table: string;
  /** Holds texts that are too large for an item. */
  blobs: Blobs;
  clock?: Clock;
  /** For all attempts of one call together; 8,000 by default. */
  deadlineMs?: number;
}

/** A client for DynamoStore. It makes single attempts: the store retries. Workers must give region and credentials. */
export function newDynamoClient(config: DynamoDBClientConfig = {}): DynamoDBClient {
  return new DynamoDBClient({ ...config, maxAttempts: 1 });
}

export class DynamoStore implements Store {
  readonly #engine: DynamoEngine;
  readonly #clock: Clock;
  readonly #records: Records;
  readonly homes: DynamoHomes;
  readonly tokens: DynamoTokens;
  readonly phones: DynamoPhones;
  readonly conversations: DynamoConversations;
  readonly messages: DynamoMessages;
  readonly sessions: DynamoSessions;
  readonly events: DynamoEvents;
  readonly requests: DynamoRequests;
  readonly #upkeep: DynamoUpkeep;
  readonly #commits: DynamoCommits;
  readonly #cursors = new Cursors();
  #id = '';

  constructor(options: DynamoStoreOptions) {
    const { client, table, blobs, clock = Date, deadlineMs = standardDeadlineMs } = options;
    const engine = new DynamoEngine(client, table, deadlineMs);
    const items = new Items(blobs);
    const records = new Records(engine, items, clock);
    const homes = new HomeRecords(engine, items, clock);
    this.#engine = engine;
    this.#clock = clock;
    this.#records = records;
    this.tokens = new DynamoTokens(records);
    this.requests = new DynamoRequests(records);
    this.homes = new DynamoHomes(records, homes);
    this.phones = new DynamoPhones(homes);
    this.conversations = new DynamoConversations(homes, this.#cursors);
    this.messages = new DynamoMessages(homes, {
      phones: this.phones,
      conversations: this.conversations,
      cursors: this.#cursors,
    });
    this.sessions = new DynamoSessions(homes, this.#cursors);
    this.events = new DynamoEvents(homes);
    this.#upkeep = new DynamoUpkeep(homes, this.conversations);
    this.#commits = new DynamoCommits({
      records: homes,
      homes: this.homes,
      phones: this.phones,
      messages: this.messages,
      sessions: this.sessions,
      upkeep: this.#upkeep,
    });
  }

  get id(): string {
    return this.#id;
  }

  /** @throws GatewayError `store-unavailable`, whose message says what to do, as when there is no such table */
  async start(): Promise<void> {
    this.#engine.open();
    this.#upkeep.start();
    const made = { id: newUlid(Date.now()), cursorSecret: randomBytes(32).toString('hex') };
    const { id, cursorSecret } = await this.#records.change(async (batch) => {
      await batch.load([keys.store()]);
      const stored = batch.get(keys.store());
      if (stored === undefined) batch.put(keys.store(), made);
      return stored ?? made;
    });
    this.#id = id;
    this.#cursors.secret = cursorSecret;
  }

  /** Finishes the commits in flight first. */
  async stop(): Promise<void> {
    await this.#commits.settle();
    await this.#upkeep.stop();
    this.#engine.close();
  }

  async ping(): Promise<void> {
    const { pk, sk } = keys.probe();
    const item = { [attributes.partition]: pk, [attributes.sort]: sk, [attributes.revision]: this.#clock.now() };
    await this.#engine.putIfNewer(item);
  }

  commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    return this.#commits.commit(home, writes);
  }

  /** Resolves when the homes with a commit since the start no longer hold records in the form of an earlier version. */
  upkeep(): Promise<void> {
    return this.#upkeep.settled();
  }
}
