// The capacity of DynamoDB requests by AWS's rules, which DynamoDB Local does not implement (docs/decisions/0005): a write
// unit per kilobyte of the larger of before and after, twice in a transaction; per index once, or twice if the key
// moves; a read unit per 4 KB, half if eventually consistent. Sizes follow AWS's item rules.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { attributes, indexes } from '../../cloud/store/table.ts';

export interface Consumption {
  /** The longest chain of requests in which each began after the previous one ended. */
  turns: number;
  readUnits: number;
  tableWriteUnits: number;
  indexWriteUnits: number;
  /** Bytes of answers as JSON: data that leaves AWS. */
  receivedBytes: number;
}

type Item = Record<string, unknown>;

/** `{"Count":1,"Items":[],"ScannedCount":1}`; other answers are shorter. Headers are not counted. */
const envelopeBytes = 40;

interface Place {
  TableName?: string;
  Item?: Item;
  Key?: Item;
}
/** The requested attributes. */
interface Asked {
  ProjectionExpression?: string | undefined;
  ExpressionAttributeNames?: Record<string, string> | undefined;
  KeyConditionExpression?: string;
}
interface Input extends Place, Asked {
  IndexName?: string;
  ConsistentRead?: boolean;
  TransactItems?: { Put?: Place; Delete?: Place }[];
  RequestItems?: Record<string, Asked & { Keys?: Item[] }>;
}
interface Output {
  Item?: Item;
  Items?: Item[];
  Responses?: Record<string, Item[]>;
}

const indexKeys = {
  [indexes.byGroup]: [attributes.group, attributes.sort],
  [indexes.byList]: [attributes.list, attributes.sort],
};

/** The items of a table as last written through a meter. */
export class Shadow {
  readonly #items = new Map<string, Item>();

  get(place: Place): Item | undefined {
    return this.#items.get(nameOf(place));
  }

  set(place: Place): void {
    if (place.Item === undefined) this.#items.delete(nameOf(place));
    else this.#items.set(nameOf(place), place.Item);
  }

  /** With index entries and 100 bytes of overhead each; without expiring items. */
  get keptBytes(): number {
    let bytes = 0;
    for (const item of this.#items.values()) {
      if (item[attributes.expiry] !== undefined) continue;
      const copies = 1 + Object.values(indexKeys).filter((keys) => placeIn(keys, item) !== undefined).length;
      bytes += copies * (sizeOf(item) + 100);
    }
    return bytes;
  }
}

export class Meter {
  readonly #shadow: Shadow;
  readonly spent: Consumption = {
    turns: 0,
    readUnits: 0,
    tableWriteUnits: 0,
    indexWriteUnits: 0,
    receivedBytes: 0,
  };
  underWay = 0;

  constructor(shadow: Shadow) {
    this.#shadow = shadow;
  }

  /** Counts the requests of this client from now on. */
  watch(client: DynamoDBClient): DynamoDBClient {
    client.middlewareStack.add(
      (next, context) => async (step) => {
        this.underWay++;
        const turn = this.spent.turns + 1;
        const input = step.input as Input;
        const isDeletion = String(context.commandName).startsWith('Delete');
        const writes = writesOf(input, isDeletion);
        for (const write of writes) this.#countWrite(write, input.TransactItems !== undefined);
        try {
          if (writes.length > 0) {
            const result = await next(step);
            for (const write of writes) this.#shadow.set(write);
            return result;
          }
          // AWS charges whole items even for a projection: fetch them, and return the requested attributes.
          const result = await next({ ...step, input: whole(input) as typeof step.input });
          return { ...result, output: this.#countRead(input, result.output as Output) as typeof result.output };
        } finally {
          this.underWay--;
          this.spent.turns = Math.max(this.spent.turns, turn);
        }
      },
      { step: 'initialize', priority: 'low' },
    );
    return client;
  }

  #countWrite(write: Place, isTransaction: boolean): void {
    const before = this.#shadow.get(write);
    const after = write.Item;
    const kilobytes = Math.max(writeUnits(before), writeUnits(after), 1);
    this.spent.tableWriteUnits += isTransaction ? 2 * kilobytes : kilobytes;
    for (const keys of Object.values(indexKeys)) {
      const [from, to] = [placeIn(keys, before), placeIn(keys, after)];
      if (from === to) this.spent.indexWriteUnits += to === undefined ? 0 : kilobytes;
      else {
        this.spent.indexWriteUnits += from === undefined ? 0 : writeUnits(before);
        this.spent.indexWriteUnits += to === undefined ? 0 : writeUnits(after);
      }
    }
  }

