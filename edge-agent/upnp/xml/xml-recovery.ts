// Repairs for XML that devices get wrong, in steps that build on each other (X16, quirks 16–18, 32).
// A bare `&` (quirk 31) needs no step: lenient decoding of references keeps it.

/**
 * The document as received, then with more and more repaired. The caller takes the first that parses.
 * @param root the local name of the expected root; garbage after its end is cut off
 */
export function* recoveries(text: string, root?: string): Iterable<string> {
  yield text;
  const cut = cutToRoot(text, root);
  if (cut !== text) yield cut;
  // An argument may contain an unescaped document with its XML declaration.
  const undeclared = cut.replace(/(?!^)<\?xml\b[^<>]*\?>/g, '');
  if (undeclared !== cut) yield undeclared;
}

/** From the first tag or declaration to the last closing tag of the root. */
function cutToRoot(text: string, root: string | undefined): string {
  const start = Math.max(0, text.search(/<[?A-Za-z_]/));
  const name = root ?? /<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)/.exec(text.slice(start))?.[1];
  if (name === undefined) return text;
  const closing = /<\/(?:[\w.-]+:)?([A-Za-z_][\w.-]*)\s*>/g;
  let end = text.length;
  for (const match of text.matchAll(closing)) if (match[1] === name) end = match.index + match[0].length;
  return text.slice(start, end);
}
