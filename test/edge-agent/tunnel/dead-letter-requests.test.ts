import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeadLetterRequests } from '../../../edge-agent/tunnel/dead-letter-requests.ts';
import type { DeadLetterRequest, EdgeFrame } from '../../../protocol/frames.ts';
import { eventsAfter, newFolder, openOutbox, sampleEvents } from './sample-events.ts';

describe('a request about dead letters', () => {
  let folder: string;
  let box: ReturnType<typeof openOutbox>;
  let requests: DeadLetterRequests;
  let isReady = true;
  const sent: EdgeFrame[] = [];
  let counted = 0;

  beforeEach(() => {
    folder = newFolder();
    box = openOutbox(folder);
    requests = new DeadLetterRequests({
      outbox: box.outbox,
      isReady: () => isReady,
      send: (frame) => sent.push(frame) > 0,
      onCount: () => counted++,
    });
    requests.start();
    box.outbox.append(sampleEvents(2));
    box.outbox.term(1, 'internal', 'why');
    box.outbox.term(2, 'internal', 'why');
  });
  afterEach(() => {
    requests.stop();
    box.close();
    isReady = true;
    sent.length = 0;
    counted = 0;
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (request: DeadLetterRequest, deadlineMs = 60_000) =>
    requests.handle({ type: 'dead-letters', id: 'c1', request, deadlineMs });

  it('is answered by a page of them', async () => {
    await ask({ do: 'list', limit: 1 });
    expect(sent).toMatchObject([{ type: 'result', id: 'c1', arguments: { items: [{ id: 'd2' }], next: 'd2' } }]);
  });

  it('is answered only when the cloud has said which phones are approved', async () => {
    isReady = false;
    await ask({ do: 'list', limit: 1 });
    expect(sent).toMatchObject([{ type: 'failure', id: 'c1', code: 'phone-offline' }]);
  });

  it.each([
    ['stored', () => box.outbox.ack(3), { outcome: 'stored' }],
    [
      'refused',
      () => box.outbox.term(3, 'too-large', 'still'),
      { outcome: 'refused', code: 'too-large', reason: 'still' },
    ],
  ] as const)('whether one that is sent again is %s waits for the cloud', async (_, settle, outcome) => {
    const answered = ask({ do: 'retry', letter: 'd1' });
    expect(sent).toEqual([]);
    settle();
    await answered;
    expect(sent).toEqual([{ type: 'result', id: 'c1', arguments: outcome }]);
  });

  it('does not wait for longer than its deadline', async () => {
    await ask({ do: 'retry', letter: 'd1' }, 1);
    expect(sent).toMatchObject([{ arguments: { outcome: 'waiting' } }]);
    expect(eventsAfter(box.outbox, 0, 9).map(({ seq }) => seq)).toEqual([3]);
  });

  it('discards a letter, and answers gone for one that is not there', async () => {
    await ask({ do: 'discard', letter: 'd1' });
    await ask({ do: 'discard', letter: 'd1' });
    await ask({ do: 'retry', letter: 'd1' });
    const outcomes = sent.map((frame) => (frame.type === 'result' ? frame.arguments.outcome : frame.type));
    expect(outcomes).toEqual(['discarded', 'gone', 'gone']);
  });

  it('fails when the disk is full, and the letter stays', async () => {
    box.database.exec('PRAGMA query_only = 1');
    await ask({ do: 'retry', letter: 'd1' });
    expect(sent).toMatchObject([{ type: 'failure', code: 'store-unavailable' }]);
    box.database.exec('PRAGMA query_only = 0');
    expect(box.outbox.deadLetters.count).toBe(2);
  });

  it('is not needed for their number, which is sent once for a burst of them', async () => {
    await vi.waitUntil(() => counted > 0, { timeout: 50_000 });
    expect(counted).toBe(1);
  });
});