  /** Returns the requested attributes. */
  #countRead(input: Input, output: Output): Output {
    const share = input.KeyConditionExpression !== undefined && input.ConsistentRead !== true ? 0.5 : 1;
    const [batch] = Object.values(input.RequestItems ?? {});
    const some = { ...output };
    if (batch !== undefined) {
      // Each item of a batch is rounded up separately, even a missing one.
      const found = Object.values(output.Responses ?? {}).flat();
      this.spent.readUnits += (batch.Keys?.length ?? 0) - found.length;
      for (const item of found) this.spent.readUnits += readUnits(sizeOf(item));
      some.Responses = Object.fromEntries(
        Object.entries(output.Responses ?? {}).map(([table, items]) => [
          table,
          items.map((item) => shown(item, batch)),
        ]),
      );
    } else {
      const items = output.Items ?? [output.Item ?? {}];
      this.spent.readUnits += share * readUnits(items.reduce((sum, item) => sum + sizeOf(item), 0));
      if (output.Items !== undefined) some.Items = output.Items.map((item) => shown(item, input));
      if (output.Item !== undefined) some.Item = shown(output.Item, input);
    }
    const items = some.Items ?? (some.Item === undefined ? Object.values(some.Responses ?? {}).flat() : [some.Item]);
    this.spent.receivedBytes += envelopeBytes + items.reduce((sum, item) => sum + travellingBytes(item), 0);
    return some;
  }
}

/** The same request for all attributes. DynamoDB refuses unused names. */
function whole(input: Input): Input {
  const asked = <Some extends Asked>({ ProjectionExpression: _, ExpressionAttributeNames: names, ...rest }: Some) => {
    const used = Object.entries(names ?? {}).filter(([name]) => rest.KeyConditionExpression?.includes(name) === true);
    return { ...rest, ...(used.length > 0 && { ExpressionAttributeNames: Object.fromEntries(used) }) };
  };
  if (input.RequestItems === undefined) return asked(input);
  const batches = Object.entries(input.RequestItems).map(([table, batch]) => [table, asked(batch)]);
  return { ...input, RequestItems: Object.fromEntries(batches) };
}

function shown(item: Item, { ProjectionExpression, ExpressionAttributeNames = {} }: Asked): Item {
  if (ProjectionExpression === undefined) return item;
  const names = ProjectionExpression.split(',').map((name) => ExpressionAttributeNames[name.trim()] ?? name.trim());
  return Object.fromEntries(Object.entries(item).filter(([name]) => names.includes(name)));
}

function writesOf(input: Input, isDeletion: boolean): Place[] {
  if (input.TransactItems !== undefined) {
    return input.TransactItems.flatMap(({ Put, Delete }) => Put ?? Delete ?? []);
  }
  return input.Item !== undefined || isDeletion ? [input] : [];
}

function nameOf({ Item, Key }: Place): string {
  const key = Item ?? Key ?? {};
  return `${textOf(key[attributes.partition])}\n${textOf(key[attributes.sort])}`;
}

function placeIn(keys: readonly string[], item: Item | undefined): string | undefined {
  const place = keys.map((key) => textOf(item?.[key]));
  return place.includes('') ? undefined : place.join('\n');
}

function writeUnits(item: Item | undefined): number {
  return item === undefined ? 0 : Math.ceil(sizeOf(item) / 1024);
}

function readUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4096));
}

/** Names and values in UTF-8; a number takes a byte per two digits plus one. */
function sizeOf(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => {
    const bare = bareOf(value);
    const isNumber = typeof value === 'number' || (typeof value === 'object' && value !== null && 'N' in value);
    if (bare instanceof Uint8Array) return sum + name.length + bare.byteLength;
    const text = String(bare ?? '');
    return sum + name.length + (isNumber ? Math.ceil(text.length / 2) + 1 : Buffer.byteLength(text));
  }, 0);
}

/** The size as typed JSON, bytes in base64: `"name":{"S":"value"},`. */
function travellingBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => {
    const bare = bareOf(value);
    const bytes = bare instanceof Uint8Array ? 4 * Math.ceil(bare.byteLength / 3) + 2 : jsonBytes(String(bare ?? ''));
    return sum + name.length + 10 + bytes;
  }, 3);
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

function textOf(value: unknown): string {
  return String(bareOf(value) ?? '');
}

/** The size of a value, or of an attribute value on the wire. */
function bareOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.values(value)[0];
}
