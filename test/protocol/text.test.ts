import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { carriable, firstUncarriable } from '../../protocol/text.ts';

describe('the characters of a message', () => {
  it.each([
    ['a NUL', 'a\u0000b', 'U+0000'],
    ['a vertical tab', 'a\u000bb', 'U+000B'],
    ['half a surrogate pair', 'a\ud83d', 'U+D83D'],
    ['a noncharacter', '\uffff', 'U+FFFF'],
  ])('%s is none of them', (_, text, name) => {
    expect(firstUncarriable(text)).toBe(name);
    expect(firstUncarriable(carriable(text))).toBeUndefined();
  });

  it('are all that people write', () => {
    const text = 'Line\r\n\tÀ demain 👩‍👩‍👧 – «ok»\u0085\ufeff';
    expect(firstUncarriable(text)).toBeUndefined();
    expect(carriable(text)).toBe(text);
  });

  it('are what is left, and nothing else is taken away', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const left = carriable(text);
        expect(firstUncarriable(left)).toBeUndefined();
        if (firstUncarriable(text) === undefined) expect(left).toBe(text);
      }),
    );
  });
});
