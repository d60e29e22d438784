// The other parties of a message or conversation, and their display names.
import type { Conversation, Message } from '../../../protocol/model.ts';
import type { Party } from '../../../protocol/phone-model.ts';
import { withoutControls } from './plain-names.ts';

/** Whether the household sent or is sending the message. */
export function isOwn(message: Message): boolean {
  return message.state !== 'received';
}

/** The other parties of a message. */
export function shownParties(message: Message): Party[] {
  return isOwn(message) ? message.to : [message.from];
}

/** The key of the conversation that a message belongs to. */
export function conversationKeyOf(message: Message): string {
  return message.sessionId ?? message.conversation ?? plainKey(shownParties(message).map((party) => party.address));
}

/** A key that the cloud resolves to the conversation with these people, even if its own key differs. */
export function plainKey(addresses: readonly string[]): string {
  return [...new Set(addresses.map((address) => address.trim()))].sort().join('\n');
}

export function partyName(party: { address: string; displayName?: string | undefined }): string {
  return withoutControls(party.displayName ?? '') || withoutControls(party.address) || 'Unknown sender';
}

export function conversationName(conversation: Pick<Conversation, 'parties'>): string {
  return conversation.parties.map(partyName).join(', ') || 'Nobody';
}

/**
 * Splits typed text into addresses at commas, semicolons and line ends, and removes the separators that people put into
 * phone numbers.
 */
export function splitAddresses(text: string): string[] {
  const addresses = text.split(/[,;\n]/u).map((part) => {
    const address = part.trim();
    return /^\+?[\d\s()./-]+$/u.test(address) ? address.replace(/[\s()./-]/gu, '') : address;
  });
  return [...new Set(addresses.filter((address) => address !== ''))];
}
