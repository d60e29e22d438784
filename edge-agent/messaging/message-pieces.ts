// Splits a list that is too broken for a parser where messages begin.
import { maxDocumentChars } from './document-tree.ts';

const opening = /<(?:[\w.-]{1,40}:)?message[\s>]/gi;
/** No opening tag with its prefix is longer. */
const maxTagChars = 64;

/** Splits before each message's opening tag, and ends each piece after its closing tag if there is one. */
export function piecesOf(xml: string): string[] {
  return xml
    .split(/(?=<(?:[\w.-]{1,40}:)?message[\s>])/i)
    .filter((piece) => /^<(?:[\w.-]{1,40}:)?message[\s>]/i.test(piece))
    .map((piece) => {
      const end = /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>/i.exec(piece);
      return end === null ? piece : piece.slice(0, end.index + end[0].length);
    });
}

/** The same without an unfinished last piece: half a message would count as another message. */
export function endedPieces(xml: string): string[] {
  const pieces = piecesOf(xml);
  return /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>$/i.test(pieces.at(-1) ?? '') ? pieces : pieces.slice(0, -1);
}

/** The same for a stream. Of a message too long to keep, the start is emitted. */
export class PieceStream {
  readonly #emit: (piece: string) => void;
  #held = '';

  constructor(emit: (piece: string) => void) {
    this.#emit = emit;
  }

  write(text: string): void {
    const searchFrom = Math.max(0, this.#held.length - maxTagChars);
    this.#held += text;
    const last = [...this.#held.slice(searchFrom).matchAll(opening)].at(-1);
    if (last !== undefined) {
      const at = searchFrom + last.index;
      for (const piece of piecesOf(this.#held.slice(0, at))) this.#emit(piece);
      this.#held = this.#held.slice(at);
    } else if (this.#held.length > maxDocumentChars / 2) {
      for (const piece of piecesOf(this.#held)) this.#emit(piece);
      this.#held = this.#held.slice(-maxTagChars);
    }
  }

  end(): void {
    for (const piece of endedPieces(this.#held)) this.#emit(piece);
    this.#held = '';
  }
}
