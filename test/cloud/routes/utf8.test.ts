import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readUtf8 } from '../../../cloud/routes/utf8.ts';

const strict = new TextDecoder('utf-8', { fatal: true });
const isWhole = (bytes: Uint8Array) => {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
};

/** Bytes at which readers differ, among others and among whole characters. */
const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.constantFrom([0xef, 0xbf], [0xef, 0xbf, 0xbd], [0xef, 0xbb, 0xbf], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0x80]),
  fc.string({ unit: 'binary', maxLength: 3 }).map((text) => Buffer.from(text)),
);

it('the place of what is not UTF-8 is where the last whole character ends, and no other begins', () => {
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 6 }), (given) => {
      const bytes = new Uint8Array(given.flatMap((piece) => [...piece]));
      const read = readUtf8(bytes);
      if ('text' in read) {
        expect(read.text).toBe(strict.decode(bytes));
        return;
      }
      const { malformedAt } = read;
      expect(isWhole(bytes.subarray(0, malformedAt))).toBe(true);
      expect(malformedAt).toBeLessThan(bytes.length);
      for (const chars of [1, 2, 3, 4]) expect(isWhole(bytes.subarray(malformedAt, malformedAt + chars))).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});
