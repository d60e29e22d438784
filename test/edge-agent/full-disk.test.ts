// A full disk: a command that cannot be journalled is not run, and one that ran is not run again.
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sendOnce } from '../../edge-agent/commands/sends.ts';
import type { PhoneCalls } from '../../edge-agent/messaging/control-point.ts';
import { writeDocument } from '../../edge-agent/messaging/documents.ts';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import { Journal } from '../../edge-agent/tunnel/journal.ts';
import { Outbox } from '../../edge-agent/tunnel/outbox.ts';
import { sampleMessage } from '../fixtures/phone/sample-message.ts';
import { eventsAfter, newFolder, sampleEvents, udn } from './tunnel/sample-events.ts';

const key = 'm_01KAPQ3Z5N0123456789ABCDEF';
let folder: string;
let database: ReturnType<typeof openDatabase>;
let outbox: Outbox;
let journal: Journal;
let asked: number;
let onAsked: () => void;

beforeEach(() => {
  folder = newFolder();
  database = openDatabase(folder);
  outbox = new Outbox({ database, report: () => {} });
  journal = new Journal(database, outbox);
  asked = 0;
  onAsked = () => {};
});
afterEach(() => {
  free();
  outbox.stop();
  database.close();
  rmSync(folder, { recursive: true });
});

/** Caps SQLite at its current number of pages. */
function fill(): void {
  const pages = Number(database.prepare('PRAGMA page_count').get()?.page_count);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  // Fill the remaining pages too.
  const insert = database.prepare('INSERT INTO facts VALUES (?, ?)');
  for (const size of [2000, 200, 20]) {
    try {
      for (let count = 0; ; count++) insert.run(`${size} ${count}`, 'x'.repeat(size));
    } catch {
      // Full.
    }
  }
}

function free(): void {
  database.exec('PRAGMA max_page_count = 1000000');
}

/** A phone that accepts every send. */
const calls: PhoneCalls = {
  text: async (_action, _given, { beforeSend }) => {
    beforeSend?.();
    asked++;
    onAsked();
    return { MessageID: 'm-1' };
  },
  model: () => Promise.reject(new Error('Nobody asks this.')),
  searchMessages: async () => ({ isComplete: true, count: 0 }),
};

const send = () =>
  sendOnce(journal, calls, {
    udn,
    key,
    action: 'SendMessage',
    arguments: { MessageToSend: writeDocument('message', sampleMessage({ body: 'On my way '.repeat(100) })) },
    epoch: 0,
    deadlineMs: 1000,
    onMade: () => {},
  });

it('is reported as full, not as a missing transaction', () => {
  fill();
  expect(() => outbox.append(sampleEvents(100))).toThrow(/full/);
  free();
  outbox.append(sampleEvents(1));
  expect(eventsAfter(outbox, 0, 10)).toHaveLength(1);
});

it('does not send what cannot be journalled, and sends it once it can', async () => {
  fill();
  await expect(send()).rejects.toMatchObject({ code: 'store-unavailable' });
  expect(asked).toBe(0);
  free();
  expect(await send()).toEqual({ MessageID: 'm-1' });
  expect(asked).toBe(1);
});

it('reports what the phone did although it cannot be journalled, and does not repeat it', async () => {
  onAsked = fill;
  database.exec(
    'CREATE TRIGGER no_room BEFORE UPDATE ON sends BEGIN INSERT INTO facts VALUES (hex(randomblob(9)), hex(randomblob(9000))); END',
  );
  expect(await send()).toEqual({ MessageID: 'm-1' });
  free();
  // This phone was never compared, so its lists prove nothing.
  await expect(send()).rejects.toMatchObject({ code: 'outcome-pending' });
  expect(asked).toBe(1);
});

it('keeps acknowledged events until they can be deleted', () => {
  outbox.append(sampleEvents(5));
  database.exec('PRAGMA query_only = 1');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  outbox.ack(3);
  vi.runAllTimers();
  vi.useRealTimers();
  expect(database.prepare('SELECT count(*) AS n FROM outbox').get()).toEqual({ n: 5 });
  database.exec('PRAGMA query_only = 0');
  outbox.ack(4);
  outbox.stop();
  expect(new Outbox({ database, report: () => {} }).after(0, 10).map(({ seq }) => seq)).toEqual([5]);
});
