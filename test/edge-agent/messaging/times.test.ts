// Times as devices write them. A date outside the calendar is rejected, never corrected.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTime } from '../../../edge-agent/messaging/times.ts';

const local = (...parts: [number, number, number, number?, number?, number?]) => new Date(...parts).toISOString();

describe('a time', () => {
  it.each([
    // ISO 8601
    ['2026-11-22T19:30:00Z', '2026-11-22T19:30:00.000Z'],
    ['2026-11-22T19:30:00.123456789Z', '2026-11-22T19:30:00.123Z'],
    ['2026-11-22T19:30:00,5Z', '2026-11-22T19:30:00.500Z'],
    ['2026-11-22t20:30:00+01:00', '2026-11-22T19:30:00.000Z'],
    ['2026-11-22T20:30+0100', '2026-11-22T19:30:00.000Z'],
    ['2026-11-22T16:00:00-03:30', '2026-11-22T19:30:00.000Z'],
    ['2026-11-23T09:30:00+14', '2026-11-22T19:30:00.000Z'],
    ['20261122T193000Z', '2026-11-22T19:30:00.000Z'],
    ['20261122T1930Z', '2026-11-22T19:30:00.000Z'],
    ['  2026-11-22 19:30:00 Z ', '2026-11-22T19:30:00.000Z'],
    ['2026-11-22T19:30:00', local(2026, 10, 22, 19, 30)],
    ['2026/11/22 19:30:00', local(2026, 10, 22, 19, 30)],
    ['2026-11-22', local(2026, 10, 22)],
    ['2026-11-22T24:00:00Z', '2026-11-23T00:00:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2036-01-01T00:00:00Z', '2036-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    // GSM, in quarter hours
    ['26/11/28,08:00:00+04', '2026-11-28T07:00:00.000Z'],
    ['26/11/28,08:00:00-14', '2026-11-28T11:30:00.000Z'],
    ['26/11/28,08:00:00+23', '2026-11-28T02:15:00.000Z'],
    ['"26/11/28,08:00:00+4"', '2026-11-28T07:00:00.000Z'],
    ['2026/11/28,08:00:00+04', '2026-11-28T07:00:00.000Z'],
    ['99/12/31,23:59:59+00', '1999-12-31T23:59:59.000Z'],
    ['26/11/28,08:00:00', local(2026, 10, 28, 8)],
    // Epoch
    ['1795375800', '2026-11-22T19:30:00.000Z'],
    ['1795375800.5', '2026-11-22T19:30:00.500Z'],
    ['1795375800123', '2026-11-22T19:30:00.123Z'],
    ['999999999', '2001-09-09T01:46:39.000Z'],
    // Digits that spell a date
    ['20261122', local(2026, 10, 22)],
    ['202611221930', local(2026, 10, 22, 19, 30)],
    ['20261122193000', local(2026, 10, 22, 19, 30)],
    // E-mail and programs
    ['Sat, 28 Nov 2026 08:00:00 +0100', '2026-11-28T07:00:00.000Z'],
    ['28 November 2026 08:00:00 GMT', '2026-11-28T08:00:00.000Z'],
    ['Sat Nov 28 2026 08:00:00 GMT+0100 (Central European Standard Time)', '2026-11-28T07:00:00.000Z'],
    ['Nov 28, 2026 12:05 AM', local(2026, 10, 28, 0, 5)],
    ['Sat Nov 28 08:00:00 2026', local(2026, 10, 28, 8)],
  ])('%s is %s', (given, expected) => {
    expect(readTime(given)).toBe(expected);
  });

  it.each([
    '',
    '0',
    '1',
    '-1',
    '-1795375800',
    '26',
    '2026',
    '202611',
    '12345678',
    '000000001',
    '0000000000000',
    '99999999999999999',
    '20261322',
    '20260230',
    '20260230193000',
    '2026-02-30T10:00:00Z',
    '2026-02-29T10:00:00Z',
    '1900-02-29T10:00:00Z',
    '2026-04-31',
    '2026-00-10T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-11-00T10:00:00Z',
    '2026-11-22T24:00:01Z',
    '2026-11-22T25:00:00Z',
    '2026-11-22T10:60:00Z',
    '2026-11-22T10:00:60Z',
    '2026-11-22T10:00:00+15:00',
    '2026-11-22T10:00:00+01:60',
    '2026-11-22T10',
    '2026-W48-5',
    '2026-332',
    '+002026-11-22T10:00:00Z',
    '0001-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '9999-12-31T23:59:59-01:00',
    '20260230T100000Z',
    '26/02/30,08:00:00+04',
    '26/11/28,08:00:00+60',
    '26/11/28,24:00:01+00',
    '03/04/2026 08:00',
    '30 Feb 2026 08:00:00 +0000',
    '28 Xyz 2026 08:00:00',
    'Nov 28, 2026 13:05 PM',
    'yesterday',
    'SMS 5',
    'x'.repeat(100_000),
  ])('is not parsed from %.40s', (given) => {
    expect(readTime(given)).toBeUndefined();
  });
});

describe('any text', () => {
  const digits = fc.stringMatching(/^[0-9]{1,2}$/);
  const shapes = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(...'0123456789-/:,.+TZ '), maxLength: 30 }),
    fc.array(digits, { minLength: 3, maxLength: 8 }).map((parts) => parts.join('-')),
    fc.integer().map(String),
  );

  it('is a time of the years 1970 to 9999 or undefined, and never throws', () => {
    fc.assert(
      fc.property(shapes, (text) => {
        const time = readTime(text);
        if (time !== undefined) expect(time).toMatch(/^(19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      }),
      { numRuns: 2000 },
    );
  });

  it('in the form of a day yields exactly that day or undefined', () => {
    const part = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1971, max: 9998 }), part, part, (year, month, day) => {
        const written = [year, month, day].map((number) => String(number).padStart(2, '0')).join('-');
        const time = readTime(`${written}T12:00:00Z`);
        if (time !== undefined) expect(time.slice(0, 10)).toBe(written);
        const gsm = readTime(`${written.slice(2).replaceAll('-', '/')},12:00:00+00`);
        if (gsm !== undefined) expect(gsm.slice(2, 10)).toBe(written.slice(2));
      }),
      { numRuns: 2000 },
    );
  });

  it('that is an ISO time with any zone yields that moment', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 86_400_000, max: 4e12 }),
        fc.integer({ min: -14 * 60, max: 14 * 60 }),
        (ms, zone) => {
          const sign = zone < 0 ? '-' : '+';
          const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60];
          const two = (number: number) => String(number).padStart(2, '0');
          const shown = new Date(ms + zone * 60_000).toISOString().slice(0, -1);
          expect(readTime(`${shown}${sign}${two(hours)}:${two(minutes)}`)).toBe(new Date(ms).toISOString());
        },
      ),
    );
  });
});
