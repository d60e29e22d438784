// Times as devices write them: ISO 8601, GSM (3GPP TS 27.005), e-mail (RFC 5322), epoch seconds or milliseconds.
// Not Date.parse: it rolls 30 February over into March and reads `1` as the year 2001.

const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
/** March 1973: a smaller number is a counter or a placeholder, not a time. */
const earliestEpochSeconds = 1e8;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** The zones furthest from UTC are at UTC+14. */
const maxZoneMinutes = 14 * 60;

/**
 * A device's time as ISO 8601 UTC with milliseconds; undefined when unreadable or not in the calendar. A time without a
 * zone is in the agent's local zone, because phone and agent are in the same home.
 */
export function readTime(text: string): string | undefined {
  const given = text.trim().replace(/^"(.*)"$/, '$1');
  // The longest format is JavaScript's own with the name of its zone.
  if (given.length > 80) return undefined;
  const ms = readIso(given) ?? readGsm(given) ?? readNamedMonth(given) ?? readDigits(given);
  return ms !== undefined && ms >= 0 && ms <= latestMs ? new Date(ms).toISOString() : undefined;
}

interface Clock {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour?: number;
  readonly minute?: number;
  readonly second?: number;
  readonly millis?: number;
  /** Minutes east of UTC; undefined: the local zone. */
  readonly zone: number | undefined;
}

/** Epoch milliseconds; undefined for a day or time that does not exist. */
function toMs(clock: Clock): number | undefined {
  const { year, month, day, hour = 0, minute = 0, second = 0, millis = 0, zone } = clock;
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month))) return undefined;
  // ISO 8601: 24:00 is the end of the day; a leap second is read as the first second of the next hour.
  const isEndOfDay = hour === 24 && minute === 0 && second === 0 && millis === 0;
  if ((hour > 23 && !isEndOfDay) || minute > 59 || second > (minute === 59 ? 60 : 59)) return undefined;
  if (zone !== undefined && Math.abs(zone) > maxZoneMinutes) return undefined;
  if (zone === undefined) return localDate(year, month, day).setHours(hour, minute, second, millis);
  const midnightMs = Date.UTC(2000, 0, 1) + daysSince2000(year, month, day) * dayMs;
  return midnightMs + ((hour * 60 + minute - zone) * 60 + second) * 1000 + millis;
}

function localDate(year: number, month: number, day: number): Date {
  const date = new Date(2000, 0, 1);
  // The constructor would read years below 100 as 20th century.
  date.setFullYear(year, month - 1, day);
  return date;
}

