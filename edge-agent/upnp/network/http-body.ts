// The body of an HTTP message as it comes in, of bounded length. Requirements H24, X17, Z20.

export class HttpBody {
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the piece still fits; what does not is not kept. */
  add(piece: Buffer): boolean {
    const length = this.#length + piece.length;
    if (length > this.#maxBytes) return false;
    if (this.#length === 0) {
      // Most bodies come in one piece, which need not be copied.
      this.#held = piece;
    } else {
      // Not a list of pieces: a sender that writes byte by byte would make of half a megabyte several hundred.
      if (length > this.#held.length) {
        const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, length * 2));
        this.#held.copy(grown, 0, 0, this.#length);
        this.#held = grown;
      }
      piece.copy(this.#held, this.#length);
    }
    this.#length = length;
    return true;
  }

  get bytes(): Buffer {
    return this.#held.subarray(0, this.#length);
  }
}
