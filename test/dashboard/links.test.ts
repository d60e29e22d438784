import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLinks } from '../../cloud/dashboard/text/links.ts';
import { growth, linearGrowth } from '../fixtures/growth.ts';

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

test('a text of 200,000 closing brackets after an address costs its length, not its square', () => {
  const attack = (size: number) => `https://a.example/${')'.repeat(size)}`;
  expect(growth(attack, splitLinks, 25_000)).toBeLessThan(linearGrowth);
});

test('any text is split in time that grows with its length', () => {
  const parts = [
    'https://a.example/',
    'http://',
    ')',
    '(',
    ']',
    '…',
    '.',
    'a',
    ' ',
    '\u202e',
    '?',
    '%',
    '[',
    '}',
    '\n',
  ];
  const piece = fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 }).map((some) => some.join(''));
  fc.assert(
    fc.property(piece, piece, (head, tail) => {
      const make = (size: number) => head + tail.repeat(Math.ceil(size / tail.length));
      return growth(make, splitLinks, 20_000) < linearGrowth;
    }),
    { numRuns: 30 },
  );
});

test('a page has at most 200 links of one message, and none that is longer than 2,048 characters', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `https://a.example/${index}`).join(' ');
  expect(linksOf(many)).toHaveLength(200);
  expect(
    splitLinks(many)
      .map((piece) => piece.text)
      .join(''),
  ).toBe(many);
  const long = `https://a.example/${'a'.repeat(3_000)}`;
  expect(linksOf(`${long} https://b.example/`)).toEqual(['https://b.example/']);
});
