import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conversationName, partyName } from '../../cloud/dashboard/text/parties.ts';
import { withoutControls } from '../../cloud/dashboard/text/plain-names.ts';

test('a file name shows its characters in the order in which they stand', () => {
  expect(withoutControls('photo\u202egpj.exe')).toBe('photogpj.exe');
  expect(withoutControls('\u2066a\u2069\u200f\u061cb')).toBe('ab');
});

test('a name is one line, and keeps the letters of every script', () => {
  expect(withoutControls('Ada\r\nBcc: eve@example.org')).toBe('Ada Bcc: eve@example.org');
  expect(withoutControls('דנה')).toBe('דנה');
  expect(withoutControls('ليلى 👩‍👧')).toBe('ليلى 👩‍👧');
});

test('a name of direction controls alone is no name: the address is shown', () => {
  expect(partyName({ address: '+390110001', displayName: '\u202e\u200f' })).toBe('+390110001');
  expect(conversationName({ parties: [{ address: 'a\u202e@b.c' }] })).toBe('a@b.c');
});

test('nothing that is shown as a name turns the direction or breaks the line', () => {
  const hostile = fc.constantFrom('\u202e', '\u2067', '\u200e', '\n', '\r', '\u2028', '\u0085', 'a', '.', 'ש');
  fc.assert(
    fc.property(fc.array(hostile), (parts) => {
      expect(withoutControls(parts.join(''))).not.toMatch(
        /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cc}\u2028\u2029]/u,
      );
    }),
  );
});
