// Calling an action: UPnP Device Architecture 2.0, chapter 3. Requirements C1–C18.
import { UpnpError } from '../error.ts';
import type { HttpAnswer, HttpRequest, Network } from '../network/network.ts';
import { charsetOf } from '../xml/xml-text.ts';
import { type ActionArguments, readActionAnswer, readFault, refusal, writeActionRequest } from './soap-envelope.ts';

export {
  type ActionArguments,
  type ActionRequest,
  argumentOf,
  type Fault,
  readActionAnswer,
  readActionRequest,
  readFault,
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
  signal?: AbortSignal;
  /** False: a connection of its own, and nothing is sent again once a byte may have been taken (C15). */
  repeatable: boolean;
  /** The only address that may be called, where the device's is known (Z5). */
  peer?: string;
  /** Longest answer that is read; a million characters unless told. */
  maxAnswerChars?: number;
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
    inTurn: true,
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
