// The cost of a page of 50 in DynamoDB with few and with many messages, and the cost of each write.
// node test/bench/dynamo.ts [messages]: one JSON object per line. Pages: units and times of DynamoDB Local; writes: units
// by AWS's rules (cost-meter.ts), averaged over consecutive commits of a kind.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchWriteItemCommand, type DynamoDBClient, type WriteRequest } from '@aws-sdk/client-dynamodb';
import { draftOf } from '../../cloud/store/dynamo/items.ts';
import { keys } from '../../cloud/store/dynamo/keys.ts';
import { placementOf } from '../../cloud/store/dynamo/placement.ts';
import { DynamoStore } from '../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../cloud/store/folder-blobs.ts';
import type { MessageFilter } from '../../cloud/store/message-store.ts';
import { putMessage } from '../../cloud/store/rules/message-rules.ts';
import type { Write } from '../../cloud/store/store.ts';
import { attributes } from '../../cloud/store/table.ts';
import { DynamoDbLocal } from '../cloud/store/dynamodb-local.ts';
import { messageId, phoneMessage, presence, send, sessionId } from '../contract/messages.ts';
import { Meter, Shadow } from './cost-meter.ts';
import { quantile } from './load.ts';

const table = 'bench';
const home = 'home';
const otherHome = 'other';
const few = 1_000;
const many = Number(process.argv[2] ?? 100_000);
const rounds = 50;
const warmUpRounds = 10;
const pageSize = 50;
const writersAtOnce = 4;
/** BatchWriteItem takes no more. */
const itemsPerWrite = 25;
const commitsOfAKind = 20;

