// What requests to DynamoDB consume, counted by AWS's rules, which DynamoDB Local does not keep (docs/decisions/0005):
// a write unit for each kilobyte of the larger of before and after, twice in a transaction; in an index once, or twice
// where the place moves; a read unit for 4 KB, half where the read may be late. Sizes are those of AWS's item rules.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { attributes, indexes } from '../../cloud/store/table.ts';

export interface Consumption {
  requests: number;
  readUnits: number;
  tableWriteUnits: number;
  indexWriteUnits: number;
  /** Of answers, as JSON: they leave AWS. */
  receivedBytes: number;
}

type Item = Record<string, unknown>;
interface Place {
  TableName?: string;
  Item?: Item;
  Key?: Item;
}
interface Input extends Place {
  IndexName?: string;
  ConsistentRead?: boolean;
  KeyConditionExpression?: string;
  TransactItems?: { Put?: Place; Delete?: Place }[];
  RequestItems?: Record<string, { Keys?: Item[] }>;
}
interface Output {
  Item?: Item;
  Items?: Item[];
  Responses?: Record<string, Item[]>;
}

const indexKeys = {
  [indexes.byGroup]: [attributes.group, attributes.sort],
  [indexes.byList]: [attributes.list, attributes.place],
};

/** The items of a table as they were last written through one of its meters. */
export class Shadow {
  readonly #items = new Map<string, Item>();

  get(place: Place): Item | undefined {
    return this.#items.get(nameOf(place));
  }

  set(place: Place): void {
    if (place.Item === undefined) this.#items.delete(nameOf(place));
    else this.#items.set(nameOf(place), place.Item);
  }

  /** With their places in indexes, and the 100 bytes that each costs besides; without what expires. */
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
    requests: 0,
    readUnits: 0,
    tableWriteUnits: 0,
    indexWriteUnits: 0,
    receivedBytes: 0,
  };
  underWay = 0;

  constructor(shadow: Shadow) {
    this.#shadow = shadow;
  }

  /** The same client, which from now on is counted. */
  watch(client: DynamoDBClient): DynamoDBClient {
    client.middlewareStack.add(
      (next, context) => async (step) => {
        this.underWay++;
        this.spent.requests++;
        const input = step.input as Input;
        const isDeletion = String(context.commandName).startsWith('Delete');
        const writes = writesOf(input, isDeletion);
        for (const write of writes) this.#countWrite(write, input.TransactItems !== undefined);
        try {
          const result = await next(step);
          for (const write of writes) this.#shadow.set(write);
          if (writes.length === 0) this.#countRead(input, result.output as Output);
          return result;
        } finally {
          this.underWay--;
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

  #countRead(input: Input, output: Output): void {
    const share = input.KeyConditionExpression !== undefined && input.ConsistentRead !== true ? 0.5 : 1;
    if (input.RequestItems !== undefined) {
      // Each item of a batch is rounded up by itself, also one that is not there.
      const asked = Object.values(input.RequestItems).flatMap(({ Keys = [] }) => Keys).length;
      const found = Object.values(output.Responses ?? {}).flat();
      this.spent.readUnits += asked - found.length;
      for (const item of found) this.spent.readUnits += readUnits(sizeOf(item));
    } else {
      const items = output.Items ?? [output.Item ?? {}];
      this.spent.readUnits += share * readUnits(items.reduce((sum, item) => sum + sizeOf(item), 0));
    }
    this.spent.receivedBytes += Buffer.byteLength(
      JSON.stringify(output.Items ?? output.Responses ?? output.Item ?? ''),
    );
  }
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

/** Names and values in UTF-8; a number takes a byte for two digits and one more. */
function sizeOf(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => {
    const text = textOf(value);
    const isNumber = typeof value === 'number' || (typeof value === 'object' && value !== null && 'N' in value);
    return sum + name.length + (isNumber ? Math.ceil(text.length / 2) + 1 : Buffer.byteLength(text));
  }, 0);
}

/** Of a value, or of an attribute value as it travels. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '');
  return String(Object.values(value)[0] ?? '');
}
