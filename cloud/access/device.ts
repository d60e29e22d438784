// A short description of a device from its User-Agent, so that people recognise their devices.

/** Order matters: Edge and Opera also claim to be Chrome, and Chrome claims to be Safari. */
const programs: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|Chromium|HeadlessChrome)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
/** Order matters: Android also claims Linux, and an iPhone claims Mac OS X. */
const systems: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'Mac'],
  [/\bLinux\b/, 'Linux'],
];

/** “Firefox on Linux”; for other programs their own name. */
export function deviceOf(userAgent: string | undefined): string {
  const text = userAgent?.slice(0, 512) ?? '';
  const find = (among: typeof programs) => among.find(([pattern]) => pattern.test(text))?.[1];
  const system = find(systems);
  const program = find(programs) ?? /^[\w.-]{1,40}(?=\/|$)/.exec(text)?.[0];
  if (program === undefined || program === 'Mozilla') {
    return system === undefined ? 'Unknown device' : `A browser on ${system}`;
  }
  return system === undefined ? program : `${program} on ${system}`;
}
