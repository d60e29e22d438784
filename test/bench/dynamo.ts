// What a page of 50 costs in DynamoDB with few and with many messages, and what each write costs.
// node test/bench/dynamo.ts [messages]: one JSON object a line. Units and times are those of DynamoDB Local.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { keys } from '../../cloud/store/dynamo/keys.ts';
import { DynamoStore } from '../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../cloud/store/folder-blobs.ts';
import type { MessageFilter, Write } from '../../cloud/store/store.ts';
import { DynamoDbLocal, transactionItems } from '../cloud/store/dynamodb-local.ts';
import { messageId, phoneMessage, presence, send, sessionId } from '../contract/messages.ts';
import { quantile } from './load.ts';

const table = 'bench';
const home = 'home';
const otherHome = 'other';
const few = 1_000;
const many = Number(process.argv[2] ?? 100_000);
const rounds = 100;
const warmUpRounds = 20;
const pageSize = 50;
const writersAtOnce = 8;

const local = new DynamoDbLocal();
const folder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
const spent = { readUnits: 0, writeUnits: 0 };
await local.start();
await local.createTable(table);
const client = metered(local.client());
const store = new DynamoStore({ client, table, blobs: new FolderBlobs(folder), transactionItems });
try {
  await store.start();
  await measureWrites(await furnish(otherHome));
  await measurePages(await furnish(home));
} finally {
  await store.stop();
  await local.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Answers the phone's id. */
async function furnish(id: string): Promise<string> {
  await store.createHome({ id, account: 'account', name: 'Home', owner: 'Owner' });
  return (await store.putPhones(id, [presence('uuid:1', { trusted: true })]))[0]?.id ?? '';
}

async function measureWrites(phone: string): Promise<void> {
  const one = messageId(1);
  const writes: [string, Write][] = [
    ['message.put, the first of a conversation', put(3, phone)],
    ['message.put, another', put(1, phone)],
    ['message.put, again', put(1, phone)],
    ['message.put, read', put(1, phone, 'Read')],
    ['message.put, fingerprint alone', { ...put(1, phone, 'Read'), fingerprint: 'other' } as Write],
    ['message.delete', { type: 'message.delete', id: one }],
    ['send.create', { type: 'send.create', message: send(messageId(2)) }],
    ['send.move', { type: 'send.move', id: messageId(2), from: ['queued'], to: 'sending' }],
    ['home.status', { type: 'home.status', online: true, agent: { id: 'a', name: 'attic' } }],
    ['home.status, agent alone', { type: 'home.status', online: true, agent: { id: 'b', name: 'attic' } }],
  ];
  for (const [name, write] of writes) {
    const { units } = await measure(1, () => store.commit(otherHome, [write]));
    print({ bench: 'dynamo.commit', write: name, ...units });
  }
}

async function measurePages(phone: string): Promise<void> {
  const filters: Record<string, MessageFilter> = {
    none: {},
    folder: { folder: 'Received' },
    session: { session: sessionId(1) },
    conversation: { conversation: '+390119999' },
    'status=Unread': { status: 'Unread' },
    'folder+status': { folder: 'Received', status: 'Unread' },
    phone: { phone },
  };
  const smallest = new Map<string, number>();
  let filled = 10;
  for (const size of [few, many]) {
    const beganMs = performance.now();
    await fill(filled, size, phone);
    filled = size;
    print({ bench: 'dynamo.fill', messages: size, seconds: Math.round((performance.now() - beganMs) / 1_000) });
    for (const [name, filter] of Object.entries(filters)) {
      const page = () => store.listMessages(home, filter, { limit: pageSize });
      const { items } = await page();
      for (let n = 0; n < warmUpRounds; n++) await page();
      const { units, p50Ms, p99Ms } = await measure(rounds, page);
      const ratio = Math.round((p50Ms / (smallest.get(name) ?? p50Ms)) * 100) / 100;
      if (!smallest.has(name)) smallest.set(name, p50Ms);
      print({ bench: 'dynamo.page', filter: name, messages: size, items: items.length, p50Ms, p99Ms, ...units, ratio });
    }
  }
}

/** Messages as the store itself wrote the first ten of them, under other ids. */
async function fill(from: number, to: number, phone: string): Promise<void> {
  const documents = DynamoDBDocumentClient.from(client);
  const patterns: string[] = [];
  for (let n = 0; n < 10; n++) {
    await store.commit(home, [put(n, phone)]);
    const { pk, sk } = keys.message(home, messageId(n));
    const { Item } = await documents.send(new GetCommand({ TableName: table, Key: { pk, sk } }));
    patterns.push(JSON.stringify(Item));
  }
  let next = from;
  await Promise.all(
    Array.from({ length: writersAtOnce }, async () => {
      while (next < to) {
        const ids = Array.from({ length: Math.min(25, to - next) }, () => next++);
        const puts = ids.map((n) => {
          const text = patterns[n % 10]?.replaceAll(messageId(n % 10), messageId(n)) ?? '';
          return { PutRequest: { Item: JSON.parse(text) } };
        });
        await documents.send(new BatchWriteCommand({ RequestItems: { [table]: puts } }));
      }
    }),
  );
}

/** Of ten messages six were received in one session and are unread; four were sent to one person. */
function put(n: number, phone: string, status?: 'Read'): Write {
  const received = n % 10 < 6;
  return {
    type: 'message.put',
    id: messageId(n),
    phone,
    epoch: 0,
    session: received ? sessionId(1) : null,
    fingerprint: 'f',
    message: phoneMessage({
      messageId: `phone-${n % 10}`,
      folder: received ? 'Received' : 'Sent',
      status: status ?? (received ? 'Unread' : 'Read'),
      body: 'Dinner at 8? This is one of the many messages that fill the table of the benchmark to the brim.',
    }),
  };
}

async function measure(count: number, operation: () => Promise<unknown>) {
  const timesMs: number[] = [];
  const before = { ...spent };
  for (let n = 0; n < count; n++) {
    const beganMs = performance.now();
    await operation();
    timesMs.push(performance.now() - beganMs);
  }
  timesMs.sort((a, b) => a - b);
  const units = {
    readUnits: (spent.readUnits - before.readUnits) / count,
    writeUnits: (spent.writeUnits - before.writeUnits) / count,
  };
  return { units, p50Ms: quantile(timesMs, 0.5), p99Ms: quantile(timesMs, 0.99) };
}

/** Asks what every request consumed, and adds it up. */
function metered(of: DynamoDBClient): DynamoDBClient {
  of.middlewareStack.add(
    (next, context) => async (step) => {
      const result = await next({
        ...step,
        input: { ...step.input, ReturnConsumedCapacity: 'TOTAL' } as typeof step.input,
      });
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: Consumed | Consumed[] };
      const units = [ConsumedCapacity ?? []].flat().reduce((sum, each) => sum + (each.CapacityUnits ?? 0), 0);
      const kind = /Get|Query/.test(String(context.commandName)) ? 'readUnits' : 'writeUnits';
      spent[kind] += units;
      return result;
    },
    { step: 'initialize', priority: 'low' },
  );
  return of;
}

interface Consumed {
  CapacityUnits?: number;
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
