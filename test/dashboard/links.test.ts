import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLinks } from '../../cloud/dashboard/text/links.ts';

const linksOf = (text: string) =>
  splitLinks(text)
    .filter((piece) => piece.kind === 'link')
    .map((piece) => piece.text);

test.each([
  ['See https://example.org/a?b=1#c now', ['https://example.org/a?b=1#c']],
  ['(https://example.org/wiki/A_(b)).', ['https://example.org/wiki/A_(b)']],
  ['“http://example.org”, he said', ['http://example.org']],
  ['HTTPS://EXAMPLE.ORG!', ['HTTPS://EXAMPLE.ORG']],
  ['a https://one.example b http://two.example/', ['https://one.example', 'http://two.example/']],
  ['nothing here: example.org, ftp://example.org', []],
  ['https://', []],
])('finds the web addresses in %j', (text, links) => {
  expect(linksOf(text)).toEqual(links);
});

test.each(['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'jav\tascript:alert(1)', '<a href="x">'])(
  'never makes a link of %j',
  (text) => {
    expect(linksOf(text)).toEqual([]);
  },
);

test('ends an address at a bidirectional control, which could make it read as another', () => {
  expect(linksOf('https://example.org/\u202egro.knab')).toEqual(['https://example.org/']);
});

test('the pieces joined are the text again, and every link is http or https', () => {
  const words = fc.constantFrom(
    'https://a.example/',
    'http://',
    ')',
    '(',
    '.',
    ' ',
    'javascript:',
    '\u202e',
    '"',
    '🎂',
    '\n',
  );
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(words).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const pieces = splitLinks(text);
      expect(pieces.map((piece) => piece.text).join('')).toBe(text);
      for (const link of linksOf(text)) expect(new URL(link).protocol).toMatch(/^https?:$/);
    }),
  );
});