function daysSince2000(year: number, month: number, day: number): number {
  const date = new Date(Date.UTC(2000, 0, 1));
  return (date.setUTCFullYear(year, month - 1, day) - Date.UTC(2000, 0, 1)) / dayMs;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

const zonePattern = '\\s?(?<zone>Z|UTC|[+-]\\d\\d(?::?\\d\\d)?)?';
// `/` for `-` and a blank for `T` are frequent; the year comes first, so day and month cannot be confused.
const iso = new RegExp(
  `^(?<year>\\d{4})(?<dash>[-/])(?<month>\\d\\d)\\k<dash>(?<day>\\d\\d)` +
    `(?:(?:T| )(?<hour>\\d\\d):(?<minute>\\d\\d)(?::(?<second>\\d\\d)(?:[.,](?<fraction>\\d{1,9}))?)?${zonePattern})?$`,
  'i',
);
const isoBasic = new RegExp(
  '^(?<year>\\d{4})(?<month>\\d\\d)(?<day>\\d\\d)' +
    `T(?<hour>\\d\\d)(?<minute>\\d\\d)(?:(?<second>\\d\\d)(?:[.,](?<fraction>\\d{1,9}))?)?${zonePattern}$`,
  'i',
);

function readIso(text: string): number | undefined {
  const groups = (iso.exec(text) ?? isoBasic.exec(text))?.groups;
  return groups === undefined ? undefined : toMs({ ...numbersOf(groups), zone: zoneOf(groups.zone) });
}

/** `26/11/28,08:00:00+04`: the zone is in quarter hours (3GPP TS 23.040 §9.2.3.11); years from 70 on are 19xx. */
function readGsm(text: string): number | undefined {
  const match =
    /^(?<year>\d\d(?:\d\d)?)\/(?<month>\d\d)\/(?<day>\d\d),\s?(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?<quarters>[+-]\d{1,2})?$/.exec(
      text,
    );
  if (match?.groups === undefined) return undefined;
  const numbers = numbersOf(match.groups);
  const { quarters } = match.groups;
  const century = numbers.year >= 100 ? 0 : numbers.year >= 70 ? 1900 : 2000;
  const zone = quarters === undefined ? undefined : Number(quarters) * 15;
  return toMs({ ...numbers, year: numbers.year + century, zone });
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const clockPattern = '(?<hour>\\d{1,2}):(?<minute>\\d\\d)(?::(?<second>\\d\\d))?(?:\\s?(?<half>[AP]M))?';
const namedZone = '(?:\\s(?:GMT|UTC)?(?<zone>Z|GMT|UTC|UT|[+-]\\d{4})?(?:\\s\\([^()]{0,40}\\))?)?';
const weekday = '(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\\s)?';
const namedMonths = [
  // RFC 5322: `Sat, 28 Nov 2026 08:00:00 +0100`
  new RegExp(
    `^${weekday}(?<day>\\d{1,2})[\\s-](?<name>[a-z]{3})[a-z]{0,6}[\\s-](?<year>\\d{4})(?:,?\\s${clockPattern}${namedZone})?$`,
    'i',
  ),
  // JavaScript and America: `Sat Nov 28 2026 08:00:00 GMT+0100`, `Nov 28, 2026 8:00 AM`
  new RegExp(
    `^${weekday}(?<name>[a-z]{3})[a-z]{0,6}\\s(?<day>\\d{1,2}),?\\s(?<year>\\d{4})(?:,?\\s${clockPattern}${namedZone})?$`,
    'i',
  ),
  // C: `Sat Nov 28 08:00:00 2026`
  new RegExp(
    `^${weekday}(?<name>[a-z]{3})\\s{1,2}(?<day>\\d{1,2})\\s${clockPattern}${namedZone}\\s(?<year>\\d{4})$`,
    'i',
  ),
];

function readNamedMonth(text: string): number | undefined {
  const groups = namedMonths.map((pattern) => pattern.exec(text)).find((match) => match !== null)?.groups;
  if (groups === undefined) return undefined;
  const numbers = numbersOf(groups);
  const month = months.indexOf((groups.name ?? '').toLowerCase()) + 1;
  const half = groups.half?.toUpperCase();
  if (half !== undefined && !(numbers.hour >= 1 && numbers.hour <= 12)) return undefined;
  const hour = half === undefined ? numbers.hour : (numbers.hour % 12) + (half === 'PM' ? 12 : 0);
  return toMs({ ...numbers, hour, month, zone: zoneOf(groups.zone) });
}

/**
 * Digits alone. Epoch seconds have 9 to 11 and milliseconds 12 or 13, since 1973. `20261128`, `202611280800` and
 * `20261128080000` are dates: as milliseconds the first would be minutes after 1970 and the second a day of 1976.
 */
function readDigits(text: string): number | undefined {
  const date =
    /^(?<year>(?:19|20)\d\d)(?<month>\d\d)(?<day>\d\d)(?:(?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)?)?$/.exec(text);
  const ms = date?.groups === undefined ? undefined : toMs({ ...numbersOf(date.groups), zone: undefined });
  // Ten digits are seconds: `2026112808` is no form in use.
  if (ms !== undefined) return ms;
  if (/^\d{12,13}$/.test(text)) return Number(text) >= earliestEpochSeconds * 1000 ? Number(text) : undefined;
  if (!/^\d{9,11}(\.\d{1,9})?$/.test(text)) return undefined;
  return Number(text) >= earliestEpochSeconds ? Math.round(Number(text) * 1000) : undefined;
}

/** Minutes east of UTC; `+01`, `+0100`, `+01:00` and the names of UTC. */
function zoneOf(zone: string | undefined): number | undefined {
  if (zone === undefined) return undefined;
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  if (match === null) return 0;
  const minutes = Number(match[3] ?? 0);
  // Out of any zone's range, so that the time is refused.
  if (minutes > 59) return Number.POSITIVE_INFINITY;
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + minutes);
}

function numbersOf(groups: Readonly<Record<string, string | undefined>>) {
  const { year, month, day, hour, minute, second, fraction } = groups;
  return {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    millis: Number((fraction ?? '').padEnd(3, '0').slice(0, 3)),
  };
}
