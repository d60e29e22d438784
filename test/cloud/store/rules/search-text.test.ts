import fc from 'fast-check';
import { expect, test } from 'vitest';
import { searchText, searchWords } from '../../../../cloud/store/rules/search-text.ts';
import { messageId, send } from '../../../contract/messages.ts';
import { growth, linearGrowth } from '../../../fixtures/growth.ts';

const textOf = (body: string) => searchText(send(messageId(1), { body }));
const finds = (query: string, body: string) => searchWords(query).every((word) => textOf(body).includes(word));

test.each([
  ['strasse', 'Hauptstraße 5'],
  ['STRASSE', 'Straße'],
  ['straße', 'STRASSE'],
  ['0111234567', 'Call 011 123 4567 now'],
  ['011 123 4567', 'Call 0111234567 now'],
  ['(011) 123-4567', '0111234567'],
  ['0111234567', '(011) 123/4567'],
  ['+390111234567', '+39 011 123 4567'],
  ['011.123.4567', '0111234567'],
  ['plumber', 'plum\u00adber'],
  ['plumber', 'plum\u200bber'],
  ['plum\u00adber', 'plumber'],
  ['می\u200cخواهم', 'میخواهم'],
  ['perche', 'Perché'],
  ['oeuvre', 'Œuvre'],
  ['lodz', 'Łódź'],
  ['istanbul', 'İSTANBUL'],
  ['οδυσσευς', 'ΟΔΥΣΣΕΥΣ'],
  ['12345 2026', 'Invoice of 2026: 12345'],
  ['28.11.2026', 'on 28.11.2026'],
  ['192.168.1.20', 'at 192.168.1.20:8787'],
  ['2026-11-28', 'from 2026-11-28 on'],
])('%j finds %j', (query, body) => {
  expect(finds(query, body)).toBe(true);
});

test.each([
  ['0111234567', '011 123 4568'],
  ['strase', 'Straße'],
])('%j does not find %j', (query, body) => {
  expect(finds(query, body)).toBe(false);
});

test('a number is found in international form where its conversation has it', () => {
  const national = send(messageId(1), { to: [{ address: '011 123 4567' }], conversation: '+390111234567' });
  expect(searchText(national)).toContain('+390111234567');
});

test('a text is found by any part of itself that is parted by blanks', () => {
  const words = fc.array(
    fc.constantFrom('Straße', '011', '123-4567', '(0)', '+39', 'caf\u00e9', '\u200bx', '5.', 'é', '2026'),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(words, fc.nat(7), fc.nat(7), (some, from, count) => {
      const query = some.slice(from % some.length, (from % some.length) + count + 1).join(' ');
      expect(finds(query, some.join(' '))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each(['1 ', '1', '+', '(', ' ', '1-', 'ß', '\u0301', '\u00ad', '12 (', 'a1 '])(
  'a text of %j takes time by its length',
  (piece) => {
    const make = (size: number) => piece.repeat(Math.ceil(size / piece.length));
    expect(growth(make, textOf, 20_000)).toBeLessThan(linearGrowth);
  },
);
