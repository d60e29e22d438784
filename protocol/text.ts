// Which characters a message can carry: those of XML 1.0 (§2.2, Char), for phones are told everything in XML.

// With the u flag a lone surrogate is a code point of its own.
const uncarriable = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
const everyUncarriable = new RegExp(uncarriable, 'gu');

/** The first character that no message can carry, as `U+000B`; undefined where the text is whole. */
export function firstUncarriable(text: string): string | undefined {
  const codePoint = uncarriable.exec(text)?.[0].codePointAt(0);
  return codePoint === undefined ? undefined : `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The text without what no message can carry. */
export function carriable(text: string): string {
  return text.replace(everyUncarriable, '');
}
