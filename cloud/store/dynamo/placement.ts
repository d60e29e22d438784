// The index keys of a record: a message is in the index of its conversation, and in that of rare folders.
import { conversationKey } from '../rules/conversation-rules.ts';
import type { Placement } from './items.ts';
import { keys, partitions } from './keys.ts';
import { isTombstone } from './message-parts.ts';
import type { StoredMessageOrTombstone } from './stored.ts';

/** The placement of the record with that sort key in a home's partition. */
export function placementOf(sk: string, data: unknown): Placement {
  if (!sk.startsWith(keys.message('', '').sk)) return {};
  const message = data as StoredMessageOrTombstone;
  if (isTombstone(message)) return {};
  const { home, folder, status } = message;
  const group = message.sessionId ?? conversationKey(message);
  return {
    group: group && partitions.group(home, group),
    list: isListed(folder, status) ? partitions.folder(home, folder, status) : undefined,
  };
}

/**
 * Most messages are in Received or Sent: queries for those read the table, or the conversations with unread messages
 * (unread.ts). An index entry costs a write unit and would save little.
 */
export function isListed(folder: string, status: string): boolean {
  return folder !== 'Received' && (folder !== 'Sent' || status === 'Unread');
}
