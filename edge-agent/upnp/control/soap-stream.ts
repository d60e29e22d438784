// Streams the one long argument of an action's answer while it arrives. UPnP Device Architecture 2.0 §3.2.
// Requirements C9–C13, X17.
import { UpnpError } from '../error.ts';
import { XmlStream } from '../xml/xml-stream.ts';
import { escapeAttribute } from '../xml/xml-text.ts';
import { readFault, refusal, type SoapFault } from './soap-envelope.ts';

/** A longer fault is reported without its code. */
const maxFaultChars = 64 * 1024;

/** Whether the argument was found, and whether it and the envelope were complete. */
export interface ArgumentRead {
  readonly isThere: boolean;
  readonly isComplete: boolean;
}

/** Emits the text of one argument in pieces; serialises an unescaped document inside it (C13). */
export class ArgumentStream {
  readonly #action: string;
  readonly #argument: string;
  readonly #take: (text: string) => void;
  readonly #xml: XmlStream;
  /** Local names of open elements. */
  readonly #open: string[] = [];
  /** Namespace declarations around the argument. */
  readonly #declarations = new Map<string, string>();
  #seen = { envelope: false, body: false, answer: false, argument: false };
  /** Depth of the argument's element while it is open. */
  #argumentDepth: number | undefined;
  /** Position up to which an unescaped document was emitted. */
  #handedOn: number | undefined;
  #faultStart: number | undefined;
  #fault: SoapFault | undefined;
  #isArgumentClosed = false;
  #isEnvelopeClosed = false;

  constructor(action: string, argument: string, take: (text: string) => void) {
    this.#action = action;
    this.#argument = argument.toLowerCase();
    this.#take = take;
    this.#xml = new XmlStream({
      onOpen: (name, attributes, start) => this.#onOpen(name, attributes, start),
      onClose: (_name, isWritten, start, end) => this.#onClose(isWritten, start, end),
      onText: (text) => {
        if (this.#open.length === this.#argumentDepth && this.#handedOn === undefined) this.#take(text);
      },
    });
  }

  /** @throws UpnpError malformed */
  write(text: string): void {
    this.#xml.write(text);
    this.#handOn(this.#xml.settled);
    if (this.#faultStart !== undefined && this.#xml.settled - this.#faultStart > maxFaultChars) this.#endFault('');
  }

  /** @throws UpnpError refused for a fault; malformed when there is no answer to this action */
  end(): ArgumentRead {
    this.#xml.end();
    this.#handOn(this.#xml.settled);
    if (this.#fault !== undefined) throw refusal(this.#action, this.#fault);
    const { envelope, body, answer, argument } = this.#seen;
    if (!envelope) throw new UpnpError('malformed', 'The answer is no SOAP envelope');
    if (!body) throw new UpnpError('malformed', 'The SOAP envelope has no body');
    if (!answer) throw new UpnpError('malformed', `The SOAP body holds no ${this.#action}Response`);
    return { isThere: argument, isComplete: this.#isArgumentClosed && this.#isEnvelopeClosed };
  }

  #onOpen(name: string, attributes: Readonly<Record<string, string>>, start: number): void {
    const local = localName(name);
    const [outermost, second, third] = this.#open;
    this.#open.push(local);
    const depth = this.#open.length;
    if (this.#argumentDepth !== undefined) {
      if (this.#handedOn === undefined) this.#beginDocument(start);
      return;
    }
    if (depth <= 4) for (const [key, value] of Object.entries(attributes)) this.#declare(key, value);
    // Match by local name only: prefixes, versions and namespaces are often wrong (C10).
    if (depth === 1 && local === 'Envelope') this.#seen.envelope = true;
    if (outermost !== 'Envelope') return;
    if (depth === 2 && local === 'Body') this.#seen.body = true;
    if (second !== 'Body') return;
    if (depth === 3 && local === 'Fault' && this.#faultStart === undefined) {
      this.#faultStart = start;
      this.#xml.keepFrom(start);
    }
    const answer = `${this.#action}Response`.toLowerCase();
    if (depth === 3 && local.toLowerCase() === answer) this.#seen.answer = true;
    if (depth !== 4 || third?.toLowerCase() !== answer || this.#seen.argument) return;
    if (local.toLowerCase() !== this.#argument) return;
    this.#seen.argument = true;
    this.#argumentDepth = depth;
  }

  #onClose(isWritten: boolean, start: number, end: number): void {
    const depth = this.#open.length;
    if (depth === this.#argumentDepth) {
      this.#handOn(start);
      if (this.#handedOn !== undefined) this.#take('</argument>');
      this.#argumentDepth = undefined;
      this.#handedOn = undefined;
      this.#isArgumentClosed = isWritten;
      this.#xml.keepNothing();
    } else if (depth === 3 && this.#faultStart !== undefined && this.#open[2] === 'Fault') {
      this.#endFault(this.#xml.slice(this.#faultStart, end));
    } else if (depth === 1 && this.#open[0] === 'Envelope') this.#isEnvelopeClosed = isWritten;
    this.#open.pop();
  }

  /** Wraps the inner document in an element that declares the envelope's prefixes, which its reader needs. */
  #beginDocument(start: number): void {
    const declared = [...this.#declarations].map(([key, value]) => ` ${key}="${escapeAttribute(value)}"`);
    this.#take(`<argument${declared.join('')}>`);
    this.#handedOn = start;
    this.#xml.keepFrom(start);
  }

  #handOn(to: number): void {
    if (this.#handedOn === undefined || to <= this.#handedOn) return;
    this.#take(this.#xml.slice(this.#handedOn, to));
    this.#handedOn = to;
    this.#xml.keepFrom(to);
  }

  #declare(key: string, value: string): void {
    if ((key === 'xmlns' || key.startsWith('xmlns:')) && this.#declarations.size < 64)
      this.#declarations.set(key, value);
  }

  #endFault(xml: string): void {
    this.#fault ??= readFault(`<Envelope><Body>${xml}</Body></Envelope>`) ?? { code: undefined, description: '' };
    this.#faultStart = undefined;
    this.#xml.keepNothing();
  }
}

function localName(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}
