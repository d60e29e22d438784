// Times for people, in the browser's locale and time zone.
import { plainLine } from './plain-names.ts';

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const shortDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const longDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const exact = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

/** `18:04` */
export function clockTime(iso: string): string {
  return clock.format(new Date(iso));
}

/** The full date and time, for a tooltip. */
export function fullTime(iso: string): string {
  return full.format(new Date(iso));
}

/** Short: the time today, the weekday this week, else the date. The time may be in the future. */
export function briefTime(iso: string, now = new Date()): string {
  const time = new Date(iso);
  const days = daysBetween(time, now);
  if (days === 0) return clock.format(time);
  if (Math.abs(days) === 1) return capitalised(relative.format(-days, 'day'));
  if (days > 0 && days < 7) return weekday.format(time);
  return time.getFullYear() === now.getFullYear() ? dayOfYear.format(time) : shortDate.format(time);
}

/** The day heading in a thread. */
export function dayHeading(iso: string, now = new Date()): string {
  const time = new Date(iso);
  const days = daysBetween(time, now);
  if (Math.abs(days) <= 1) return capitalised(relative.format(-days, 'day'));
  return time.getFullYear() === now.getFullYear() ? longDay.format(time) : longDate.format(time);
}

/** “14:02” today, “Yesterday, 14:02”, else the date with the time. */
export function sinceTime(iso: string, now = new Date()): string {
  const time = new Date(iso);
  return daysBetween(time, now) === 0 ? clock.format(time) : `${briefTime(iso, now)}, ${clock.format(time)}`;
}

/** With seconds: “14:02:07” today, else with the day. */
export function exactTime(iso: string, now = new Date()): string {
  const time = new Date(iso);
  return capitalised(withDay(time, exact.format(time), now));
}

/** Replaces the UTC times in a text from the cloud by local times. */
export function withLocalTimes(words: string, now = new Date()): string {
  return plainLine(words).replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/gu, (_, day: string, minute: string) => {
    const time = new Date(`${day}T${minute}Z`);
    return withDay(time, clock.format(time), now);
  });
}

/** “5 minutes”, in the largest unit that fits. */
export function howLongAgo(atMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000));
  const [unit, size] = units.find(([, least]) => seconds >= least) ?? (['second', 1] as const);
  return new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'long' }).format(
    Math.floor(seconds / size),
  );
}

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** A key that is equal for two times of the same local day. */
export function localDay(iso: string): string {
  const time = new Date(iso);
  return `${time.getFullYear()}-${time.getMonth()}-${time.getDate()}`;
}

/** The time alone if it is today; it may be in the future. */
function withDay(time: Date, clockTime: string, now: Date): string {
  const days = daysBetween(time, now);
  if (days === 0) return clockTime;
  const day = Math.abs(days) === 1 ? relative.format(-days, 'day') : shortDate.format(time);
  return `${day}, ${clockTime}`;
}

/** Calendar days from one local date to another; negative if `from` is later. */
function daysBetween(from: Date, to: Date): number {
  // Both at noon UTC of their local date, so that a 23-hour day (clock change) counts as a day.
  const noon = (time: Date) => Date.UTC(time.getFullYear(), time.getMonth(), time.getDate(), 12);
  return Math.round((noon(to) - noon(from)) / 86_400_000);
}

function capitalised(words: string): string {
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}
