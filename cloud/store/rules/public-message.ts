// Defines which fields of a stored message leave the cloud.
import type { Message } from '../../../protocol/model.ts';
import type { MessageRecord } from '../message-store.ts';

/** An allow-list, so that a new internal field does not leak. */
const isPublic: Readonly<Record<keyof Message, true>> = {
  id: true,
  messageId: true,
  home: true,
  phone: true,
  messageClass: true,
  folder: true,
  status: true,
  sessionId: true,
  conversation: true,
  from: true,
  to: true,
  subject: true,
  body: true,
  contentType: true,
  attachments: true,
  time: true,
  state: true,
  stateReason: true,
  onPhone: true,
  truncated: true,
};

/** The part of a stored message that REST, events and the dashboard show. */
export function publicMessage(record: MessageRecord): Message {
  return Object.fromEntries(Object.entries(record).filter(([name]) => Object.hasOwn(isPublic, name))) as Message;
}
