// The service's side of control: UPnP Device Architecture 2.0 §3. Requirements H16–H19, H22.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ActionRequest, readActionRequest, writeActionAnswer, writeFault } from '../control/soap-envelope.ts';
import { UpnpError, upnpCodes } from '../error.ts';
import { HttpBody } from '../network/http-body.ts';
import type { Caller, HostedAction, HostedService } from './hosted-device.ts';

/** Room for a 64 KiB text message, escaped twice; parsing is synchronous. */
const maxBodyBytes = 1024 * 1024;

/** A requested action. */
interface RequestedAction {
  readonly name: string;
  readonly action: HostedAction;
  /** As the control point wrote it, version included: the answer repeats it. */
  readonly serviceType: string;
  readonly given: Readonly<Record<string, string>>;
}

/** Answers requests to one service's control URL. */
export class SoapService {
  readonly #service: HostedService;
  readonly #server: string;

  constructor(service: HostedService, server: string) {
    this.#service = service;
    this.#server = server;
  }

  async control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (body === 'broken') return;
    if (body === 'too-long') {
      response.writeHead(413, { SERVER: this.#server, 'CONTENT-LENGTH': 0, CONNECTION: 'close' }).end();
      return;
    }
    try {
      const soapAction = request.headers.soapaction;
      const requested = readRequestedAction(this.#service, typeof soapAction === 'string' ? soapAction : '', body, {
        charset: /charset\s*=\s*"?([\w-]+)/i.exec(request.headers['content-type'] ?? '')?.[1],
      });
      const answered = await this.#service.invoke(requested.name, requested.given, callerOf(request));
      const out = Object.keys(requested.action.out).map((name) => [name, answered[name] ?? ''] as const);
      this.#answer(response, 200, writeActionAnswer(requested.serviceType, requested.name, out));
    } catch (error) {
      const { code, description } = faultOf(error);
      this.#answer(response, 500, writeFault(code, description));
    }
  }

  #answer(response: ServerResponse, status: number, body: string): void {
    response
      .writeHead(status, {
        'CONTENT-TYPE': 'text/xml; charset="utf-8"',
        'CONTENT-LENGTH': Buffer.byteLength(body),
        DATE: new Date().toUTCString(),
        EXT: '',
        SERVER: this.#server,
      })
      .end(body);
  }
}

/**
 * Reads the requested action from header and body, with all arguments by name.
 * Throws UpnpError `refused`: 401 unless both name the same action of ours, 402 for missing, unknown or repeated
 * arguments, 601 for a value outside an enumeration. The service itself judges the empty string.
 */
export function readRequestedAction(
  service: HostedService,
  soapAction: string,
  body: Uint8Array,
  options: { charset?: string | undefined } = {},
): RequestedAction {
  // No two adjacent blank patterns in the expression: a 16 KB header of blanks would cost quadratic time.
  const quoted = /^(?:"([^"]*)"|([^"]*))$/.exec(soapAction.trim());
  const [, serviceType = '', name = ''] = /^([^#]*)#([^#\s]*)$/.exec((quoted?.[1] ?? quoted?.[2] ?? '').trim()) ?? [];
  const action = Object.hasOwn(service.actions, name) ? service.actions[name] : undefined;
  if (action === undefined || !isServed(service.serviceType, serviceType)) throw refused(upnpCodes.invalidAction);
  let request: ActionRequest;
  try {
    request = readActionRequest(body, { charset: options.charset, maxChars: maxBodyBytes });
  } catch (cause) {
    throw refused(upnpCodes.invalidArguments, cause);
  }
  if (request.action !== name) throw refused(upnpCodes.invalidAction);

  const given: Record<string, string> = {};
  for (const [argument, value] of request.arguments) {
    const variable = Object.hasOwn(action.in, argument) ? action.in[argument] : undefined;
    if (variable === undefined || Object.hasOwn(given, argument)) throw refused(upnpCodes.invalidArguments);
    const allowed = service.variables[variable]?.allowed;
    if (allowed !== undefined && value !== '' && !allowed.includes(value)) {
      throw refused(upnpCodes.argumentValueOutOfRange);
    }
    given[argument] = value;
  }
  const complete = Object.keys(action.in).every((argument) => Object.hasOwn(given, argument));
  if (!complete) throw refused(upnpCodes.invalidArguments);
  return { name, action, serviceType, given };
}

/** Whether a service type is ours, in our version or a lower one. */
function isServed(own: string, requested: string): boolean {
  const [, name, version] = /^(.*):(\d{1,9})$/.exec(own) ?? [];
  const [, askedName, askedVersion] = /^(.*):(\d{1,9})$/.exec(requested) ?? [];
  return name === askedName && Number(askedVersion) >= 1 && Number(askedVersion) <= Number(version);
}

const descriptions: Readonly<Record<number, string>> = {
  [upnpCodes.invalidAction]: 'Invalid Action',
  [upnpCodes.invalidArguments]: 'Invalid Args',
  [upnpCodes.argumentValueOutOfRange]: 'Argument Value Out of Range',
};

function refused(upnpCode: number, cause?: unknown): UpnpError {
  const upnpDescription = descriptions[upnpCode] ?? '';
  return new UpnpError('refused', upnpDescription, { upnpCode, upnpDescription, cause });
}

/** The fault for the control point. Messages of internal errors stay inside. */
function faultOf(error: unknown): { code: number; description: string } {
  if (error instanceof UpnpError && error.upnpCode !== undefined) {
    return { code: error.upnpCode, description: error.upnpDescription ?? '' };
  }
  return { code: upnpCodes.actionFailed, description: 'Action Failed' };
}

function callerOf(request: IncomingMessage): Caller {
  return { address: request.socket.remoteAddress ?? '', origin: `http://${request.headers.host}` };
}

function readBody(request: IncomingMessage): Promise<Buffer | 'too-long' | 'broken'> {
  return new Promise((resolve) => {
    const body = new HttpBody(maxBodyBytes);
    request.on('data', (piece: Buffer) => {
      if (body.add(piece)) return;
      request.pause();
      resolve('too-long');
    });
    request.on('end', () => resolve(body.bytes));
    request.on('close', () => resolve('broken'));
  });
}
