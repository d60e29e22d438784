import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calm, withoutControls } from '../../cloud/dashboard/text/plain-names.ts';
import { splitPortions } from '../../cloud/dashboard/text/portions.ts';
import { growth, linearGrowth } from '../fixtures/growth.ts';

const piece = fc.array(fc.constantFrom('a', ' ', '\n', '\t', '😀', '\u0301', 'ש', 'https://a.example/x'), {
  minLength: 1,
  maxLength: 6,
});
const texts = fc
  .tuple(piece, fc.integer({ min: 1, max: 3_000 }), piece)
  .map(([some, times, rest]) => some.join('').repeat(times) + rest.join(''));

test('portions joined are the text again, none is long, and no character is torn', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const portions = splitPortions(text);
      expect(portions.join('')).toBe(text);
      for (const portion of portions) {
        expect(portion.length).toBeLessThanOrEqual(4_000);
        expect(portion.isWellFormed()).toBe(true);
      }
    }),
  );
});

test('a word or an address is not cut while there is a blank to cut at', () => {
  const text = `${'word '.repeat(1_000)}https://a.example/${'x'.repeat(1_500)} ${'word '.repeat(1_000)}`;
  expect(splitPortions(text).filter((portion) => portion.includes('https'))).toHaveLength(1);
  for (const portion of splitPortions(text)) expect(portion).not.toMatch(/\bwor$/);
});

test('whatever is shown is made ready in time that grows with its length', () => {
  fc.assert(
    fc.property(piece, (some) => {
      const make = (size: number) => some.join('').repeat(Math.ceil(size / some.join('').length));
      for (const work of [splitPortions, calm, withoutControls])
        expect(growth(make, work, 20_000)).toBeLessThan(linearGrowth);
    }),
    { numRuns: 15 },
  );
});

test('a letter keeps the marks that a script sets on it', () => {
  for (const word of ['ế', 'שָׁלוֹם', 'བརྒྱད', 'ก็']) expect(calm(word)).toBe(word);
  expect(calm(`a${'\u0301'.repeat(1_000)}b`)).toBe(`a${'\u0301'.repeat(12)}b`);
});

test('a name of 4,096 characters is shown in 300', () => {
  expect(withoutControls('😀'.repeat(2_000))).toBe(`${'😀'.repeat(150)}…`);
});
