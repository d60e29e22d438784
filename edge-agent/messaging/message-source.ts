// The source of one message while it comes in: bounded, whatever a device puts into it.
import { limits } from '../../protocol/limits.ts';
import { maxDocumentChars } from './document-tree.ts';

/** More of one text is not kept: beyond the longest body, so that the reader sees that it was too long. */
const longestText = limits.bodyChars + 64 * 1024;
/** More of one message is not kept; parsing it is synchronous. */
const longestSource = maxDocumentChars - 64 * 1024;

export class SourceCollector {
  readonly name: string;
  /** Plain names of the child elements of which something was left out. */
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

  /** Nothing more can be kept but what was left out is noted. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isTooLong(): boolean {
    return this.#text.length > longestSource;
  }

  slice(from: number, to?: number): string {
    return this.#text.slice(from, to);
  }

  /** Leaves out what was kept before this. */
  dropBefore(at: number): void {
    this.#text = this.#text.slice(at);
  }

  /** A piece of text with its length once it is decoded. */
  addText(source: string, chars: number, field: string): void {
    if (this.#isFull || this.#runChars > longestText) {
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

  /** Closes what is open, so that what was kept is read; all that follows in this message is left out. */
  fill(open: readonly string[]): void {
    if (this.#isInCdata) this.#text += ']]>';
    for (const name of open.toReversed()) this.#text += `</${name}>`;
    this.#isFull = true;
  }

  end(): string {
    return this.#isFull ? `${this.#text}</${this.name}>` : this.#text;
  }
}
