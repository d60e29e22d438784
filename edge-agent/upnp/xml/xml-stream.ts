// One pass over XML that is still coming in, in constant memory: sax finds the markup, broken or not. Requirements X16, X17, Z15.
import sax from 'sax';
import { UpnpError } from '../error.ts';
import { cleanText } from './xml-text.ts';

/** Positions count UTF-16 units of the source; an end is the position after the last one. */
export interface XmlEvents {
  onOpen(name: string, attributes: Readonly<Record<string, string>>, start: number, end: number): void;
  /** `isWritten`: by a closing tag of its own; otherwise that of an outer element ended it, before `start`. */
  onClose(name: string, isWritten: boolean, start: number, end: number): void;
  /** Text or a piece of it, references decoded once, CDATA included. */
  onText(text: string, end: number): void;
  onCdata?(isOpen: boolean, end: number): void;
  /** A DOCTYPE or another declaration; refused where this is not there or answers false. */
  onDeclaration?(): boolean;
  /** Something that is not well-formed and was read on from. */
  onFault?(): void;
}

/** No tag, comment or reference is longer; what follows is not read. */
const longestToken = 512 * 1024;
const deepest = 128;
/** A closing tag that fits nowhere has one for each open element. */
const mostFaults = 10_000;
/** Stands for an ampersand that begins no reference, or the parser would swallow a `<` after it. XML has no such character. */
const bareAmpersand = '\u0001';
const bareAmpersands = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,10}|#x[\da-fA-F]{1,8});)/g;
const longestReference = 12;
const root = '<_>';
const noAttributes: Readonly<Record<string, string>> = {};

/** What the types of sax do not tell. */
const library = sax as unknown as {
  MAX_BUFFER_LENGTH: number;
  readonly STATE: Readonly<Record<string, number>>;
  parser(strict: true, options: { strictEntities: true }): sax.SAXParser & { readonly state: number };
};
// Text is flushed after each piece of input, so this bounds all other tokens.
library.MAX_BUFFER_LENGTH = longestToken;

const textStates: ReadonlySet<number | undefined> = new Set(
  ['BEGIN', 'BEGIN_WHITESPACE', 'TEXT', 'TEXT_ENTITY', 'CDATA', 'CDATA_ENDING', 'CDATA_ENDING_2'].map(
    (name) => library.STATE[name],
  ),
);

export class XmlStream {
  readonly #events: XmlEvents;
  readonly #parser = library.parser(true, { strictEntities: true });
  #source = '';
  #sourceStart = 0;
  #keptFrom = Number.POSITIVE_INFINITY;
  #position = 0;
  /** How much of the source was text that the parser was not given. */
  #passed = 0;
  /** The end of a piece that may be half a reference or half a character. */
  #rest = '';
  /** Elements that the closing tag at hand ends although it is not theirs. */
  #implied = 0;
  #depth = 0;
  #faults = 0;
  #failure: UpnpError | undefined;

  constructor(events: XmlEvents) {
    this.#events = events;
    // A root of our own: there may be junk around the document's, or several.
    this.#parser.write(root);
    this.#listen();
  }

  /** The source from here on stays available by `slice`. */
  keepFrom(position: number): void {
    this.#keptFrom = position;
  }

  keepNothing(): void {
    this.#keptFrom = Number.POSITIVE_INFINITY;
  }

  slice(from: number, to: number): string {
    return this.#source.slice(from - this.#sourceStart, to - this.#sourceStart);
  }

  /** Up to here the source is text, or markup that has ended. */
  get settled(): number {
    return this.#isInMarkup ? this.#tagStart : this.#here;
  }

  /**
   * The events of a piece of some kilobytes happen while it is written.
   * @throws UpnpError malformed for a declaration, a token or a depth without end; what was told before stays true
   */
  write(text: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    const given = this.#rest + text;
    const at = given.lastIndexOf('&');
    const isOpen = at >= 0 && given.length - at <= longestReference && !given.includes(';', at);
    const end = isOpen ? at : /[\ud800-\udbff]$/.test(given) ? given.length - 1 : given.length;
    this.#rest = given.slice(end);
    this.#feed(cleanText(given.slice(0, end)));
  }

