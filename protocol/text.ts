// The characters that a message can carry: those of XML 1.0 (§2.2, Char), because phones get everything as XML. And those
// that must not be in one line: a line break in an address would inject a header into a mail line.

// With the u flag a lone surrogate is a code point of its own.
const uncarriable = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
const everyUncarriable = new RegExp(uncarriable, 'gu');

/** The first character that no message can carry, as `U+000B`; undefined if there is none. */
export function firstUncarriable(text: string): string | undefined {
  return nameOfFirst(uncarriable, text);
}

/** The text without the characters that no message can carry. */
export function carriable(text: string): string {
  return text.replace(everyUncarriable, '');
}

// C0 and C1 controls (CR, LF, TAB, NEL among them), DEL, LINE SEPARATOR and PARAGRAPH SEPARATOR.
const control = /[\p{Cc}\u2028\u2029]/u;
const everyControl = /[\p{Cc}\u2028\u2029]+/gu;

/** The first character that ends a line or controls a device, as `U+000D`; undefined if there is none. */
export function firstControl(text: string): string | undefined {
  return nameOfFirst(control, text);
}

/** The text on one line: each run of controls and line ends is a blank, and none is left at the ends. */
export function oneLine(text: string): string {
  return text.replace(everyControl, ' ').trim();
}

function nameOfFirst(characters: RegExp, text: string): string | undefined {
  const codePoint = characters.exec(text)?.[0].codePointAt(0);
  return codePoint === undefined ? undefined : `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
}
