import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Outbox } from '../../../edge-agent/tunnel/outbox.ts';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { phoneMessage, sessionId } from '../../contract/messages.ts';
import { eventsAfter, newFolder, openOutbox, sampleEvent, sampleEvents, udn } from './sample-events.ts';

let folder: string;
const opened: (() => void)[] = [];

function open(options: Parameters<typeof openOutbox>[1] = {}) {
  const box = openOutbox(folder, options);
  opened.push(box.close);
  return box;
}

beforeEach(() => {
  folder = newFolder();
});
afterEach(() => {
  for (const close of opened.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the outbox', () => {
  it('keeps events in their order under increasing numbers, across restarts', () => {
    const first = open();
    first.outbox.append(sampleEvents(2));
    const { bootId } = first.outbox;
    opened.pop()?.();
    const second = open();
    second.outbox.append([sampleEvent(3)]);
    expect(second.outbox.bootId).toBe(bootId);
    expect(second.outbox.firstSeq).toBe(1);
    expect(eventsAfter(second.outbox, 0, 10).map(({ seq, event }) => [seq, event])).toEqual(
      [1, 2, 3].map((seq) => [seq, sampleEvent(seq)]),
    );
  });

  it('forgets what is acknowledged, and never uses a number twice', () => {
    const { outbox } = open();
    outbox.append(sampleEvents(3));
    outbox.ack(3);
    expect(outbox.firstSeq).toBe(4);
    opened.pop()?.();
    const again = open().outbox;
    expect(again.firstSeq).toBe(4);
    again.append([sampleEvent(4)]);
    expect(eventsAfter(again, 0, 10).map(({ seq }) => seq)).toEqual([4]);
  });

  it('keeps events and journal together or not at all', () => {
    const { outbox } = open();
    const broken = () =>
      outbox.append([sampleEvent(1)], () => {
        throw new Error('the disk is full');
      });
    expect(broken).toThrow('the disk is full');
    expect(eventsAfter(outbox, 0, 10)).toEqual([]);
  });

  it('puts aside what can never be stored, with a warning', () => {
    const { outbox, lines } = open();
    outbox.append(sampleEvents(2));
    outbox.term(1, 'invalid-request', 'no such phone');
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([2]);
    expect(outbox.deadLetters.page({ limit: 9 }).items).toMatchObject([
      { id: 'd1', code: 'invalid-request', reason: 'no such phone' },
    ]);
    expect(lines.join()).toContain('Warning');
  });

  it('drops the oldest beyond its size with a warning, and wants the phone compared again', () => {
    const { outbox, journal, lines } = open({ maxEvents: 3 });
    journal.record(udn, { comparedStore: 'store-1', events: [] });
    outbox.append(sampleEvents(5));
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect(lines.join()).toContain('2 events that waited for the cloud were dropped');
    expect(journal.readPhone(udn).comparedStore).toBeUndefined();
  });

  it('drops the oldest beyond its bytes, across restarts and whatever else was removed', () => {
    const bytesOf = (event: EdgeEvent) => Buffer.byteLength(JSON.stringify(event));
    const options = { maxBytes: 3 * bytesOf(sampleEvent(1)) };
    const first = open(options);
    first.outbox.append([...sampleEvents(2), sampleEvent(3, 'uuid:other')]);
    first.outbox.drop('uuid:other');
    first.outbox.append([sampleEvent(4)]);
    expect(eventsAfter(first.outbox, 0, 10).map(({ seq }) => seq)).toEqual([1, 2, 4]);
    expect(first.lines).toEqual([]);
    opened.pop()?.();
    const { outbox, lines } = open(options);
    outbox.append([sampleEvent(5, `uuid:phone-ü${'x'.repeat(bytesOf(sampleEvent(1)) - 20)}`)]);
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([4, 5]);
    expect(lines.join()).toContain('Warning: 2 events');
    outbox.term(4, 'internal', 'why');
    outbox.append([sampleEvent(6)]);
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([5, 6]);
  });

  it('counts nothing of what could not be written', () => {
    const { outbox } = open({ maxEvents: 2 });
    const broken = () =>
      outbox.append([], () => {
        outbox.append(sampleEvents(2));
        throw new Error('the disk is full');
      });
    expect(broken).toThrow('the disk is full');
    outbox.append(sampleEvents(2));
    expect(eventsAfter(outbox, 0, 10)).toHaveLength(2);
  });

  it('drops what is older than its age', () => {
    let now = 1000;
    const { outbox } = open({ maxAgeMs: 500, now: () => now });
    outbox.append(sampleEvents(2));
    now = 2000;
    outbox.append([sampleEvent(3)]);
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([3]);
  });

  it('forgets what waits of one phone only', () => {
    const { outbox } = open();
    outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other')]);
    outbox.drop(udn);
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([2]);
  });

  it('refuses a file of a newer version rather than spoil it', () => {
    const { database } = open();
    database.exec('PRAGMA user_version = 99');
    opened.pop()?.();
    expect(() => openOutbox(folder)).toThrow('version 99');
  });
});

describe('a dead letter', () => {
  const message = (number: number, more: Partial<PhoneMessage> = {}): EdgeEvent => ({
    type: 'message.put',
    udn,
    epoch: 0,
    id: `m_${String(number).padStart(26, '0')}`,
    message: phoneMessage(more),
    fingerprint: 'f',
  });
  const idsOf = (outbox: Outbox, page = {}) => outbox.deadLetters.page({ limit: 9, ...page }).items.map(({ id }) => id);

  it('tells what it is about, shortened, with the other side of the talk', () => {
    const { outbox } = open({ now: () => 1000 });
    outbox.append([message(1), message(2, { folder: 'Sent', subject: 's', body: 'x'.repeat(300) }), sampleEvent(3)]);
    for (const seq of [1, 2, 3]) outbox.term(seq, 'internal', 'why');
    const about = { udn, time: '1970-01-01T00:00:01.000Z', code: 'internal', reason: 'why' };
    const time = '2026-11-22T11:00:00.000Z';
    const nonna = { address: '+390110001', displayName: 'Nonna' };
    expect(outbox.deadLetters.page({ limit: 9 }).items).toEqual([
      { ...about, id: 'd3', event: 'message.deleted' },
      {
        ...about,
        id: 'd2',
        event: 'message.put',
        message: { folder: 'Sent', with: { address: '+390119999' }, subject: 's', text: `${'x'.repeat(199)}…`, time },
      },
      {
        ...about,
        id: 'd1',
        event: 'message.put',
        message: { folder: 'Received', with: nonna, text: 'Dinner at 8?', time },
      },
    ]);
  });

  it('is found page by page, newest first', () => {
    const { outbox } = open();
    outbox.append(sampleEvents(3));
    for (const seq of [1, 2, 3]) outbox.term(seq, 'internal', 'why');
    const first = outbox.deadLetters.page({ limit: 2 });
    expect([first.items.map(({ id }) => id), first.next]).toEqual([['d3', 'd2'], 'd2']);
    expect(outbox.deadLetters.page({ limit: 2, before: first.next })).toMatchObject({ items: [{ id: 'd1' }] });
    expect(outbox.deadLetters.page({ limit: 2, before: 'no such' }).items).toEqual([]);
  });

  it('is sent again under a new number, and the retry gets the cloud’s answer', async () => {
    const { outbox } = open();
    outbox.append(sampleEvents(2));
    outbox.term(1, 'internal', 'why');
    outbox.term(2, 'internal', 'why');
    const stored = outbox.retry('d1');
    const refused = outbox.retry('d2');
    expect(eventsAfter(outbox, 0, 9).map(({ seq, event }) => [seq, event])).toEqual([
      [3, sampleEvent(1)],
      [4, sampleEvent(2)],
    ]);
    expect(outbox.deadLetters.count).toBe(0);
    outbox.term(4, 'too-large', 'still');
    outbox.ack(4);
    expect(await stored).toBeUndefined();
    expect(await refused).toEqual({ code: 'too-large', reason: 'still' });
    expect(idsOf(outbox)).toEqual(['d4']);
    expect(outbox.retry('d1')).toBeUndefined();
  });

  describe('that a later event of the same thing overtakes', () => {
    const file = (session: number, fileId: string): EdgeEvent => ({
      type: 'file.progress',
      udn,
      epoch: 0,
      sessionKey: sessionId(session),
      file: {
        fileId,
        sessionId: 's',
        name: 'n',
        contentType: 'text/plain',
        sizeBytes: 1,
        url: '',
        direction: 'send',
        status: 'pending',
        transferredBytes: 0,
      },
    });

    it('is dropped when the cloud has stored that one, and by that of no other thing', () => {
      const { outbox } = open();
      outbox.append([message(1), message(2), file(1, 'f'), file(2, 'f')]);
      for (const seq of [1, 2, 3, 4]) outbox.term(seq, 'internal', 'why');
      outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other'), file(2, 'f')]);
      expect(idsOf(outbox)).toEqual(['d4', 'd3', 'd2', 'd1']);
      outbox.ack(7);
      outbox.stop();
      expect(idsOf(outbox)).toEqual(['d3', 'd2']);
    });

    it('is dropped when that one is refused too, also where it was waiting before the first had its answer', () => {
      const { outbox } = open();
      outbox.append([message(1), message(1)]);
      outbox.term(1, 'internal', 'why');
      outbox.term(2, 'internal', 'why');
      expect(idsOf(outbox)).toEqual(['d2']);
    });

    it('is not sent again while that one waits', () => {
      const { outbox } = open();
      outbox.append([message(1), sampleEvent(1)]);
      outbox.term(1, 'internal', 'why');
      expect(outbox.retry('d1')).toBeUndefined();
      expect([eventsAfter(outbox, 0, 9).map(({ seq }) => seq), outbox.deadLetters.count]).toEqual([[2], 0]);
    });
  });

  it.each([
    ['number', { letters: 2, bytes: 1_000_000 }],
    ['bytes', { letters: 1000, bytes: 2_000 }],
  ])('goes with a warning, the oldest first, beyond their %s', (_, deadLetters) => {
    const { outbox, lines } = open({ deadLetters });
    const warnings = () => lines.filter((line) => line.includes('1 dead letters, the oldest, were dropped')).length;
    outbox.append([1, 2, 3].map((number) => message(number, { body: 'x'.repeat(500) })));
    for (const seq of [1, 2]) outbox.term(seq, 'internal', 'why');
    expect([idsOf(outbox), warnings()]).toEqual([['d2', 'd1'], 0]);
    outbox.term(3, 'internal', 'why');
    expect([idsOf(outbox), outbox.deadLetters.count, warnings()]).toEqual([['d3', 'd2'], 2, 1]);
  });

  it('is not made of an event that only proves the way', () => {
    const { outbox } = open();
    outbox.append([{ type: 'phone.answered', udn, epoch: 0 }]);
    outbox.term(1, 'internal', 'why');
    expect([eventsAfter(outbox, 0, 9), outbox.deadLetters.count]).toEqual([[], 0]);
  });

  it('goes with the approval of its phone', async () => {
    const { outbox } = open();
    outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other'), sampleEvent(3)]);
    for (const seq of [1, 2, 3]) outbox.term(seq, 'internal', 'why');
    const retried = outbox.retry('d3');
    outbox.drop(udn);
    expect(idsOf(outbox)).toEqual(['d2']);
    expect(await retried).toMatchObject({ code: 'phone-not-approved' });
  });

  it('can be discarded, once', () => {
    const { outbox } = open();
    let changes = 0;
    outbox.deadLetters.onChanged(() => changes++);
    outbox.append(sampleEvents(1));
    outbox.term(1, 'internal', 'why');
    expect([outbox.deadLetters.discard('d1'), outbox.deadLetters.discard('d1')]).toEqual([true, false]);
    expect([outbox.deadLetters.count, changes]).toEqual([0, 2]);
  });

  it('of an earlier version of the file is kept', () => {
    const { database, outbox } = open();
    outbox.append([message(1)]);
    outbox.term(1, 'internal', 'why');
    database.exec(
      `DROP INDEX dead_letters_by_thing; DROP TABLE known_messages; ${messagesOfVersion1}; ${approvalsOfVersion1};
       PRAGMA user_version = 1`,
    );
    opened.pop()?.();
    const again = open().outbox;
    expect(idsOf(again)).toEqual(['d1']);
    again.append([message(1)]);
    again.ack(2);
    again.stop();
    expect(idsOf(again)).toEqual([]);
  });
});

describe('the journal', () => {
  it('takes over the messages of a file of an earlier version', () => {
    const { database } = open();
    database.exec(`DROP TABLE known_messages; ${messagesOfVersion1}; ${approvalsOfVersion1};
      INSERT INTO messages VALUES ('${udn}', '7', 1, 'm_7', 'who.when.all', '<message/>');
      INSERT INTO messages VALUES ('${udn}', '8', 0, 'm_8', '', NULL);
      PRAGMA user_version = 2`);
    opened.pop()?.();
    const { journal } = open();
    expect(journal.messagesOf(udn)).toEqual([
      { id: 'm_7', messageId: '7', epoch: 1, fingerprint: 'who.when.all' },
      { id: 'm_8', messageId: '8', epoch: 0, fingerprint: '' },
    ]);
  });

  it('remembers messages, sessions and epoch of each phone', () => {
    const { journal } = open();
    const known = { id: 'm_1', messageId: '007', epoch: 2, fingerprint: 'f' };
    const session = {
      sessionId: 's',
      sessionClass: 'Chat',
      status: 'Running',
      contentTypes: [],
      recipients: [],
    } as const;
    const put = { ...session, contentTypes: [...session.contentTypes], recipients: [...session.recipients] };
    journal.record(udn, { epoch: 2, putMessages: [known], putSessions: [{ id: 's_1', session: put }], events: [] });
    opened.pop()?.();
    const again = open().journal;
    expect(again.readPhone(udn)).toEqual({ epoch: 2, comparedStore: undefined });
    expect(again.messagesOf(udn)).toEqual([{ id: 'm_1', messageId: '007', epoch: 2, fingerprint: 'f' }]);
    expect(again.sessionsOf(udn)).toEqual([{ id: 's_1', session: put }]);
    expect(again.messagesOf('uuid:other')).toEqual([]);
  });

  it('remembers that a send was begun, and how it ended', () => {
    const { journal } = open();
    const send = { key: 'k', action: 'SendMessage', arguments: { MessageToSend: '<message/>' }, begunMs: 1 };
    journal.beginSend(udn, send);
    opened.pop()?.();
    const again = open().journal;
    expect(again.joinableSends(udn)).toEqual([{ ...send, outcome: undefined }]);
    again.finishSend(udn, 'k', { result: { MessageID: 'm' } });
    expect(again.joinableSends(udn)).toEqual([]);
    expect(again.findSend('k')).toEqual({ ...send, arguments: {}, outcome: { result: { MessageID: 'm' } } });
  });

  it('forgets what waits of a phone whose approval is taken back', () => {
    const { journal, outbox } = open();
    journal.approve([udn, 'uuid:other']);
    journal.record(udn, { comparedStore: 'store-1', events: [] });
    outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other')]);
    journal.approve(['uuid:other']);
    expect(eventsAfter(outbox, 0, 10).map(({ seq }) => seq)).toEqual([2]);
    expect(journal.readPhone(udn).comparedStore).toBeUndefined();
    expect([...journal.approved().keys()]).toEqual(['uuid:other']);
  });
});

/** Table `messages` as the first version made it. */
const approvalsOfVersion1 = 'ALTER TABLE approvals DROP COLUMN evidence';
const messagesOfVersion1 = `CREATE TABLE messages (
  udn TEXT NOT NULL, message_id TEXT NOT NULL, epoch INTEGER NOT NULL, id TEXT NOT NULL, fingerprint TEXT NOT NULL,
  xml TEXT, PRIMARY KEY (udn, message_id)) WITHOUT ROWID`;
