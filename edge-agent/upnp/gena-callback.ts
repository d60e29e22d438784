// The HTTP server that devices send their events to, one for each of our addresses. Requirements E2–E5, E16, E20, E23, Z8, Z9, Z18.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { canonicalAddress, interfaceOf, type LocalInterface } from './address.ts';
import { maxEventChars } from './gena-event.ts';
import { hostAndPort } from './http-url.ts';

export interface Notification {
  sid: string | undefined;
  seq: string | undefined;
  contentType: string | undefined;
  body: Buffer;
}

export interface CallbackOptions {
  /** The address of ours that the server is bound to: never to all. */
  at: LocalInterface;
  /** 0 takes any. */
  port: number;
  interfaces(): LocalInterface[];
  /** Whether somebody waits for events under this token with this SID; undefined answers 412. The result takes the event. */
  receiverOf(token: string, sid: string | undefined): ((notification: Notification) => void) | undefined;
}

const maxBodyBytes = maxEventChars;
const maxConnections = 64;

export class CallbackServer {
  readonly #options: CallbackOptions;
  readonly #server: Server;

  constructor(options: CallbackOptions) {
    this.#options = options;
    this.#server = createServer(
      // Some devices send NOTIFY without Host, which Node would refuse (E23).
      { requireHostHeader: false, maxHeaderSize: 8192, headersTimeout: 10_000, requestTimeout: 30_000 },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = maxConnections;
  }

  get at(): LocalInterface {
    return this.#options.at;
  }

  /** @throws the error of listen, such as EADDRINUSE */
  async start(): Promise<void> {
    const { address, name, scopeId } = this.#options.at;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, scopeId === undefined ? address : `${address}%${name}`, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** What goes into CALLBACK: short, without query, unguessable through its token (E2). */
  urlOf(token: string): string {
    return `http://${hostAndPort(this.#options.at.address, this.#port)}/${token}`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const refused = this.#refusalOf(request);
    if (refused !== undefined) {
      answer(response, refused);
      return;
    }
    const sid = headerOf(request, 'sid');
    // Devices append a slash or garbage to the path (E3).
    const token = /^\/([\w-]{22})/.exec(request.url ?? '')?.[1] ?? '';
    const receive = this.#options.receiverOf(token, sid);
    if (receive === undefined) {
      answer(response, 412);
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) chunks.push(chunk);
      else if (!response.headersSent) answer(response, 413);
    });
    request.on('end', () => {
      if (size > maxBodyBytes) return;
      // Answered before anything is done with it: some devices stand still until then (E5, quirk 42).
      answer(response, 200);
      receive({
        sid,
        seq: headerOf(request, 'seq'),
        contentType: request.headers['content-type'],
        body: Buffer.concat(chunks),
      });
    });
    request.on('error', () => request.destroy());
  }

  /** The HTTP status for what is no event from a neighbour; undefined lets it in. */
  #refusalOf(request: IncomingMessage): number | undefined {
    const { headers, socket } = request;
    if (interfaceOf(socket.remoteAddress ?? '', this.#options.interfaces()) === undefined) return 403;
    // A web page in a browser of the household is no device (Z8).
    if (headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-'))) return 403;
    if (headers.host !== undefined && !this.#isOurs(headers.host)) return 400;
    if (request.method !== 'NOTIFY') return 405;
    const nt = headerOf(request, 'nt');
    const nts = headerOf(request, 'nts');
    if (nt === undefined || nts === undefined) return 400;
    return nt === 'upnp:event' && nts === 'upnp:propchange' ? undefined : 412;
  }

  /** A name in Host, or another address, is the mark of DNS rebinding (CVE-2021-33516). */
  #isOurs(host: string): boolean {
    const match = /^(\[[\da-f:.]+(?:%[\w.-]+)?\]|[\d.]+)(?::(\d{1,5}))?$/i.exec(host.trim());
    return (
      match !== null &&
      canonicalAddress(match[1] ?? '') === canonicalAddress(this.#options.at.address) &&
      Number(match[2] ?? 80) === this.#port
    );
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return (Array.isArray(value) ? value[0] : value)?.trim() || undefined;
}

function answer(response: ServerResponse, status: number): void {
  // After a refusal the rest of the request is of no interest.
  response
    .writeHead(status, status === 200 ? { 'Content-Length': 0 } : { 'Content-Length': 0, Connection: 'close' })
    .end();
}
