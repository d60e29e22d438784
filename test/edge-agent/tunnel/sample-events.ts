// Events and a journal on a real file, for the tests of this room.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../../edge-agent/tunnel/database.ts';
import { Journal } from '../../../edge-agent/tunnel/journal.ts';
import { Outbox, type OutboxOptions } from '../../../edge-agent/tunnel/outbox.ts';
import type { EdgeEvent, SequencedEvent } from '../../../protocol/frames.ts';

export const udn = 'uuid:phone-1';

/** A deletion, told apart by its number: the smallest event there is. */
export function sampleEvent(number: number, of = udn): EdgeEvent {
  return { type: 'message.deleted', udn: of, epoch: 0, id: `m_${String(number).padStart(26, '0')}` };
}

export function sampleEvents(count: number, from = 1): EdgeEvent[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(from + index));
}

/** What waits after a sequence number, as the cloud reads it. */
export function eventsAfter(outbox: Outbox, seq: number, limit: number): SequencedEvent[] {
  return outbox.after(seq, limit).map(({ text }) => JSON.parse(text));
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'homeline-tunnel-'));
}

export function openOutbox(folder: string, options: Partial<OutboxOptions> = {}) {
  const database = openDatabase(folder);
  const lines: string[] = [];
  const outbox = new Outbox({ database, report: (line) => lines.push(line), ...options });
  const journal = new Journal(database, outbox);
  const close = () => {
    outbox.stop();
    database.close();
  };
  return { database, outbox, journal, lines, close };
}
