// The monthly cost of a home on Workers and DynamoDB, from a recorded day (cost-day.ts) and one table of prices.
// `node test/bench/cost.ts` prints the tables of docs/cost.md and puts them there; with `--record` the days are recorded again
// first, which takes minutes.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counts, DayRecord, Kind } from './cost-day.ts';

const document = join(import.meta.dirname, '../../docs/cost.md');
const recordFile = join(import.meta.dirname, '../fixtures/cost/day.json');
const daysPerMonth = 30;
const gigabyte = 1024 ** 3;
const million = 1_000_000;

/**
 * US dollars, without free allowances, as of November 2026: developers.cloudflare.com/workers/platform/pricing and
 * /durable-objects/platform/pricing; aws.amazon.com/dynamodb/pricing/on-demand (us-east-1), whose page names the
 * price of data that leaves AWS too.
 */
const prices = {
  workerRequest: 0.3 / million,
  workerCpuMs: 0.02 / million,
  objectRequest: 0.15 / million,
  objectGbSecond: 12.5 / million,
  writeUnit: 0.625 / million,
  readUnit: 0.125 / million,
  storedGbMonth: 0.25,
  leavingGb: 0.09,
};

/** The same day with the earlier table layout, a transaction per change. */
const whenTransactions = {
  'DynamoDB writes': 0.03844,
  'DynamoDB reads': 0.0073,
  'Data that leaves AWS': 0.00781,
  'the rest': 0.00903,
};

/** Incoming WebSocket messages that are billed as one request. */
const framesPerRequest = 20;
/** An object is billed as 128 MB while it is awake. */
const objectGb = 0.125;
/**
 * Assumptions that a recording on one machine cannot measure: how long the object waits for DynamoDB and for a phone, and
 * how long a frame keeps it awake.
 */
const waitsMs = { trip: 10, phone: 500, frame: 5 };

/** Each has a separate recording: a commit may pay for the deferred writes of earlier ones. */
export const households: Record<string, readonly Kind[]> = {
  idle: ['reconnect', 'probe'],
  '100 messages a day': ['reconnect', 'probe', 'message in', 'message out', 'list page', 'dashboard'],
  'and all that came are read': [
    'reconnect',
    'probe',
    'message in',
    'message out',
    'message read',
    'list page',
    'dashboard',
  ],
};

export type CostRecord = Record<keyof typeof households, DayRecord>;

/** Dollars per home and month by item. */
export function sharesOf(counts: Counts): Record<string, number> {
  const { objectTrips, objectCpuMs, phoneCalls, frames } = counts;
  const waitedMs = objectTrips * waitsMs.trip + phoneCalls * waitsMs.phone + frames * waitsMs.frame;
  const objectSeconds = (waitedMs + objectCpuMs) / 1_000;
  const daily = {
    'DynamoDB writes, table': counts.tableWriteUnits * prices.writeUnit,
    'DynamoDB writes, indexes': counts.indexWriteUnits * prices.writeUnit,
    'DynamoDB reads': counts.readUnits * prices.readUnit,
    'Data that leaves AWS': (counts.receivedBytes / gigabyte) * prices.leavingGb,
    'Worker, requests': counts.workerRequests * prices.workerRequest,
    'Worker, processor': counts.cpuMs * prices.workerCpuMs,
    'Durable Object, requests': (counts.objectRequests + frames / framesPerRequest) * prices.objectRequest,
    'Durable Object, awake': objectSeconds * objectGb * prices.objectGbSecond,
    // One month's data, stored for one month.
    'DynamoDB storage of one month’s messages': (counts.keptBytes / gigabyte) * prices.storedGbMonth,
  };
  return Object.fromEntries(Object.entries(daily).map(([share, dollars]) => [share, dollars * daysPerMonth]));
}

export function readRecord(): CostRecord {
  return JSON.parse(readFileSync(recordFile, 'utf8')) as CostRecord;
}

