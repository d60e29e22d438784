// Whom a message or a conversation is with, and what they are called.
import type { Conversation, Message } from '../../../protocol/model.ts';
import type { Party } from '../../../protocol/phone-model.ts';
import { withoutControls } from './plain-names.ts';

/** True for what the household itself sent or is sending. */
export function isOwn(message: Message): boolean {
  return message.state !== 'received';
}

/** The other side of a message. */
export function shownParties(message: Message): Party[] {
  return isOwn(message) ? message.to : [message.from];
}

/** The key of the conversation that a message belongs to. */
export function conversationKeyOf(message: Message): string {
  return message.sessionId ?? message.conversation ?? plainKey(shownParties(message).map((party) => party.address));
}

/** A key by which the cloud finds the conversation with these people, whatever its own key is. */
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
 * Splits what a person typed into addresses: at commas, semicolons and line ends. The marks that people put into
 * numbers to read them more easily are left out.
 */
export function splitAddresses(text: string): string[] {
  const addresses = text.split(/[,;\n]/u).map((part) => {
    const address = part.trim();
    return /^\+?[\d\s()./-]+$/u.test(address) ? address.replace(/[\s()./-]/gu, '') : address;
  });
  return [...new Set(addresses.filter((address) => address !== ''))];
}
