// Decodes bytes to text, whole or as a stream (XML 1.0 appendix F). Requirement X6.
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';

/** An XML declaration with its encoding ends within this. */
const declarationBytes = 256;
/** Text without markup is decoded in parts of this length, so that endless text is not buffered. */
const maxRunBytes = 64 * 1024;
const [lessThan, greaterThan, ampersand] = [0x3c, 0x3e, 0x26];

/**
 * Picks the encoding: byte order mark first, then UTF-16 without one, else UTF-8 wherever it is valid, because devices
 * mislabel it. Each run between two markup characters is judged alone, so that one invalid byte does not garble other
 * messages: a run without multi-byte characters is decoded by the label or as Windows-1252; in other runs invalid bytes
 * become U+FFFD. A multi-byte label (GBK, Shift_JIS) applies from the first run on that is not valid UTF-8.
 */
export class ByteText {
  readonly #charset: string | undefined;
  #held: Buffer = Buffer.alloc(0);
  #hasBegun = false;
  /** A multi-byte UTF-8 character has been seen. */
  #isUtf8 = false;
  #label: TextDecoder | undefined;
  /** Decodes everything that follows. */
  #decoder: TextDecoder | undefined;

  /** @param charset from the Content-Type header */
  constructor(charset?: string) {
    this.#charset = charset;
  }

  /** Returns the text that is already certain; later bytes may decide the rest. */
  write(piece: Uint8Array): string {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (!this.#hasBegun && this.#held.length < declarationBytes) return '';
    return this.#decodeHeld(this.#certainBytes());
  }

  end(): string {
    return this.#decodeHeld(this.#held.length) + (this.#decoder?.decode() ?? '');
  }

  #decodeHeld(length: number): string {
    const bytes = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    const start = this.#begin(bytes);
    return this.#decode(bytes.subarray(start));
  }

  /** The length up to the last markup character, or up to the last whole character of a long run. */
  #certainBytes(): number {
    const held = this.#held;
    const markup = Math.max(held.lastIndexOf(lessThan), held.lastIndexOf(ampersand), held.lastIndexOf(greaterThan));
    if (held.length - markup <= maxRunBytes) return Math.max(0, markup);
    let end = held.length;
    for (let tail = 0; tail < 3 && ((held[end - 1] ?? 0) & 0xc0) === 0x80; tail++) end--;
    return (held[end - 1] ?? 0) >= 0xc0 ? end - 1 : held.length;
  }

  /** Chooses the decoder by the first bytes; returns the length of the byte order mark. */
  #begin(bytes: Buffer): number {
    if (this.#hasBegun) return 0;
    this.#hasBegun = true;
    const [first, second, third] = bytes;
    if ((first === 0xfe && second === 0xff) || (first === 0 && second === lessThan)) {
      this.#decoder = new TextDecoder('utf-16be');
    } else if ((first === 0xff && second === 0xfe) || (first === lessThan && second === 0)) {
      this.#decoder = new TextDecoder('utf-16le');
    } else if (first === 0xef && second === 0xbb && third === 0xbf) return 3;
    else this.#label = decoderOf(this.#charset) ?? decoderOf(declaredEncoding(bytes));
    return 0;
  }

  #decode(bytes: Buffer): string {
    if (this.#decoder !== undefined) return this.#decoder.decode(bytes, { stream: true });
    if (isUtf8(bytes)) {
      const text = bytes.toString('utf8');
      this.#isUtf8 ||= text.length < bytes.length;
      return text;
    }
    if (this.#label !== undefined && !isSingleByte(this.#label)) {
      this.#decoder = this.#label;
      return this.#decoder.decode(bytes, { stream: true });
    }
    let text = '';
    let from = 0;
    for (let at = 0; at <= bytes.length; at++) {
      const byte = bytes[at];
      if (byte !== undefined && byte !== lessThan && byte !== greaterThan && byte !== ampersand) continue;
      text += this.#decodeRun(bytes.subarray(from, at));
      from = at;
    }
    return text;
  }

  #decodeRun(run: Buffer): string {
    if (isUtf8(run)) return run.toString('utf8');
    const text = run.toString('utf8');
    // A 3- or 4-byte character cut short, in a document that is otherwise UTF-8.
    const isCut =
      this.#isUtf8 && /(?:[\xe1-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})$/.test(run.toString('latin1'));
    if (isCut || /[^\0-\x7f\ufffd]/.test(text)) return text;
    return (this.#label ?? windows1252).decode(run);
  }
}

/** Decodes a whole document by the same rules. */
export function decodeBytes(bytes: Uint8Array, charset?: string): string {
  const text = new ByteText(charset);
  return text.write(bytes) + text.end();
}

const windows1252 = new TextDecoder('windows-1252');

function isSingleByte({ encoding }: TextDecoder): boolean {
  return /^(?:windows-125\d|windows-874|iso-8859-|koi8-|ibm866|macintosh|x-mac-)/.test(encoding);
}

function declaredEncoding(bytes: Buffer): string | undefined {
  const start = bytes.subarray(0, declarationBytes).toString('latin1');
  return /<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]{1,40})["']/.exec(start)?.[1];
}

/** Undefined for an unknown label, and for UTF-8: invalid UTF-8 is judged as if unlabelled. */
function decoderOf(label: string | undefined): TextDecoder | undefined {
  try {
    const decoder = label === undefined ? undefined : new TextDecoder(label);
    return decoder?.encoding === 'utf-8' ? undefined : decoder;
  } catch {
    return undefined;
  }
}
