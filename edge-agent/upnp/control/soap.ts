// Calling an action: UPnP Device Architecture 2.0, chapter 3. Requirements C1–C18.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { UpnpError } from '../error.ts';
import type { BodyReader, HttpAnswer, HttpRequest, Network } from '../network/network.ts';
import { ByteText } from '../xml/byte-text.ts';
import { charsetOf } from '../xml/xml-text.ts';
import { type ActionArguments, readActionAnswer, readFault, refusal, writeActionRequest } from './soap-envelope.ts';
import { type ArgumentRead, ArgumentStream } from './soap-stream.ts';

export {
  type ActionArguments,
  type ActionRequest,
  argumentOf,
  readActionAnswer,
  readActionRequest,
  readFault,
  type SoapFault,
  writeActionAnswer,
  writeActionRequest,
  writeFault,
} from './soap-envelope.ts';

export interface ActionCall {
  controlUrl: string;
  /** Exactly as in the device's description (S14). */
  serviceType: string;
  action: string;
  /** All in arguments, in SCPD order (C5). */
  arguments: ActionArguments;
  /** A service must answer within 30 s (UPnP Device Architecture 2.0 §3.2.5). */
  deadlineMs: number;
  /** For `streamArgument`: how long the device may send nothing before the call fails; default 30 s. */
  stallMs?: number;
  signal?: AbortSignal;
  /** False: uses a connection of its own and never retries once a byte may have reached the device (C15). */
  repeatable: boolean;
  /** The only address that may be called, when the device's address is known (Z5). */
  peer?: string;
  /** Longest accepted answer; default 1 Mi characters. */
  maxAnswerChars?: number;
  /** False: do not wait for other requests to the device; only for actions that change nothing. */
  inTurn?: boolean;
  /** Called once connected, before the first byte is sent; an exception stops the call. */
  beforeSend?(): void;
}

/** A list of a thousand messages; a Raspberry Pi parses it in under a second. */
const defaultMaxAnswerChars = 1024 * 1024;
const mPost = [['MAN', '"http://schemas.xmlsoap.org/soap/envelope/"; ns=01']] as const;

/**
 * Calls an action; one at a time per device.
 * @returns the out arguments by name, as the device wrote them; read them with `argumentOf`
 * @throws UpnpError refused with the device's code; unreachable or malformed with the outcome
 */
export async function callAction(network: Network, call: ActionCall): Promise<ReadonlyMap<string, string>> {
  const untilMs = performance.now() + call.deadlineMs;
  let answer = await network.request(requestOf(call, 'POST', call.deadlineMs));
  // The device refused the method, so the action has not run (C7).
  if (answer.status === 405)
    answer = await network.request(requestOf(call, 'M-POST', Math.max(1, untilMs - performance.now())));
  const options = { charset: charsetOf(answer.headers.get('content-type')), maxChars: answerChars(call) };
  if (answer.status !== 200) {
    const fault = readFault(answer.body, options);
    throw fault === undefined ? httpRefusal(call.action, answer) : refusal(call.action, fault, answer.status);
  }
  return readActionAnswer(answer.body, call.action, options);
}

/** Takes a piece of an argument's text; the next one follows when its promise resolves. False stops reading. */
export type ArgumentReader = (text: string) => Promise<boolean>;

/** Bytes parsed in one go; parsing and using them takes a few milliseconds. */
const sliceBytes = 16 * 1024;
/** Yields to the event loop after this. */
const maxBusyMs = 15;

/**
 * Calls an action and streams one long argument of its answer. `deadlineMs` covers the start of the answer; after that
 * only a stalled device fails the call.
 * @param begin called for each answer, because a broken attempt may be retried
 * @throws UpnpError as `callAction`; text read before stays valid
 */
