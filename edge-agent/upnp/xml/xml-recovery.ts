// The recovery ladder for XML that devices get wrong (X16, quirks 16–18, 32): each rung keeps what the one before did.
// A bare `&` (quirk 31) needs no rung: when references are read leniently it stands for itself.

/**
 * The document as it came, then with ever more repaired. The caller takes the first that parses.
 * @param root the local name of the expected root, which is where trailing garbage is cut off
 */
export function* recoveries(text: string, root?: string): Iterable<string> {
  yield text;
  const cut = cutToRoot(text, root);
  if (cut !== text) yield cut;
  // An argument may hold a whole document, with its declaration, un-escaped.
  const undeclared = cut.replace(/(?!^)<\?xml\b[^<>]*\?>/g, '');
  if (undeclared !== cut) yield undeclared;
}

/** From the first tag or declaration to the end of the last closing tag of the root. */
function cutToRoot(text: string, root: string | undefined): string {
  const start = Math.max(0, text.search(/<[?A-Za-z_]/));
  const name = root ?? /<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)/.exec(text.slice(start))?.[1];
  if (name === undefined) return text;
  const closing = /<\/(?:[\w.-]+:)?([A-Za-z_][\w.-]*)\s*>/g;
  let end = text.length;
  for (const match of text.matchAll(closing)) if (match[1] === name) end = match.index + match[0].length;
  return text.slice(start, end);
}
