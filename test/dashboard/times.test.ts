import { expect, test } from 'vitest';
import { exactTime, howLongAgo, withLocalTimes } from '../../cloud/dashboard/text/times.ts';

const now = new Date(2026, 10, 25, 14, 30);
/** As the cloud writes a time of here. */
const utc = (time: Date) => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
const at = (day: number, hours: number, minutes: number) => new Date(2026, 10, day, hours, minutes);
/** Of whatever locale the tests run in. */
const clock = (time: Date) => new Intl.DateTimeFormat(undefined, { timeStyle: 'short' }).format(time);
const date = (time: Date) => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }).format(time);
const dayWord = (days: number) => new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' }).format(days, 'day');

test('the cloud’s times within words become those of the place, with their day where it is not today', () => {
  const [morning, tomorrow, later] = [at(25, 14, 2), at(26, 8, 0), at(30, 18, 0)];
  expect(withLocalTimes(`Offline since ${utc(morning)}; held until ${utc(tomorrow)}.`, now)).toBe(
    `Offline since ${clock(morning)}; held until ${dayWord(1)}, ${clock(tomorrow)}.`,
  );
  expect(withLocalTimes(`until ${utc(later)}`, now)).toBe(`until ${date(later)}, ${clock(later)}`);
  expect(withLocalTimes('The phone refused: 706 Recipient', now)).toBe('The phone refused: 706 Recipient');
});

test('an exact time has its seconds', () => {
  expect(exactTime(new Date(2026, 10, 25, 9, 5, 7).toISOString(), now)).toMatch(/^0?9.05.07/);
  expect(exactTime(new Date(2026, 10, 24, 9, 5, 7).toISOString(), now)).toMatch(/^\p{L}+, 0?9.05.07/u);
});

test.each([
  [-5, 0, 'second'],
  [59, 59, 'second'],
  [61, 1, 'minute'],
  [7_300, 2, 'hour'],
  [200_000, 2, 'day'],
] as const)('%d seconds ago are told as %d of the unit %s', (seconds, count, unit) => {
  const words = new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'long' }).format(count);
  expect(howLongAgo(1_000_000, 1_000_000 + seconds * 1000)).toBe(words);
});
