// The searchable text of a message: its words and addresses without case, accents, width and invisible characters.
import { GatewayError } from '../../../protocol/errors.ts';
import type { Message } from '../../../protocol/model.ts';

const longestQuery = 500;
/** Raise it when `searchText` changes: upkeep then writes stored texts again. */
export const searchVersion = 1;

/** Letters that Unicode does not decompose, in the spelling of people without them on the keyboard. */
const plainLetters: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
  ς: 'σ',
};
const plainLetter = new RegExp(`[${Object.keys(plainLetters).join('')}]`, 'gu');
/** A number with its separators: blanks, brackets, points, dashes and slashes. */
const partedNumber = /\+?\d(?:[ \t\u00a0\u2007\u202f().\-/\u2010-\u2015]{0,4}\d)+/gu;
const betweenDigits = /[^\d+]/gu;
/** Fewer digits are a date, a price or a time, and are searched as written. */
const fewestDigits = 7;

/** The text that is searched for `searchWords`. */
export function searchText(message: Message): string {
  const parties = [message.from, ...message.to].flatMap((party) => [party.address, party.displayName ?? '']);
  const conversation = message.sessionId === null ? message.conversation : undefined;
  const text = fold([message.subject ?? '', message.body ?? '', ...parties, conversation ?? ''].join('\n'));
  const numbers = [...text.matchAll(partedNumber)].flatMap(([number]) => {
    const whole = number.replace(betweenDigits, '');
    return whole === number || countDigits(whole) < fewestDigits ? [] : [whole];
  });
  return numbers.length === 0 ? text : [text, ...new Set(numbers)].join('\n');
}

/** The pieces of a query: all must occur, also within words or numbers. @throws GatewayError `invalid-request` */
export function searchWords(query: string): string[] {
  if (query.length > longestQuery) {
    throw new GatewayError('invalid-request', `A search has at most ${longestQuery} characters.`);
  }
  const words = fold(query)
    .replace(partedNumber, asInText)
    .split(/[\s\p{Cc}]+/u);
  // A bracket that stood before a number is not part of it.
  return [...new Set(words.map((word) => word.replace(/^\((?=\d)/, '')))].filter((word) => word !== '');
}

/**
 * A number of the query, whose pieces may be joined or separate in the text. Pieces between blanks stay separate words,
 * so that two adjacent numbers do not become one.
 */
function asInText(number: string): string {
  if (countDigits(number) < fewestDigits) return number;
  return number
    .split(/\s+/u)
    .map((word) =>
      countDigits(word) < fewestDigits ? word.replace(betweenDigits, ' ') : word.replace(betweenDigits, ''),
    )
    .join(' ');
}

function countDigits(text: string): number {
  return text.replace(/\D/g, '').length;
}

function fold(text: string): string {
  return (
    text
      .normalize('NFKD')
      .toLowerCase()
      // Marks and invisible characters: soft hyphens, zero-width blanks and joiners, direction controls.
      .replace(/[\p{Mn}\p{Cf}]/gu, '')
      .replace(plainLetter, (letter) => plainLetters[letter] ?? letter)
      .normalize('NFC')
  );
}