/** The tables of docs/cost.md. */
export function tables(record: CostRecord): string {
  const [, ...busy] = Object.values(record);
  return [...busy.map(unitTable), costTable(record), gainTable(record)].join('\n');
}

/** Replaces the tables with the same headers in the text, in order. */
export function withTables(text: string, fresh: string): string {
  const waiting = fresh.trim().split('\n\n');
  return text.replace(/^(\|.*\n)(\|.*\n?)+/gm, (old, head: string) => {
    const at = waiting.findIndex((table) => table.startsWith(head));
    const [table] = at < 0 ? [] : waiting.splice(at, 1);
    return table === undefined ? old : `${table}\n`;
  });
}

function unitTable(record: DayRecord): string {
  const rows = Object.entries(record).map(([kind, counts]) => {
    const each = (total: number) => String(Math.round((total / counts.times) * 10) / 10);
    const { tableWriteUnits, indexWriteUnits, readUnits, objectRequests, frames, workerRequests, objectTrips } = counts;
    return [
      kind,
      String(counts.times),
      ...[tableWriteUnits, indexWriteUnits, readUnits, objectTrips, objectRequests, frames, workerRequests].map(each),
    ];
  });
  const head =
    'each|a day|WRU, table|WRU, indexes|RRU|trips of the object, in turn|its requests|frames|Worker requests';
  return tableOf(head.split('|'), rows);
}

function costTable(record: CostRecord): string {
  const each = Object.values(record).map((day) => sharesOf(sumOf(Object.values(day))));
  const shares = Object.keys(each[0] ?? {});
  const totals = each.map((one) => Object.values(one).reduce((sum, dollars) => sum + dollars, 0));
  const rows = shares.map((share) => [share, ...each.map((one) => (one[share] ?? 0).toFixed(5))]);
  const inAll = ['**in all**', ...totals.map((total) => `**${total.toFixed(5)}**`)];
  const fleet = ['**1 M homes**', ...totals.map((total) => `**${Math.round(total * million).toLocaleString('en')}**`)];
  return tableOf(['USD for a home and month', ...Object.keys(record)], [...rows, inAll, fleet]);
}

function gainTable(record: CostRecord): string {
  const [, day = {}] = Object.values(record);
  const now = sharesOf(sumOf(Object.values(day)));
  const names = Object.keys(now);
  const sum = (isMeant: (name: string) => boolean) =>
    names.filter(isMeant).reduce((dollars, name) => dollars + (now[name] ?? 0), 0);
  const rows = Object.entries(whenTransactions).map(([part, dollars]) => {
    const isRest = part === 'the rest';
    const inPart = (name: string) =>
      isRest ? !Object.keys(whenTransactions).some((each) => name.startsWith(each)) : name.startsWith(part);
    return [part, dollars.toFixed(5), sum(inPart).toFixed(5)];
  });
  return tableOf(['USD for a home and month, 100 messages a day', 'a transaction for each change', 'now'], rows);
}

function sumOf(parts: readonly Counts[]): Counts {
  return parts.reduce((sum, part) => {
    const names = Object.keys(part) as (keyof Counts)[];
    return Object.fromEntries(names.map((name) => [name, sum[name] + part[name]])) as unknown as Counts;
  });
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return [head, head.map((_, at) => (at === 0 ? '---' : '--:')), ...rows].map(line).join('');
}

if (import.meta.main) {
  if (process.argv.includes('--record')) {
    const { recordDay } = await import('./cost-day.ts');
    const record: CostRecord = {};
    for (const [household, kinds] of Object.entries(households)) record[household] = await recordDay(kinds);
    writeFileSync(recordFile, `${JSON.stringify(record, null, 2)}\n`);
  }
  const fresh = tables(readRecord());
  writeFileSync(document, withTables(readFileSync(document, 'utf8'), fresh));
  console.log(fresh);
}
