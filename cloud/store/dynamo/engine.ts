// DynamoDB as the store needs it: strongly consistent reads by key, ranges in order, conditional writes. Each call is
// retried with full jitter until the store's own deadline. Source: AWS Architecture Blog, 2015.
import { randomUUID } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  type BatchGetCommandInput,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
} from '@aws-sdk/lib-dynamodb';
import { GatewayError } from '../../../protocol/errors.ts';
import { backOffMs, fullJitter } from '../../../shared/back-off.ts';
import { attributes, type indexes } from '../table.ts';
import { isPossible, type Key } from './keys.ts';
import { Conflict, meaningOf, unavailable } from './outage.ts';

/** For one attempt: an answer takes a few milliseconds; a lost connection never answers. */
const attemptMs = 2_000;
/** Full jitter: calls that failed together must not retry together. */
const retryTimes = { firstMs: 25, capMs: 1_000, spread: fullJitter };
/** The limit of BatchGetItem. */
const keysPerRead = 100;

export type Item = Record<string, unknown>;

export interface Range {
  partition: string;
  /** Both inclusive. */
  from: string;
  to: string;
  newestFirst?: boolean;
  /** Reads only the attributes of messages that people see. */
  isForPeople?: boolean;
  /** Items in one read; DynamoDB also ends a page at 1 MB. */
  count: number;
  /** Without it, the range is of the table itself and strongly consistent. An index may be some moments stale. */
  index?: { name: (typeof indexes)[keyof typeof indexes]; partition: string };
}

/** The change of one item, which is written only if the item is still at revision `before` (0: it does not exist). */
export interface ItemChange {
  key: Key<unknown>;
  before: number;
  /** Undefined deletes it. */
  item?: Item;
}

/** Without the keys of indexes: AWS charges for each byte that leaves it. */
const forPeople = projectionOf([attributes.sort, attributes.record, attributes.blob, attributes.expiry]);
const forUs = projectionOf([...forPeople.names, attributes.revision, attributes.aside]);

export class DynamoEngine {
  readonly #client: DynamoDBClient;
  readonly #documents: DynamoDBDocumentClient;
  readonly #table: string;
  readonly #deadlineMs: number;
  #open = false;

  /** The client must make single attempts: see `newDynamoClient`. `deadlineMs`: for all attempts of a call together. */
  constructor(client: DynamoDBClient, table: string, deadlineMs: number) {
    this.#client = client;
    this.#deadlineMs = deadlineMs;
    this.#documents = DynamoDBDocumentClient.from(client);
    this.#table = table;
  }

  open(): void {
    this.#open = true;
  }

  close(): void {
    this.#open = false;
    this.#client.destroy();
  }

