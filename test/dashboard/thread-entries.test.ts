import { expect, test } from 'vitest';
import type { PendingSend } from '../../cloud/dashboard/state/sends.ts';
import { threadEntries } from '../../cloud/dashboard/state/thread-entries.ts';
import type { Message } from '../../protocol/model.ts';

function message(id: string, over: Partial<Message> = {}): Message {
  return {
    id,
    messageId: id,
    home: 'home',
    phone: 'p_1',
    messageClass: 'SMS',
    folder: 'Received',
    status: 'Read',
    sessionId: null,
    from: { address: '+390110001' },
    to: [],
    subject: null,
    body: 'Hello',
    contentType: 'text/plain',
    attachments: [],
    time: '2026-11-22T12:00:00.000Z',
    state: 'received',
    onPhone: true,
    ...over,
  };
}

function pending(key: string, body: string, known: string[] = []): PendingSend {
  return {
    key,
    conversation: '+390110001',
    path: '/messages',
    request: { body },
    known: new Set(known),
    startedAt: '2026-11-22T12:00:00.000Z',
    state: 'sending',
  };
}

const kinds = (messages: Message[], sends: PendingSend[] = []) =>
  threadEntries(messages, sends).map((entry) => (entry.kind === 'day' ? 'day' : entry.key));

test('a day begins with its heading', () => {
  const later = message('m_2', { time: '2026-11-24T12:00:00.000Z' });
  expect(kinds([message('m_1'), later])).toEqual(['day', 'm_1', 'day', 'm_2']);
});

test('messages of one sender within minutes stand together, others apart', () => {
  const entries = threadEntries(
    [
      message('m_1'),
      message('m_2', { time: '2026-11-22T12:01:00.000Z' }),
      message('m_3', { time: '2026-11-22T12:30:00.000Z' }),
      message('m_4', { time: '2026-11-22T12:30:10.000Z', state: 'sent' }),
    ],
    [],
  );
  const follows = entries.flatMap((entry) => (entry.kind === 'message' ? [entry.follows] : []));
  expect(follows).toEqual([false, true, false, false]);
});

test('a send is shown once when its live event comes before its answer', () => {
  const arrived = message('m_9', { state: 'queued', body: 'Ciao' });
  expect(kinds([arrived], [pending('k', 'Ciao')])).toEqual(['day', 'm_9']);
});

test('a text that was sent before does not hide the same text sent again', () => {
  const earlier = message('m_1', { state: 'sent', body: 'Ok' });
  expect(kinds([earlier], [pending('k', 'Ok', ['m_1'])])).toEqual(['day', 'm_1', 'k']);
});

test('one arrival stands for one send, not for two of the same text', () => {
  const arrived = message('m_9', { state: 'sent', body: 'Ok' });
  expect(kinds([arrived], [pending('k1', 'Ok'), pending('k2', 'Ok')])).toEqual(['day', 'm_9', 'k2']);
});

test('what somebody else wrote never stands for a send', () => {
  expect(kinds([message('m_9', { body: 'Ok' })], [pending('k', 'Ok')])).toEqual(['day', 'm_9', 'k']);
});
