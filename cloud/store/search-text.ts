// What can be found by searching: a message's words and addresses, without case, accents or width.
import { GatewayError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/model.ts';

const longestQuery = 500;

/** The text in which `searchWords` are looked for. */
export function searchText(message: Message): string {
  const parties = [message.from, ...message.to].flatMap((party) => [party.address, party.displayName ?? '']);
  return fold([message.subject ?? '', message.body ?? '', ...parties].join('\n'));
}

/** The pieces that must all occur, each of them anywhere, also within a word or a number. Throws `invalid-request`. */
export function searchWords(query: string): string[] {
  if (query.length > longestQuery) {
    throw new GatewayError('invalid-request', `A search has at most ${longestQuery} characters.`);
  }
  return [...new Set(fold(query).split(/[\s\p{Cc}]+/u))].filter((word) => word !== '');
}

function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase()
    .normalize('NFC');
}
