import { expect, test } from 'vitest';
import { briefTime, exactTime, howLongAgo, sinceTime, withLocalTimes } from '../../cloud/dashboard/text/times.ts';

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

test('a time of another year is shown with its year, also one that lies ahead', () => {
  const of = (time: Date) => briefTime(time.toISOString(), now);
  expect(of(new Date(2036, 0, 1, 12))).toBe(date(new Date(2036, 0, 1)));
  expect(of(new Date(2019, 4, 2, 12))).toBe(date(new Date(2019, 4, 2)));
  expect(of(new Date(9999, 11, 30, 12))).toMatch(/9999/);
  expect(sinceTime(new Date(2036, 0, 1, 12).toISOString(), now)).toContain('2036');
});

test('a time ahead within this year is a date, and never the bare clock of today', () => {
  const ahead = new Date(2026, 11, 24, 9, 30);
  expect(briefTime(ahead.toISOString(), now)).toBe(
    new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' }).format(ahead),
  );
  expect(briefTime(at(26, 8, 0).toISOString(), now).toLowerCase()).toBe(dayWord(1).toLowerCase());
  expect(briefTime(at(25, 23, 0).toISOString(), now)).toBe(clock(at(25, 23, 0)));
});
