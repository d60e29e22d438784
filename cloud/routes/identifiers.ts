// Maps a phone's identifiers to the cloud's, and checks that the phone's message under an identifier is the stored one.
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import type { Page } from '../store/page.ts';
import type { Store } from '../store/store.ts';

/** Pages of 200 to search: messages that a phone calls new are among the newest. */
const pagesToLook = 5;

/** `m_…` by the phone's messageId, for messages that are unread in the store. */
export function messagesOf(
  store: Store,
  home: string,
  phone: string,
  wanted: Set<string>,
): Promise<Map<string, string>> {
  const filter = { phone, folder: 'Received', status: 'Unread', onPhone: true };
  return lookThrough(
    wanted,
    (cursor) => store.messages.list(home, filter, { limit: 200, cursor }),
    (message) => message.messageId,
  );
}

/** `s_…` by the phone's sessionId. */
export function sessionsOf(
  store: Store,
  home: string,
  phone: string,
  wanted: Set<string>,
): Promise<Map<string, string>> {
  return lookThrough(
    wanted,
    (cursor) => store.sessions.list(home, { phone }, { limit: 200, cursor }),
    (session) => session.sessionId,
  );
}

/**
 * Whether the phone's answer is about the requested message, and not about one that got its identifier after a reset.
 * One of text, sender and time may differ, because phones correct them. A text that was never stored is not compared.
 */
export function isAnswerAbout(record: MessageRecord, answer: PhoneMessage): boolean {
  const isSame = [
    record.from.address.trim() === answer.from.address.trim(),
    Date.parse(record.time) === Date.parse(answer.time),
    ...(record.body === null ? [] : [record.body === answer.body]),
  ];
  return isSame.filter((same) => !same).length <= 1 && isSame.some((same) => same);
}

async function lookThrough<Item extends { id: string }>(
  wanted: Set<string>,
  read: (cursor: string | undefined) => Promise<Page<Item>>,
  nameOf: (item: Item) => string | null,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor: string | undefined;
  for (let looked = 0; looked < pagesToLook && found.size < wanted.size; looked++) {
    const page = await read(cursor);
    for (const item of page.items) {
      const name = nameOf(item);
      // The newest wins: a phone that was reset reuses identifiers.
      if (name !== null && wanted.has(name) && !found.has(name)) found.set(name, item.id);
    }
    if (page.next === null) break;
    cursor = page.next;
  }
  return found;
}
