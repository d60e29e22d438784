// DynamoDB as the store needs it: strongly consistent reads by key, ranges in order, conditional writes, each tried
// again with full jitter until a deadline of our own. Exponential back-off and jitter: AWS Architecture Blog, 2015.
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

/** One try: an answer takes a few milliseconds, the dead end of a lost connection for ever. */
const attemptMs = 2_000;
/** What failed together must not come back together. */
const retryTimes = { firstMs: 25, capMs: 1_000, spread: fullJitter };
/** BatchGetItem takes no more. */
const keysPerRead = 100;

export type Item = Record<string, unknown>;

export interface Range {
  partition: string;
  /** Both inclusive. */
  from: string;
  to: string;
  newestFirst?: boolean;
  /** Only what people see of messages. */
  isForPeople?: boolean;
  /** Read at once; a page of DynamoDB is at most 1 MB besides. */
  count: number;
  /** Without it, the table itself, strongly consistent. What an index tells may be some moments old. */
  index?: { name: (typeof indexes)[keyof typeof indexes]; partition: string };
}

/** One item's change, only if its revision is still `before` (0: it is not there). */
export interface ItemChange {
  key: Key<unknown>;
  before: number;
  /** Undefined: it goes. */
  item?: Item;
}

/** Keys of indexes stay behind: what leaves AWS is paid. */
const forPeople = projectionOf([attributes.sort, attributes.record, attributes.blob, attributes.expiry]);
const forUs = projectionOf([...forPeople.names, attributes.revision, attributes.aside]);

export class DynamoEngine {
  readonly #client: DynamoDBClient;
  readonly #documents: DynamoDBDocumentClient;
  readonly #table: string;
  readonly #deadlineMs: number;
  #open = false;

  /** The client makes single attempts only: see `newDynamoClient`. `deadlineMs`: for all tries of a call together. */
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

  /** Those that are there, with their keys, in no order. */
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

  /** Goes through a range, reading on only as far as the caller does. Of their keys the items have the sort key alone. */
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
   * All or nothing: one change by itself costs half of what it costs in a transaction. Throws `Conflict` if an item is
   * no longer at its revision. A transaction has a name, so that a repeated try after a lost answer is the same.
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
   * Puts the item unless it is there already, or newer: whoever repeats what another has done, or comes too late,
   * changes nothing. False then.
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
    // Throttled keys come back unread, without an error.
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

/** Waits before the next of several tries. */
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
