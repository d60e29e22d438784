// Splits the text of a message into plain text and web addresses. Only http and https ever become a link.

export type Piece = { kind: 'text'; text: string } | { kind: 'link'; text: string };

// Bidirectional controls end an address: inside one they could make it read as another.
const address = /https?:\/\/[^\s<>"“”«»\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;
const closers: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** The pieces in order; joined they are the text again. */
export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(address)) {
    const link = trimAddress(match[0]);
    if (!URL.canParse(link)) continue;
    if (match.index > from) pieces.push({ kind: 'text', text: text.slice(from, match.index) });
    pieces.push({ kind: 'link', text: link });
    from = match.index + link.length;
  }
  if (from < text.length) pieces.push({ kind: 'text', text: text.slice(from) });
  return pieces;
}

/** Leaves the sentence's own punctuation outside, but keeps a closing bracket that was opened inside. */
function trimAddress(found: string): string {
  let link = found;
  for (;;) {
    const last = link.at(-1) ?? '';
    const opener = closers[last];
    const unbalanced = opener !== undefined && link.split(last).length > link.split(opener).length;
    if (!unbalanced && !/[.,;:!?'’…]/u.test(last)) return link;
    link = link.slice(0, -1);
  }
}