  /** The items that exist, with their keys, in no order. */
  async get(keys: readonly Key<unknown>[]): Promise<Item[]> {
    const [only] = keys;
    if (only === undefined) return [];
    if (keys.length === 1) {
      const input = {
        TableName: this.#table,
        Key: place(only),
        ConsistentRead: true,
        ProjectionExpression: forUs.expression,
        ExpressionAttributeNames: forUs.attributes,
      };
      const { Item } = await this.#try((abortSignal) => this.#documents.send(new GetCommand(input), { abortSignal }));
      return Item === undefined ? [] : [{ ...Item, ...place(only) }];
    }
    const items: Item[] = [];
    for (let at = 0; at < keys.length; at += keysPerRead) {
      const wanted = keys.slice(at, at + keysPerRead).map(place);
      const asked = {
        Keys: wanted,
        ConsistentRead: true,
        ProjectionExpression: `#partition, ${forUs.expression}`,
        ExpressionAttributeNames: { '#partition': attributes.partition, ...forUs.attributes },
      };
      items.push(...(await this.#getBatch({ [this.#table]: asked })));
    }
    return items;
  }

  /**
   * Yields the items of a range and reads only as far as the caller consumes. Of its keys, an item has the sort key
   * alone.
   */
  async *query(range: Range): AsyncGenerator<Item> {
    const { index, partition, from, to } = range;
    if (![from, to].every((sk) => isPossible({ pk: partition, sk }))) return;
    const projection = range.isForPeople === true ? forPeople : forUs;
    let start: Item | undefined;
    do {
      const input = {
        TableName: this.#table,
        ...(index === undefined ? { ConsistentRead: true } : { IndexName: index.name }),
        KeyConditionExpression: '#partition = :partition AND #sort BETWEEN :from AND :to',
        ExpressionAttributeNames: {
          '#partition': index?.partition ?? attributes.partition,
          '#sort': attributes.sort,
          ...projection.attributes,
        },
        ProjectionExpression: projection.expression,
        ExpressionAttributeValues: { ':partition': partition, ':from': from, ':to': to },
        ScanIndexForward: range.newestFirst !== true,
        Limit: range.count,
        ExclusiveStartKey: start,
      };
      const { Items, LastEvaluatedKey } = await this.#try((abortSignal) =>
        this.#documents.send(new QueryCommand(input), { abortSignal }),
      );
      yield* Items ?? [];
      start = LastEvaluatedKey;
    } while (start !== undefined);
  }

  /**
   * Writes all changes or none; a single change outside of a transaction costs half. A transaction has a token, so that
   * a retry after a lost answer has no second effect.
   * @throws Conflict if an item is no longer at its revision
   */
  async write(changes: readonly ItemChange[]): Promise<void> {
    const [only] = changes;
    if (only === undefined) return;
    if (changes.length > 1) {
      const TransactItems = changes.map((change) =>
        change.item === undefined ? { Delete: this.#deletion(change) } : { Put: this.#put(change, change.item) },
      );
      const input = { TransactItems, ClientRequestToken: randomUUID() };
      await this.#try((abortSignal) => this.#documents.send(new TransactWriteCommand(input), { abortSignal }));
    } else if (only.item === undefined) {
      const input = this.#deletion(only);
      await this.#try((abortSignal) => this.#documents.send(new DeleteCommand(input), { abortSignal }));
    } else {
      const input = this.#put(only, only.item);
      await this.#try((abortSignal) => this.#documents.send(new PutCommand(input), { abortSignal }));
    }
  }

  /**
   * Puts the item unless the table holds this revision or a newer one, so that a repeated or late write has no effect.
   * Returns whether it wrote.
   */
  async putIfNewer(item: Item): Promise<boolean> {
    const input = {
      TableName: this.#table,
      Item: item,
      ConditionExpression: 'attribute_not_exists(#revision) OR #revision < :revision',
      ExpressionAttributeNames: { '#revision': attributes.revision },
      ExpressionAttributeValues: { ':revision': item[attributes.revision] },
    };
    try {
      await this.#try((abortSignal) => this.#documents.send(new PutCommand(input), { abortSignal }));
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  async #getBatch(wanted: BatchGetCommandInput['RequestItems']): Promise<Item[]> {
    const items: Item[] = [];
    // DynamoDB returns throttled keys as unprocessed, without an error.
    for (let left = wanted, tries = 0; left !== undefined && Object.keys(left).length > 0; tries++) {
      if (tries > 0) await pause(tries);
      if (tries > 10) throw unavailable(new Error('UnprocessedKeys'));
      const input = { RequestItems: left };
      const answer = await this.#try((abortSignal) =>
        this.#documents.send(new BatchGetCommand(input), { abortSignal }),
      );
      items.push(...(answer.Responses?.[this.#table] ?? []));
      left = answer.UnprocessedKeys;
    }
    return items;
  }

  #put(change: ItemChange, Item: Item) {
    return { TableName: this.#table, Item, ...condition(change.before) };
  }

  #deletion(change: ItemChange) {
    return { TableName: this.#table, Key: place(change.key), ...condition(change.before) };
  }

  async #try<Answer>(attempt: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    const until = performance.now() + this.#deadlineMs;
    for (let tries = 1; ; tries++) {
      if (!this.#open) throw new GatewayError('store-unavailable', 'The store is closed.');
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), attemptMs);
      try {
        return await attempt(abort.signal);
      } catch (error) {
        const meaning = meaningOf(error);
        if (meaning === 'conflict') throw new Conflict('', { cause: error });
        if (meaning === 'mistake') throw error;
        if (meaning === 'unavailable' || performance.now() > until) throw unavailable(error);
      } finally {
        clearTimeout(timer);
      }
      await pause(tries);
    }
  }
}

/** Waits before the next attempt. */
export function pause(tries: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, backOffMs(retryTimes, tries));
  });
}

function projectionOf(names: readonly string[]) {
  return {
    names,
    expression: names.map((_, at) => `#shown${at}`).join(', '),
    attributes: Object.fromEntries(names.map((name, at) => [`#shown${at}`, name])),
  };
}

function place({ pk, sk }: Key<unknown>): Item {
  return { [attributes.partition]: pk, [attributes.sort]: sk };
}

function condition(before: number) {
  if (before === 0) {
    return {
      ConditionExpression: 'attribute_not_exists(#key)',
      ExpressionAttributeNames: { '#key': attributes.partition },
    };
  }
  return {
    ConditionExpression: '#revision = :before',
    ExpressionAttributeNames: { '#revision': attributes.revision },
    ExpressionAttributeValues: { ':before': before },
  };
}
