// A device in a few plain words, from the User-Agent of its browser: for people to know their devices by.

/** In this order: Edge and Opera also say that they are Chrome, and Chrome also says that it is Safari. */
const programs: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|Chromium|HeadlessChrome)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
/** Android also says that it is Linux, and an iPhone that it is like Mac OS X. */
const systems: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'Mac'],
  [/\bLinux\b/, 'Linux'],
];

/** “Firefox on Linux”; a program that is no browser by its own name. */
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