  /** Nothing more comes. Answers whether every element was closed and every tag finished. */
  end(): boolean {
    if (this.#failure !== undefined) return false;
    try {
      this.#feed(cleanText(this.#rest));
    } catch (error) {
      if (error === this.#failure) return false;
      throw error;
    }
    return this.#depth === 0 && !this.#isInMarkup;
  }

  /** The source from a position that was kept up to what was written last. */
  sliceFrom(from: number): string {
    return this.slice(from, this.#position);
  }

  #feed(source: string): void {
    if (source === '') return;
    const from = Math.min(this.#keptFrom, this.settled);
    this.#source = this.#source.slice(from - this.#sourceStart) + source;
    this.#sourceStart = from;
    this.#position += source.length;
    if (this.#isPlainText(source)) {
      // A list that stands escaped in its envelope is one long text, and the parser goes character by character.
      this.#passed += source.length;
      this.#events.onText(withoutReferences(source), this.#position);
      return;
    }
    const { stackTraceLimit } = Error;
    // The parser makes an error of each fault; without its stack that costs a tenth.
    Error.stackTraceLimit = 0;
    try {
      this.#parser.write(source.replace(bareAmpersands, bareAmpersand));
      this.#parser.flush();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    if (this.#isInMarkup && this.#position - this.#tagStart > longestToken) this.#fail('has a tag without end');
  }

  #isPlainText(source: string): boolean {
    return this.#parser.state === library.STATE.TEXT && !source.includes('<') && !source.includes('&#');
  }

  get #here(): number {
    return this.#parser.position - root.length + this.#passed;
  }

  get #tagStart(): number {
    return this.#parser.startTagPosition - 1 - root.length + this.#passed;
  }

  get #isInMarkup(): boolean {
    return !textStates.has(this.#parser.state);
  }

  #listen(): void {
    const parser = this.#parser;
    const events = this.#events;
    parser.onopentag = (tag) => {
      if (++this.#depth > deepest) this.#fail('is too deep');
      const given = Object.entries(tag.attributes);
      const attributes =
        given.length === 0
          ? noAttributes
          : Object.fromEntries(given.map(([name, value]) => [name, withAmpersands(String(value))]));
      events.onOpen(tag.name, attributes, this.#tagStart, this.#here);
    };
    parser.onclosetag = (name) => {
      this.#depth--;
      const isWritten = this.#implied === 0;
      if (!isWritten) this.#implied--;
      const start = parser.tag?.isSelfClosing === true ? this.#here : this.#tagStart;
      events.onClose(name, isWritten, start, this.#here);
    };
    parser.ontext = (text) => this.#tell(text);
    parser.oncdata = (text) => this.#tell(text);
    parser.onopencdata = () => events.onCdata?.(true, this.#here);
    parser.onclosecdata = () => events.onCdata?.(false, this.#here);
    parser.ondoctype = () => this.#onDeclaration();
    parser.onsgmldeclaration = () => this.#onDeclaration();
    parser.onerror = (error) => {
      parser.resume();
      const { message } = error;
      if (message.startsWith('Max buffer')) this.#fail('has a token without end');
      if (message.startsWith('Unexpected close tag')) this.#implied++;
      if (message.startsWith('Unmatched closing tag')) this.#implied = 0;
      // A reference to no character and hyphens in a comment are harmless.
      if (message.startsWith('Invalid character entity') || message.startsWith('Malformed comment')) return;
      if (++this.#faults > mostFaults) this.#fail('is no XML');
      events.onFault?.();
    };
  }

  #tell(text: string): void {
    this.#events.onText(withAmpersands(text), this.settled);
  }

  #onDeclaration(): void {
    if (this.#events.onDeclaration?.() !== true) this.#fail('holds a DOCTYPE');
  }

  #fail(what: string): never {
    this.#failure = new UpnpError('malformed', `The XML document ${what}`);
    throw this.#failure;
  }
}

/** Those to a character by its number are not among them. */
function withoutReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}

function withAmpersands(text: string): string {
  return text.includes(bareAmpersand) ? text.replaceAll(bareAmpersand, '&') : text;
}