export async function streamArgument(
  network: Network,
  call: ActionCall,
  argument: string,
  begin: () => ArgumentReader,
): Promise<ArgumentRead> {
  let reading: { end(): Promise<ArgumentRead> } | undefined;
  const readBody = (headers: ReadonlyMap<string, string>): BodyReader => {
    const answer = new AnswerReader(call.action, argument, charsetOf(headers.get('content-type')), begin());
    reading = answer;
    return (piece) => answer.read(piece);
  };
  const request = (method: 'POST' | 'M-POST', deadlineMs: number) =>
    network.request({ ...requestOf(call, method, deadlineMs), readBody });
  const untilMs = performance.now() + call.deadlineMs;
  let answer = await request('POST', call.deadlineMs);
  if (answer.status === 405) answer = await request('M-POST', Math.max(1, untilMs - performance.now()));
  if (answer.status !== 200 || reading === undefined) {
    const fault = readFault(answer.body, { charset: charsetOf(answer.headers.get('content-type')) });
    throw fault === undefined ? httpRefusal(call.action, answer) : refusal(call.action, fault, answer.status);
  }
  const read = await reading.end();
  return { ...read, isComplete: read.isComplete && answer.complete };
}

/** Turns the bytes of one answer into the argument's text. */
class AnswerReader {
  readonly #bytes: ByteText;
  readonly #argument: ArgumentStream;
  readonly #take: ArgumentReader;
  #text = '';

  constructor(action: string, argument: string, charset: string | undefined, take: ArgumentReader) {
    this.#bytes = new ByteText(charset);
    this.#argument = new ArgumentStream(action, argument, (text) => {
      this.#text += text;
    });
    this.#take = take;
  }

  async read(piece: Buffer): Promise<boolean> {
    let sinceMs = performance.now();
    for (let at = 0; at < piece.length; at += sliceBytes) {
      if (!(await this.#write(this.#bytes.write(piece.subarray(at, at + sliceBytes))))) return false;
      if (performance.now() - sinceMs < maxBusyMs) continue;
      await yieldToEventLoop();
      sinceMs = performance.now();
    }
    return true;
  }

  async end(): Promise<ArgumentRead> {
    await this.#write(this.#bytes.end());
    const read = this.#argument.end();
    await this.#handOn();
    return read;
  }

  async #write(text: string): Promise<boolean> {
    this.#argument.write(text);
    return await this.#handOn();
  }

  async #handOn(): Promise<boolean> {
    const text = this.#text;
    this.#text = '';
    return text === '' || (await this.#take(text));
  }
}

function requestOf(call: ActionCall, method: 'POST' | 'M-POST', deadlineMs: number): HttpRequest {
  const soapAction = method === 'POST' ? 'SOAPACTION' : '01-SOAPACTION';
  return {
    method,
    url: call.controlUrl,
    headers: [
      ['CONTENT-TYPE', 'text/xml; charset="utf-8"'],
      ...(method === 'POST' ? [] : mPost),
      [soapAction, `"${call.serviceType}#${call.action}"`],
    ],
    body: writeActionRequest(call.serviceType, call.action, call.arguments),
    deadlineMs,
    // UTF-8 needs at most three bytes per UTF-16 unit.
    maxBodyBytes: answerChars(call) * 3,
    fresh: !call.repeatable,
    inTurn: call.inTurn ?? true,
    ...(call.stallMs !== undefined && { stallMs: call.stallMs }),
    ...(call.signal !== undefined && { signal: call.signal }),
    ...(call.peer !== undefined && { peer: call.peer }),
    ...(call.beforeSend !== undefined && { beforeSend: call.beforeSend }),
  };
}

function answerChars(call: ActionCall): number {
  return call.maxAnswerChars ?? defaultMaxAnswerChars;
}

/** An HTTP error without a SOAP fault. With a 5xx status the device may have acted before it failed. */
function httpRefusal(action: string, answer: HttpAnswer): UpnpError {
  const outcome = answer.status >= 500 ? 'unknown' : 'answered';
  return new UpnpError('refused', `The device answered ${action} with HTTP status ${answer.status}`, {
    outcome,
    httpStatus: answer.status,
  });
}
