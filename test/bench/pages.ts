// The cost of a page of 50 with few and with many messages in the store, and the commits per second.
// node test/bench/pages.ts: one JSON object per line.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageFilter } from '../../cloud/store/message-store.ts';
import { SqliteStore } from '../../cloud/store/sqlite.ts';
import type { Write } from '../../cloud/store/store.ts';

const home = 'home';
const sizes = [100, 10_000, 100_000];
const pageSize = 50;
const rounds = 200;
const commitsPerRun = 2_000;

const folder = mkdtempSync(join(tmpdir(), 'homeline-pages-'));
const store = new SqliteStore({ path: join(folder, 'homeline.db') });
try {
  await store.start();
  await store.homes.create({ id: home, account: 'account', name: 'Home', owner: 'Owner' });
  const [phone] = await store.phones.put(home, [
    { udn: 'uuid:1', name: 'Phone', deviceType: '', address: '', online: true, epoch: 0, trusted: true },
  ]);
  await measurePages(phone?.id ?? '');
  for (const clients of [1, 16, 64]) await measureCommits(phone?.id ?? '', clients);
} finally {
  await store.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measurePages(phone: string): Promise<void> {
  const filters: Record<string, MessageFilter> = {
    none: {},
    folder: { folder: 'Received' },
    session: { session: sessionOf(2) },
    conversation: { conversation: sessionOf(2) },
    phone: { phone },
    from: { from: addressOf(2) },
    'status=Unread': { status: 'Unread' },
    'folder+status=Unread': { folder: 'Received', status: 'Unread' },
    'a word of every message': { text: 'dinner' },
    'a word of one message in a thousand': { text: 'th 042' },
    'two letters': { text: 'di' },
  };
  const smallest = new Map<string, number>();
  let filled = 0;
  for (const size of sizes) {
    for (; filled < size; filled += 100) await store.commit(home, batch(filled, Math.min(100, size - filled), phone));
    for (const [name, filter] of Object.entries(filters)) {
      for (const part of ['first', 'second'] as const) {
        const page = { limit: pageSize, cursor: undefined as string | undefined };
        if (part === 'second') page.cursor = (await store.messages.list(home, filter, page)).next ?? undefined;
        const { items } = await store.messages.list(home, filter, page);
        // A partial page cannot be compared with a full one.
        if (items.length < pageSize || (part === 'second' && page.cursor === undefined)) continue;
        const { p50, p99 } = await time(rounds, () => store.messages.list(home, filter, page));
        const key = `${name}/${part}`;
        if (!smallest.has(key)) smallest.set(key, p50);
        const ratio = round(p50 / (smallest.get(key) ?? p50));
        print({ bench: 'page', filter: name, page: part, messages: size, p50Us: p50, p99Us: p99, ratio });
      }
    }
    const { p50, p99 } = await time(rounds, () => store.conversations.list(home, { limit: pageSize }));
    print({ bench: 'conversations', messages: size, p50Us: p50, p99Us: p99 });
  }
}

async function measureCommits(phone: string, clients: number): Promise<void> {
  let next = 1_000_000 * clients;
  const last = next + commitsPerRun;
  const timesUs: number[] = [];
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < last) {
        const begunMs = performance.now();
        await store.commit(home, batch(next++, 1, phone));
        timesUs.push((performance.now() - begunMs) * 1000);
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  print({ bench: 'commit', clients, perSecond: Math.round(commitsPerRun / seconds), ...percentiles(timesUs) });
}

/** Six of ten messages match the session, sender and state of the filters. */
function batch(from: number, count: number, phone: string): Write[] {
  return Array.from({ length: count }, (_, index) => {
    const n = from + index;
    return {
      type: 'message.put',
      id: `m_${String(n).padStart(26, '0')}`,
      phone,
      epoch: 0,
      session: sessionOf(n % 10),
      fingerprint: 'f',
      message: {
        messageId: `phone-${n}`,
        messageClass: 'SMS',
        folder: n % 10 < 6 ? 'Received' : 'Sent',
        status: n % 10 < 6 ? 'Unread' : 'Read',
        from: { address: addressOf(n % 10), displayName: 'Nonna' },
        to: [{ address: '+390119999' }],
        contentType: 'text/plain',
        body: `Dinner at 8? This is number ${String(n).padStart(8, '0')} of the messages that fill the store.`,
        attachments: [],
        time: '2026-11-22T11:00:00.000Z',
      },
    };
  });
}

function sessionOf(n: number): string {
  return `s_${String(n < 6 ? 1 : n).padStart(26, '0')}`;
}

function addressOf(n: number): string {
  return `+39011${n < 6 ? 1 : n}`;
}

async function time(count: number, operation: () => Promise<unknown>): Promise<{ p50: number; p99: number }> {
  for (let n = 0; n < 20; n++) await operation();
  const timesUs: number[] = [];
  for (let n = 0; n < count; n++) {
    const startedMs = performance.now();
    await operation();
    timesUs.push((performance.now() - startedMs) * 1000);
  }
  const { p50Us, p99Us } = percentiles(timesUs);
  return { p50: p50Us, p99: p99Us };
}

function percentiles(timesUs: number[]): { p50Us: number; p99Us: number } {
  const sorted = timesUs.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
  return { p50Us: at(0.5), p99Us: at(0.99) };
}

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100;
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
