// An incoming HTTP body of bounded length. Requirements H24, X17, Z20.

export class HttpBody {
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Appends a piece; false, and nothing is kept, when it exceeds the cap. */
  add(piece: Buffer): boolean {
    const length = this.#length + piece.length;
    if (length > this.#maxBytes) return false;
    if (this.#length === 0) {
      // Most bodies come in one piece, which needs no copy.
      this.#held = piece;
    } else {
      // One growing buffer, not a list: a sender that writes byte by byte would turn 512 KiB into several hundred MiB of objects.
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
