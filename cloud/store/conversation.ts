// Which conversation a message is part of: the same session, or the same people.

import { limits } from '../../protocol/limits.ts';
import type { Conversation, Message } from '../../protocol/model.ts';
import type { Party } from '../../protocol/phone-model.ts';

/** Undefined for what is in the phone's bin. */
export function conversationKey(message: Message): string | undefined {
  if (message.folder === 'Deleted') return undefined;
  if (message.sessionId !== null) return message.sessionId;
  return [...new Set(correspondents(message).map((party) => party.address.trim()))].sort().join('\n');
}

/** Whether the message counts as unread where people look: arrivals only. */
export function countsAsUnread(message: Message): boolean {
  return message.folder === 'Received' && message.status === 'Unread';
}

/** The people on the other side: the sender of what came in, the recipients of what went out. */
export function correspondents(message: Message): Party[] {
  return message.state === 'received' ? [message.from] : message.to;
}

/** Adds people to those known, and names to those who had none. The newest name wins. */
export function mergeParties(known: Conversation['parties'], added: readonly Party[]): Conversation['parties'] {
  const byAddress = new Map(known.map((party) => [party.address, party]));
  for (const { address, displayName } of added) {
    const key = address.trim();
    if (displayName !== undefined) byAddress.set(key, { address: key, displayName });
    else if (!byAddress.has(key)) byAddress.set(key, { address: key });
  }
  return [...byAddress.values()].slice(0, limits.parties);
}
