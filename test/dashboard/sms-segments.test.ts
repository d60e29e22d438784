import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureSms } from '../../cloud/dashboard/text/sms-segments.ts';

test.each([
  ['nothing', '', 'GSM-7', 0, 160],
  ['a full message', 'a'.repeat(160), 'GSM-7', 1, 0],
  ['one character more', 'a'.repeat(161), 'GSM-7', 2, 145],
  ['the euro sign, which takes two', '€'.repeat(80), 'GSM-7', 1, 0],
  ['an euro sign that would be torn apart', `${'a'.repeat(152)}€${'a'.repeat(10)}`, 'GSM-7', 2, 141],
  ['accents of the basic alphabet', 'perché è così', 'GSM-7', 1, 147],
  ['an accent outside it', 'í', 'UCS-2', 1, 69],
  ['a full message of Hebrew', 'ש'.repeat(70), 'UCS-2', 1, 0],
  ['one letter more', 'ש'.repeat(71), 'UCS-2', 2, 63],
  ['a pair that would be torn apart', `${'ש'.repeat(66)}🎂${'ש'.repeat(10)}`, 'UCS-2', 2, 55],
] as const)('measures %s', (_, text, alphabet, segments, left) => {
  expect(measureSms(text)).toEqual({ alphabet, segments, left });
});

test('more text never takes fewer messages, within one alphabet', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 500 }), fc.string({ maxLength: 50 }), (text, more) => {
      const [before, after] = [measureSms(text), measureSms(text + more)];
      if (before.alphabet === after.alphabet) expect(after.segments).toBeGreaterThanOrEqual(before.segments);
      expect(after.left).toBeGreaterThanOrEqual(0);
    }),
  );
});
