// Times as devices write them: ISO 8601 with or without zone and fraction, epoch seconds or milliseconds.

const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * A device's time as ISO 8601 UTC with milliseconds; undefined when it cannot be read.
 * A time without a zone is the household's own: the agent's local zone, for both stand in the same house.
 */
export function readTime(text: string): string | undefined {
  const given = text.trim();
  const ms = readEpoch(given) ?? Date.parse(expandBasicFormat(given));
  return ms >= 0 && ms <= latestMs ? new Date(ms).toISOString() : undefined;
}

/** Twelve digits and more are milliseconds: seconds would lie after the year 5000. */
function readEpoch(text: string): number | undefined {
  if (/^\d{12,15}$/.test(text)) return Number(text);
  if (/^\d{9,11}(\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1000);
  return undefined;
}

/** `20261122T193000Z` → `2026-11-22T19:30:00Z`, which Date.parse knows; a blank for the `T` likewise. */
function expandBasicFormat(text: string): string {
  const basic = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(.*)$/.exec(text);
  if (basic !== null) return `${basic[1]}-${basic[2]}-${basic[3]}T${basic[4]}:${basic[5]}:${basic[6]}${basic[7]}`;
  return /^\d{4}-\d\d-\d\d \d\d:/.test(text) ? text.replace(' ', 'T') : text;
}
