// XML characters: which are allowed, escaping and decoding (XML 1.0 §2.2, §2.11, §4.1).
import { UpnpError } from '../error.ts';

// Everything outside the Char production; with the u flag a lone surrogate is a code point of its own.
const notAChar = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
// Fast, because it lacks the u flag; text without a match is clean.
const suspicious = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/;
const needsCare = /[^\t\n\x20-\x25\x27-\x3b\x3d\x3f-\x7e\xa0-\ud7ff\ue000-\ufffd]/;
const named: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Whether every character is legal in XML 1.0. */
export function isXmlText(text: string): boolean {
  return !suspicious.test(text) || text.search(notAChar) < 0;
}

/** Removes characters that XML cannot hold; a lone surrogate becomes U+FFFD. */
export function cleanText(text: string): string {
  return !suspicious.test(text)
    ? text
    : text.replace(notAChar, (char) => (char >= '\ud800' && char <= '\udfff' ? '\ufffd' : ''));
}

/**
 * Escapes text as element content. Only `&`, `<` and `>`, because devices fail on `&quot;` (C6); CR becomes `&#13;`, which
 * survives line-end normalisation (X7).
 */
export function escapeText(text: string): string {
  if (!needsCare.test(text)) return text;
  return cleanText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

/** Escapes text as an attribute value in double quotes. */
export function escapeAttribute(text: string): string {
  return escapeText(text).replaceAll('"', '&quot;').replaceAll('\t', '&#9;').replaceAll('\n', '&#10;');
}

/**
 * Decodes character and predefined entity references, once (C12).
 * @param lenient keeps text that is not a reference, and drops references to illegal characters
 * @throws UpnpError malformed, unless lenient
 */
export function decodeReferences(text: string, lenient: boolean): string {
  let at = text.indexOf('&');
  if (at < 0) return text;
  let decoded = '';
  let from = 0;
  let end = -1;
  for (; at >= 0; at = text.indexOf('&', at + 1)) {
    // Search again only once passed: searching for each ampersand would be quadratic.
    if (end <= at) end = text.indexOf(';', at);
    if (end < 0) end = Number.POSITIVE_INFINITY;
    const reference = end - at <= maxReferenceChars ? text.slice(at + 1, end) : '';
    const char = named.get(reference) ?? numbered(reference);
    if (char === undefined && !lenient)
      throw new UpnpError('malformed', 'XML holds a reference that stands for no character');
    if (char === undefined && !isNumeric.test(reference)) continue;
    decoded += text.slice(from, at) + (char ?? '');
    from = end + 1;
  }
  return decoded + text.slice(from);
}

const maxReferenceChars = 12;
const isNumeric = /^#(?:x[0-9a-fA-F]{1,8}|[0-9]{1,10})$/;

function numbered(reference: string): string | undefined {
  if (!reference.startsWith('#') || !isNumeric.test(reference)) return undefined;
  return fromCodePoint(reference[1] === 'x' ? Number.parseInt(reference.slice(2), 16) : Number(reference.slice(1)));
}

function fromCodePoint(code: number): string | undefined {
  if (!(code <= 0x10ffff)) return undefined;
  const char = String.fromCodePoint(code);
  return isXmlText(char) ? char : undefined;
}

/** The charset in a Content-Type header. */
export function charsetOf(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType ?? '')?.[1];
}
