// Parses XML in one pass while it arrives, in constant memory; sax tokenizes it, broken or not. Requirements X16, X17, Z15.
import sax from 'sax';
import { UpnpError } from '../error.ts';
import { cleanText } from './xml-text.ts';

/** Positions count UTF-16 units of the source; an end is exclusive. */
export interface XmlEvents {
  onOpen(name: string, attributes: Readonly<Record<string, string>>, start: number, end: number): void;
  /** `isWritten` is false when the closing tag of an outer element, at `start`, closed this one too. */
  onClose(name: string, isWritten: boolean, start: number, end: number): void;
  /** Text or part of it, references decoded once, CDATA included. */
  onText(text: string, end: number): void;
  onCdata?(isOpen: boolean, end: number): void;
  /** A DOCTYPE or another declaration; refused unless this returns true. */
  onDeclaration?(): boolean;
  /** The document is not well-formed here; parsing continues. */
  onFault?(): void;
}

/** Cap for one tag, comment or reference, in characters; a longer one fails the document. */
const maxTokenChars = 512 * 1024;
const maxDepth = 128;
/** A closing tag that matches nothing counts one fault per open element. */
const maxFaults = 10_000;
/** Placeholder for an ampersand that starts no reference: sax would swallow a `<` after it. Not a legal XML character. */
const bareAmpersand = '\u0001';
const bareAmpersands = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,10}|#x[\da-fA-F]{1,8});)/g;
const maxReferenceChars = 12;
const root = '<_>';
const noAttributes: Readonly<Record<string, string>> = {};

/** Parts of sax that its types omit. */
const library = sax as unknown as {
  MAX_BUFFER_LENGTH: number;
  readonly STATE: Readonly<Record<string, number>>;
  parser(strict: true, options: { strictEntities: true }): sax.SAXParser & { readonly state: number };
};
// Text is flushed after each write, so this caps all other tokens.
library.MAX_BUFFER_LENGTH = maxTokenChars;

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
  /** Length of plain text that bypassed the parser. */
  #bypassedLength = 0;
  /** The tail of a piece that may be half a reference or half a surrogate pair. */
  #rest = '';
  /** Number of elements that the current closing tag closes although it is not theirs. */
  #impliedCloses = 0;
  #depth = 0;
  #faults = 0;
  #failure: UpnpError | undefined;

  constructor(events: XmlEvents) {
    this.#events = events;
    // A synthetic root: the document may have junk around its root, or several roots.
    this.#parser.write(root);
    this.#listen();
  }

  /** Keeps the source from here on available to `slice`. */
  keepFrom(position: number): void {
    this.#keptFrom = position;
  }

  keepNothing(): void {
    this.#keptFrom = Number.POSITIVE_INFINITY;
  }

  slice(from: number, to: number): string {
    return this.#source.slice(from - this.#sourceStart, to - this.#sourceStart);
  }

  /** The source before this position is text or complete markup. */
  get settled(): number {
    return this.#isInMarkup ? this.#tagStart : this.#here;
  }

  /**
   * Parses a piece of a few kilobytes and emits its events synchronously.
   * @throws UpnpError malformed for a declaration, an endless token or excessive depth; events emitted before stay valid
   */
  write(text: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    const given = this.#rest + text;
    const at = given.lastIndexOf('&');
    const isOpen = at >= 0 && given.length - at <= maxReferenceChars && !given.includes(';', at);
    const end = isOpen ? at : /[\ud800-\udbff]$/.test(given) ? given.length - 1 : given.length;
    this.#rest = given.slice(end);
    this.#feed(cleanText(given.slice(0, end)));
  }

  /** Ends the input. Returns whether every element was closed and every tag complete. */
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

  /** The kept source from a position to its end. */
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
      // A list escaped in its envelope is one long text, and sax reads it character by character: bypass it.
      this.#bypassedLength += source.length;
      this.#events.onText(withoutReferences(source), this.#position);
      return;
    }
    const { stackTraceLimit } = Error;
    // sax creates an Error per fault; without stack traces parsing is a tenth faster.
    Error.stackTraceLimit = 0;
    try {
      this.#parser.write(source.replace(bareAmpersands, bareAmpersand));
      this.#parser.flush();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    if (this.#isInMarkup && this.#position - this.#tagStart > maxTokenChars) this.#fail('has a tag without end');
  }

  #isPlainText(source: string): boolean {
    return this.#parser.state === library.STATE.TEXT && !source.includes('<') && !source.includes('&#');
  }

  get #here(): number {
    return this.#parser.position - root.length + this.#bypassedLength;
  }

  get #tagStart(): number {
    return this.#parser.startTagPosition - 1 - root.length + this.#bypassedLength;
  }

  get #isInMarkup(): boolean {
    return !textStates.has(this.#parser.state);
  }

  #listen(): void {
    const parser = this.#parser;
    const events = this.#events;
    parser.onopentag = (tag) => {
      if (++this.#depth > maxDepth) this.#fail('is too deep');
      const given = Object.entries(tag.attributes);
      const attributes =
        given.length === 0
          ? noAttributes
          : Object.fromEntries(given.map(([name, value]) => [name, withAmpersands(String(value))]));
      events.onOpen(tag.name, attributes, this.#tagStart, this.#here);
    };
    parser.onclosetag = (name) => {
      this.#depth--;
      const isWritten = this.#impliedCloses === 0;
      if (!isWritten) this.#impliedCloses--;
      const start = parser.tag?.isSelfClosing === true ? this.#here : this.#tagStart;
      events.onClose(name, isWritten, start, this.#here);
    };
    parser.ontext = (text) => this.#emitText(text);
    parser.oncdata = (text) => this.#emitText(text);
    parser.onopencdata = () => events.onCdata?.(true, this.#here);
    parser.onclosecdata = () => events.onCdata?.(false, this.#here);
    parser.ondoctype = () => this.#onDeclaration();
    parser.onsgmldeclaration = () => this.#onDeclaration();
    parser.onerror = (error) => {
      parser.resume();
      const { message } = error;
      if (message.startsWith('Max buffer')) this.#fail('has a token without end');
      if (message.startsWith('Unexpected close tag')) this.#impliedCloses++;
      if (message.startsWith('Unmatched closing tag')) this.#impliedCloses = 0;
      // References to no character and hyphens in comments are harmless.
      if (message.startsWith('Invalid character entity') || message.startsWith('Malformed comment')) return;
      if (++this.#faults > maxFaults) this.#fail('is no XML');
      events.onFault?.();
    };
  }

  #emitText(text: string): void {
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

/** Decodes the five named references; numeric ones never get here. */
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
