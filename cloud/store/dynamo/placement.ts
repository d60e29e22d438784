// Where else in the table a record is found: messages in their conversation, and in a list if few would be found else.
import { conversationKey } from '../rules/conversation-rules.ts';
import type { Placement } from './items.ts';
import { keys, partitions } from './keys.ts';
import { isTombstone } from './message-parts.ts';
import type { StoredMessageOrTombstone } from './stored.ts';

/** Of what stands under that sort key in the partition of a home. */
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
 * Most messages lie in Received or Sent: who looks for those goes through all of them, or through the conversations that
 * have unread ones (unread.ts), and a place in the index, which costs a write unit, would save little.
 */
export function isListed(folder: string, status: string): boolean {
  return folder !== 'Received' && (folder !== 'Sent' || status === 'Unread');
}
