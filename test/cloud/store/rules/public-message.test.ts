import { expect, it } from 'vitest';
import type { MessageRecord } from '../../../../cloud/store/message-store.ts';
import { publicMessage } from '../../../../cloud/store/rules/public-message.ts';
import type { Message } from '../../../../protocol/model.ts';
import { messageId, sessionId } from '../../../contract/messages.ts';

/** Every field of the model: a new one does not compile until it stands here. */
const message: Required<Message> = {
  id: messageId(1),
  messageId: 'phone-1',
  home: 'home',
  phone: 'p_1',
  messageClass: 'SMS',
  folder: 'Sent',
  status: 'Read',
  sessionId: sessionId(1),
  conversation: '+390110001',
  from: { address: '+390119999' },
  to: [{ address: '+390110001', displayName: 'Nonna' }],
  subject: 'Dinner',
  body: 'At 8?',
  contentType: 'text/plain',
  attachments: [],
  time: '2026-11-22T11:00:00.000Z',
  state: 'failed',
  stateReason: 'The phone refused.',
  onPhone: true,
  truncated: { fields: ['body'] },
};

/** Every field that only the cloud needs. */
const internal: Required<Omit<MessageRecord, keyof Message>> = {
  epoch: 1,
  fingerprint: 'f',
  deliverByMs: 1,
  sendSeq: 1,
  absentSinceMs: 1,
  absentTwice: true,
  hops: [['hub', 1]],
};

it('shows every field of the model and no other field of the record', () => {
  expect(publicMessage({ ...message, ...internal })).toEqual(message);
});

it('does not leak a field that no version of the model knows', () => {
  const record = { ...message, ...internal, ownerNote: 'secret' };
  expect(publicMessage(record)).toEqual(message);
});

it('leaves out what the record leaves out', () => {
  const { conversation: _, stateReason: __, truncated: ___, ...plain } = message;
  expect(Object.keys(publicMessage({ ...plain, ...internal })).sort()).toEqual(Object.keys(plain).sort());
});
