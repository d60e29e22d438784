// Collects the source of one message from the stream, within caps.
import { limits } from '../../protocol/limits.ts';
import { maxDocumentChars } from './document-tree.ts';

/** Cap for one text: more than the longest body, so that the reader sees that it was too long. */
const maxTextChars = limits.bodyChars + 64 * 1024;
/** Cap for one message; parsing it is synchronous. */
const maxSourceChars = maxDocumentChars - 64 * 1024;

export class SourceCollector {
  readonly name: string;
  /** Plain names of the child elements that were truncated. */
  readonly cut = new Set<string>();
  #text = '';
  #runChars = 0;
  #isInCdata = false;
  #hasLostCdataEnd = false;
  #isFull = false;

  constructor(name: string) {
    this.name = name;
  }

  get length(): number {
    return this.#text.length;
  }

  /** Full: further content is dropped, but noted in `cut`. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isTooLong(): boolean {
    return this.#text.length > maxSourceChars;
  }

  slice(from: number, to?: number): string {
    return this.#text.slice(from, to);
  }

  /** Drops the source before this position. */
  dropBefore(at: number): void {
    this.#text = this.#text.slice(at);
  }

  /** Adds a piece of text; `chars` is its decoded length. */
  addText(source: string, chars: number, field: string): void {
    if (this.#isFull || this.#runChars > maxTextChars) {
      this.cut.add(field);
      this.#hasLostCdataEnd = this.#isInCdata;
    } else this.#text += source;
    this.#runChars += chars;
  }

  addMarkup(source: string, field: string): void {
    this.#runChars = 0;
    if (this.#isFull) this.cut.add(field);
    else this.#text += source;
  }

  setCdata(isOpen: boolean, source: string, field: string): void {
    if (isOpen) this.addMarkup(source, field);
    else if (!this.#isFull) this.#text += this.#hasLostCdataEnd ? ']]>' : source;
    this.#isInCdata = isOpen;
    this.#hasLostCdataEnd = false;
  }

  /** Closes the open elements, so that the kept part is parseable; the rest of this message is dropped. */
  fill(open: readonly string[]): void {
    if (this.#isInCdata) this.#text += ']]>';
    for (const name of open.toReversed()) this.#text += `</${name}>`;
    this.#isFull = true;
  }

  end(): string {
    return this.#isFull ? `${this.#text}</${this.name}>` : this.#text;
  }
}
