// Splits a message's text into plain text and web addresses. Only http and https become links.

export type Piece = { kind: 'text'; text: string } | { kind: 'link'; text: string };

// Bidirectional controls end an address: inside one they could make it look like another.
const address = /https?:\/\/[^\s<>"“”«»\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;
const openers: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
const punctuation = new Set(".,;:!?'’…");

/** About what browsers and servers accept; a longer address is an attack or a mistake and stays text. */
const longestLink = 2_048;
/** Each link is a DOM element: a message of 256 K characters could hold 20,000 of them. */
const mostLinks = 200;

/** The pieces in order; joined they are the text. Linear time. */
export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  let links = 0;
  for (const match of text.matchAll(address)) {
    if (match[0].length > longestLink) continue;
    const link = trimAddress(match[0]);
    if (!URL.canParse(link)) continue;
    if (match.index > from) pieces.push({ kind: 'text', text: text.slice(from, match.index) });
    pieces.push({ kind: 'link', text: link });
    from = match.index + link.length;
    if (++links === mostLinks) break;
  }
  if (from < text.length) pieces.push({ kind: 'text', text: text.slice(from) });
  return pieces;
}

/** Excludes trailing punctuation, but keeps a closing bracket that was opened inside. */
function trimAddress(found: string): string {
  // Counted incrementally: counting at each step took 15 s for 200,000 closing brackets.
  const counts = new Map<string, number>();
  for (const character of found) counts.set(character, (counts.get(character) ?? 0) + 1);
  const countOf = (character: string) => counts.get(character) ?? 0;
  let end = found.length;
  for (; end > 0; end--) {
    const last = found.charAt(end - 1);
    const opener = openers[last];
    const isUnbalanced = opener !== undefined && countOf(last) > countOf(opener);
    if (!isUnbalanced && !punctuation.has(last)) break;
    counts.set(last, countOf(last) - 1);
  }
  return found.slice(0, end);
}