const local = new DynamoDbLocal();
const folder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
const spent = { readUnits: 0 };
await local.start();
await local.createTable(table);
const client = metered(local.client());
const meter = new Meter(new Shadow());
const blobs = new FolderBlobs(folder);
const store = new DynamoStore({ client, table, blobs });
const counted = new DynamoStore({ client: meter.watch(local.client()), table, blobs });
const raw = local.client();
try {
  await store.start();
  await counted.start();
  await measureWrites(await furnish(counted, otherHome));
  await measurePages(await furnish(store, home));
} finally {
  raw.destroy();
  await store.stop();
  await counted.stop();
  await local.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Returns the phone's id. */
async function furnish(of: DynamoStore, id: string): Promise<string> {
  await of.homes.create({ id, account: 'account', name: 'Home', owner: 'Owner' });
  return (await of.phones.put(id, [presence('uuid:1', { trusted: true })]))[0]?.id ?? '';
}

async function measureWrites(phone: string): Promise<void> {
  const sendOf = (n: number): Write => ({ type: 'send.create', message: send(messageId(1_000 + n)) });
  const move = (n: number, from: 'queued' | 'sending', to: 'sending' | 'sent'): Write => ({
    type: 'send.move',
    id: messageId(1_000 + n),
    from: [from],
    to,
  });
  const agent = (name: string) => ({ id: name, name });
  const kinds: Record<string, (n: number) => Write[]> = {
    'message.put, new': (n) => [put(n, phone)],
    'message.put, again': (n) => [put(n, phone)],
    'message.put, read': (n) => [put(n, phone, 'Read')],
    'message.put, fingerprint alone': (n) => [{ ...put(n, phone, 'Read'), fingerprint: 'other' } as Write],
    'message.delete': (n) => [{ type: 'message.delete', id: messageId(n) }],
    'send.create and its first send.move': (n) => [sendOf(n), move(n, 'queued', 'sending')],
    'send.move, sent': (n) => [move(n, 'sending', 'sent')],
    'home.status': (n) => [{ type: 'home.status', online: n % 2 === 0, agent: agent('a') }],
    'home.status, agent alone': (n) => [{ type: 'home.status', online: false, agent: agent(`${n}`) }],
    '50 new messages of one conversation': (n) =>
      Array.from({ length: 50 }, (_, at) => put(10_000 + 50 * n + at, phone)),
  };
  for (const [write, writesOf] of Object.entries(kinds)) {
    const before = { ...meter.spent };
    for (let n = 0; n < commitsOfAKind; n++) await counted.commit(otherHome, writesOf(n));
    const each = (name: 'tableWriteUnits' | 'indexWriteUnits' | 'readUnits') =>
      Math.round(((meter.spent[name] - before[name]) / commitsOfAKind) * 10) / 10;
    const [tableUnits, indexUnits] = [each('tableWriteUnits'), each('indexWriteUnits')];
    print({ bench: 'dynamo.commit', write, tableUnits, indexUnits, readUnits: each('readUnits') });
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
  let filled = 0;
  for (const size of [few, many]) {
    const beganMs = performance.now();
    await fill(filled, size, phone);
    filled = size;
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    print({ bench: 'dynamo.fill', messages: size, seconds });
    for (const [name, filter] of Object.entries(filters)) {
      const page = () => store.messages.list(home, filter, { limit: pageSize });
      const { items } = await page();
      for (let n = 0; n < warmUpRounds; n++) await page();
      const { readUnits, p50Ms, p99Ms } = await measure(rounds, page);
      const ratio = Math.round((p50Ms / (smallest.get(name) ?? p50Ms)) * 100) / 100;
      if (!smallest.has(name)) smallest.set(name, p50Ms);
      print({
        bench: 'dynamo.page',
        filter: name,
        messages: size,
        items: items.length,
        p50Ms,
        p99Ms,
        readUnits,
        ratio,
      });
    }
  }
}

/** Writes message items directly, in the store's format. */
async function fill(from: number, to: number, phone: string): Promise<void> {
  let next = from;
  await Promise.all(
    Array.from({ length: writersAtOnce }, async () => {
      while (next < to) {
        const some = Array.from({ length: Math.min(itemsPerWrite, to - next) }, () => itemOf(next++, phone));
        await writeAll(some);
      }
    }),
  );
}

/** DynamoDB Local gives up on its own locks after a while and asks for a retry. */
async function writeAll(items: WriteRequest[]): Promise<void> {
  for (let left = items; left.length > 0; ) {
    try {
      const answer = await raw.send(new BatchWriteItemCommand({ RequestItems: { [table]: left } }));
      left = answer.UnprocessedItems?.[table] ?? [];
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'InternalServerError') throw error;
    }
  }
}

function itemOf(n: number, phone: string): WriteRequest {
  const write = put(n, phone);
  const message = write.type === 'message.put' ? putMessage(undefined, write, home)?.next : undefined;
  const { pk, sk } = keys.message(home, messageId(n));
  const { group, list } = placementOf(sk, message);
  const record = draftOf({ pk, sk }, 1, message).record?.packed ?? new Uint8Array();
  return {
    PutRequest: {
      Item: {
        [attributes.partition]: { S: pk },
        [attributes.sort]: { S: sk },
        [attributes.revision]: { N: '1' },
        [attributes.record]: { B: record },
        ...(group !== undefined && { [attributes.group]: { S: group } }),
        ...(list !== undefined && { [attributes.list]: { S: list } }),
      },
    },
  };
}

/** Of ten messages, six are unread ones of a session and four were sent to one person. */
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
  const readUnits = (spent.readUnits - before.readUnits) / count;
  return { readUnits, p50Ms: quantile(timesMs, 0.5), p99Ms: quantile(timesMs, 0.99) };
}

/** Sums the consumed capacity of every request. */
function metered(of: DynamoDBClient): DynamoDBClient {
  of.middlewareStack.add(
    (next) => async (step) => {
      const result = await next({
        ...step,
        input: { ...step.input, ReturnConsumedCapacity: 'TOTAL' } as typeof step.input,
      });
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: Consumed | Consumed[] };
      for (const each of [ConsumedCapacity ?? []].flat()) spent.readUnits += each.CapacityUnits ?? 0;
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
