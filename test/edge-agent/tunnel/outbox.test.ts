import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newFolder, openOutbox, sampleEvent, sampleEvents, udn } from './sample-events.ts';

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
    expect(second.outbox.after(0, 10).map(({ seq, event }) => [seq, event])).toEqual(
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
    expect(again.after(0, 10).map(({ seq }) => seq)).toEqual([4]);
  });

  it('keeps events and journal together or not at all', () => {
    const { outbox } = open();
    const broken = () =>
      outbox.append([sampleEvent(1)], () => {
        throw new Error('the disk is full');
      });
    expect(broken).toThrow('the disk is full');
    expect(outbox.after(0, 10)).toEqual([]);
  });

  it('puts aside what can never be stored, with a warning', () => {
    const { outbox, lines } = open();
    outbox.append(sampleEvents(2));
    outbox.bury(1, 'invalid-request', 'no such phone');
    expect(outbox.after(0, 10).map(({ seq }) => seq)).toEqual([2]);
    expect(outbox.deadLetters()).toMatchObject([{ seq: 1, code: 'invalid-request', reason: 'no such phone' }]);
    expect(lines.join()).toContain('Warning');
  });

  it('drops the oldest beyond its size with a warning, and wants the phone compared again', () => {
    const { outbox, journal, lines } = open({ maxEvents: 3 });
    journal.record(udn, { comparedStore: 'store-1', events: [] });
    outbox.append(sampleEvents(5));
    expect(outbox.after(0, 10).map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect(lines.join()).toContain('2 events waited too long');
    expect(journal.readPhone(udn).comparedStore).toBeUndefined();
  });

  it('drops what is older than its age', () => {
    let now = 1000;
    const { outbox } = open({ maxAgeMs: 500, now: () => now });
    outbox.append(sampleEvents(2));
    now = 2000;
    outbox.append([sampleEvent(3)]);
    expect(outbox.after(0, 10).map(({ seq }) => seq)).toEqual([3]);
  });

  it('forgets what waits of one phone only', () => {
    const { outbox } = open();
    outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other')]);
    outbox.drop(udn);
    expect(outbox.after(0, 10).map(({ seq }) => seq)).toEqual([2]);
  });

  it('refuses a file of a newer version rather than spoil it', () => {
    const { database } = open();
    database.exec('PRAGMA user_version = 99');
    opened.pop()?.();
    expect(() => openOutbox(folder)).toThrow('version 99');
  });
});

describe('the journal', () => {
  it('remembers messages, sessions and epoch of each phone', () => {
    const { journal } = open();
    const known = { id: 'm_1', messageId: '007', epoch: 2, fingerprint: 'f', xml: '<message/>' };
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
    expect(again.xmlOf(udn, '007')).toBe('<message/>');
    expect(again.sessionsOf(udn)).toEqual([{ id: 's_1', session: put }]);
    expect(again.messagesOf('uuid:other')).toEqual([]);
  });

  it('remembers that a send was begun, and how it ended', () => {
    const { journal } = open();
    const send = { key: 'k', action: 'SendMessage', arguments: { MessageToSend: '<message/>' }, begunMs: 1 };
    journal.beginSend(udn, send);
    opened.pop()?.();
    const again = open().journal;
    expect(again.begunSends(udn)).toEqual([{ ...send, outcome: undefined }]);
    again.finishSend(udn, 'k', { result: { MessageID: 'm' } });
    expect(again.begunSends(udn)).toEqual([]);
    expect(again.findSend('k')?.outcome).toEqual({ result: { MessageID: 'm' } });
  });

  it('forgets what waits of a phone whose approval is taken back', () => {
    const { journal, outbox } = open();
    journal.approve([udn, 'uuid:other']);
    journal.record(udn, { comparedStore: 'store-1', events: [] });
    outbox.append([sampleEvent(1), sampleEvent(2, 'uuid:other')]);
    journal.approve(['uuid:other']);
    expect(outbox.after(0, 10).map(({ seq }) => seq)).toEqual([2]);
    expect(journal.readPhone(udn).comparedStore).toBeUndefined();
    expect([...journal.approved()]).toEqual(['uuid:other']);
  });
});
