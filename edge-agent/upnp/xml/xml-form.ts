// Checks that a document is well-formed before a tree is built: XML 1.0 §2.1, §3.1. Requirements X4, X5, Z15.
import { UpnpError } from '../error.ts';

const maxDepth = 32;

// A comment, a CDATA section, an instruction, a closing tag (1), or an opening tag (2) with attributes (3) and its `/` (4).
const markup =
  /<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|\/([^\s<>/=]+)\s*>|([^\s<>/=!?]+)((?:\s+[^\s<>/=]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>)/sy;
const attribute = /([^\s=]+)\s*=\s*(?:"[^"]*"|'[^']*')/g;
const name = /^[\p{L}_][\p{L}\p{N}\p{M}_.:-]*$/u;
const plainName = /^[A-Za-z_][\w.:-]*$/;

/**
 * Checks a document in one pass, in linear time.
 * @throws UpnpError malformed: mismatched tags, not exactly one root, text outside it, a DOCTYPE or another declaration,
 *   a duplicate attribute, too deep, too many elements
 */
export function checkWellFormed(text: string, maxElements: number): void {
  const open: string[] = [];
  let elements = 0;
  let roots = 0;
  let from = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', from)) {
    if (open.length === 0 && hasText(text, from, at)) throw malformed('has text outside its root');
    markup.lastIndex = at;
    const match = markup.exec(text);
    if (match === null) throw malformed('has a tag that is none');
    from = markup.lastIndex;
    const [, closing, opening, attributes = '', slash] = match;
    if (closing !== undefined && open.pop() !== closing) throw malformed('has tags that do not match');
    if (opening === undefined) continue;
    checkName(opening);
    if (attributes !== '') checkAttributes(attributes);
    if (open.length === 0 && ++roots > 1) throw malformed('has more than one root');
    if (++elements > maxElements) throw malformed('has too many elements');
    if (open.length >= maxDepth) throw malformed('is too deep');
    if (slash === '') open.push(opening);
  }
  if (open.length > 0 || roots === 0 || hasText(text, from, text.length)) throw malformed('does not end with its root');
}

function hasText(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (text.charCodeAt(at) > 0x20) return true;
  return false;
}

function checkName(written: string): void {
  if (!plainName.test(written) && !name.test(written)) throw malformed('has a name that is none');
}

function checkAttributes(attributes: string): void {
  const seen = new Set<string>();
  for (const [, written = ''] of attributes.matchAll(attribute)) {
    checkName(written);
    if (seen.has(written)) throw malformed('has an attribute twice');
    seen.add(written);
  }
}

/** Refuses DOCTYPE and other declarations anywhere: the parser would accept them even inside the root (SOAP 1.1 §3). */
export function refuseDeclarations(text: string): void {
  let at = text.indexOf('<!');
  while (at >= 0) {
    const isComment = text.startsWith('<!--', at);
    if (!isComment && !text.startsWith('<![CDATA[', at)) throw malformed('holds a DOCTYPE');
    const end = isComment ? text.indexOf('-->', at + 4) : text.indexOf(']]>', at + 9);
    if (end < 0) throw malformed('holds a comment or CDATA section without end');
    at = text.indexOf('<!', end + 3);
  }
}

function malformed(what: string): UpnpError {
  return new UpnpError('malformed', `The XML document ${what}`);
}
