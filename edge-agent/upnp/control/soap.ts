// Calling an action: UPnP Device Architecture 2.0, chapter 3. Requirements C1–C18.

import { setImmediate as nextTurn } from 'node:timers/promises';
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
  /** Exactly as the device wrote it in its description (S14). */
  serviceType: string;
  action: string;
  /** All in arguments, in the order of the SCPD (C5). */
  arguments: ActionArguments;
  /** A service must answer within 30 s (UPnP Device Architecture 2.0 §3.2.5). */
  deadlineMs: number;
  /** Of `streamArgument`: a device that sends nothing for so long has stopped; 30 s unless told. */
  stallMs?: number;
  signal?: AbortSignal;
  /** False: a connection of its own, and nothing is sent again once a byte may have been taken (C15). */
  repeatable: boolean;
  /** The only address that may be called, where the device's is known (Z5). */
  peer?: string;
  /** Longest answer that is read; a million characters unless told. */
  maxAnswerChars?: number;
  /** False: also while another request to the device is under way; only for what changes nothing there. */
  inTurn?: boolean;
  /** Called when the connection stands, before the first byte goes out; what it throws holds the call back. */
  beforeSend?(): void;
}

/** A list of a thousand messages; parsing it takes a Raspberry Pi under a second. */
const standardAnswerChars = 1024 * 1024;
const mPost = [['MAN', '"http://schemas.xmlsoap.org/soap/envelope/"; ns=01']] as const;

/**
 * Calls an action; one at a time per device.
 * @returns the out arguments by name as the device wrote them: read them with `argumentOf`
 * @throws UpnpError refused with the device's code; unreachable or malformed with the outcome
 */
export async function callAction(network: Network, call: ActionCall): Promise<ReadonlyMap<string, string>> {
  const untilMs = performance.now() + call.deadlineMs;
  let answer = await network.request(requestOf(call, 'POST', call.deadlineMs));
  // The device did not take the method, so nothing has been done yet (C7).
  if (answer.status === 405)
    answer = await network.request(requestOf(call, 'M-POST', Math.max(1, untilMs - performance.now())));
  const options = { charset: charsetOf(answer.headers.get('content-type')), maxChars: answerChars(call) };
  if (answer.status !== 200) {
    const fault = readFault(answer.body, options);
    throw fault === undefined ? httpRefusal(call.action, answer) : refusal(call.action, fault, answer.status);
  }
  return readActionAnswer(answer.body, call.action, options);
}

/** Takes a piece of an argument's text; the next comes when its promise resolves. False: no more is wanted. */
export type ArgumentReader = (text: string) => Promise<boolean>;

/** Bytes that are read in one go: together with what is made of them, a few milliseconds. */
const sliceBytes = 16 * 1024;
/** Others get their turn after this. */
const longestGoMs = 15;

/**
 * Calls an action whose answer has one long argument, and reads that while it comes in. `deadlineMs` is for the answer's
 * beginning; after it, only a device that stalls is given up.
 * @param begin called for each answer: an attempt that breaks off may be repeated
 * @throws UpnpError as `callAction`; what was read before stays true
 */
export async function streamArgument(
  network: Network,
  call: ActionCall,
  argument: string,
  begin: () => ArgumentReader,
): Promise<ArgumentRead> {
  let reading: { end(): Promise<ArgumentRead> } | undefined;
  const readBody = (headers: ReadonlyMap<string, string>): BodyReader => {
    const answer = new AnswerReading(call.action, argument, charsetOf(headers.get('content-type')), begin());
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

/** One answer on its way from bytes to the argument's text. */
class AnswerReading {
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
      if (performance.now() - sinceMs < longestGoMs) continue;
      await nextTurn();
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
    // A character is at most three bytes of UTF-8 for each UTF-16 unit.
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
  return call.maxAnswerChars ?? standardAnswerChars;
}

/** An HTTP error without a fault. From 500 on the device may have acted before it failed. */
function httpRefusal(action: string, answer: HttpAnswer): UpnpError {
  const outcome = answer.status >= 500 ? 'unknown' : 'answered';
  return new UpnpError('refused', `The device answered ${action} with HTTP status ${answer.status}`, {
    outcome,
    httpStatus: answer.status,
  });
}
