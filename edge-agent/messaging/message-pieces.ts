// A list too broken for a parser, cut where messages begin.
import { maxDocumentChars } from './document-tree.ts';

const opening = /<(?:[\w.-]{1,40}:)?message[\s>]/gi;
/** No opening tag's name is longer with its prefix. */
const longestOpening = 64;

/** A broken list cut before each message's opening tag, and after its closing one where that is there. */
export function piecesOf(xml: string): string[] {
  return xml
    .split(/(?=<(?:[\w.-]{1,40}:)?message[\s>])/i)
    .filter((piece) => /^<(?:[\w.-]{1,40}:)?message[\s>]/i.test(piece))
    .map((piece) => {
      const end = /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>/i.exec(piece);
      return end === null ? piece : piece.slice(0, end.index + end[0].length);
    });
}

/** The same without a last piece that has no end: half a message would be taken for another one. */
export function endedPieces(xml: string): string[] {
  const pieces = piecesOf(xml);
  return /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>$/i.test(pieces.at(-1) ?? '') ? pieces : pieces.slice(0, -1);
}

/** The same while it comes in. Of a message too long to keep, the start is given. */
export class PieceStream {
  readonly #give: (piece: string) => void;
  #held = '';

  constructor(give: (piece: string) => void) {
    this.#give = give;
  }

  write(text: string): void {
    const searchFrom = Math.max(0, this.#held.length - longestOpening);
    this.#held += text;
    const last = [...this.#held.slice(searchFrom).matchAll(opening)].at(-1);
    if (last !== undefined) {
      const at = searchFrom + last.index;
      for (const piece of piecesOf(this.#held.slice(0, at))) this.#give(piece);
      this.#held = this.#held.slice(at);
    } else if (this.#held.length > maxDocumentChars / 2) {
      for (const piece of piecesOf(this.#held)) this.#give(piece);
      this.#held = this.#held.slice(-longestOpening);
    }
  }

  end(): void {
    for (const piece of endedPieces(this.#held)) this.#give(piece);
    this.#held = '';
  }
}
