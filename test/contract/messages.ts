// Sample input of a store: ordered identifiers, phones, messages, sessions and sends.
import type { MessageRecord } from '../../cloud/store/message-store.ts';
import type { PhonePresence } from '../../protocol/frames.ts';
import type { PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';

/** The n-th identifier, in ascending order. */
export const messageId = (n: number) => `m_${String(n).padStart(26, '0')}`;
export const sessionId = (n: number) => `s_${String(n).padStart(26, '0')}`;

export function presence(udn: string, more: Partial<PhonePresence> = {}): PhonePresence {
  return {
    udn,
    name: 'Phone',
    deviceType: 'urn:phone',
    address: '10.0.0.2:80',
    online: true,
    epoch: 0,
    trusted: false,
    ...more,
  };
}

export function phoneMessage(more: Partial<PhoneMessage> = {}): PhoneMessage {
  return {
    messageId: 'phone-1',
    messageClass: 'SMS',
    folder: 'Received',
    status: 'Unread',
    from: { address: '+390110001', displayName: 'Nonna' },
    to: [{ address: '+390119999' }],
    contentType: 'text/plain',
    body: 'Dinner at 8?',
    attachments: [],
    time: '2026-11-22T11:00:00.000Z',
    ...more,
  };
}

export function phoneSession(more: Partial<PhoneSession>): PhoneSession {
  return {
    sessionId: 's-1',
    sessionClass: 'Chat',
    status: 'Running',
    contentTypes: ['text/plain'],
    recipients: [{ address: '+1' }],
    ...more,
  };
}

export function send(id: string, more: Partial<MessageRecord> = {}): MessageRecord {
  return {
    id,
    messageId: null,
    home: 'home',
    phone: null,
    messageClass: 'SMS',
    folder: 'Outgoing',
    status: 'Read',
    sessionId: null,
    from: { address: '' },
    to: [{ address: '+1' }],
    subject: null,
    body: 'On my way',
    contentType: 'text/plain',
    attachments: [],
    time: '2026-11-22T11:59:00.000Z',
    state: 'queued',
    onPhone: false,
    epoch: null,
    fingerprint: null,
    deliverByMs: null,
    ...more,
  };
}
