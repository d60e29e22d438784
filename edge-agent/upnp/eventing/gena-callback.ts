// The HTTP server that receives events, one per local address. Requirements E2–E5, E16, E20, E23, Z8, Z9, Z18.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { canonicalAddress } from '../../../shared/ip-address.ts';
import { interfaceOf, type LocalInterface } from '../network/address.ts';
import { HttpBody } from '../network/http-body.ts';
import { hostAndPort } from '../network/http-url.ts';
import { PeerLimit } from '../network/peer-limit.ts';
import { maxEventChars } from './gena-event.ts';
import { type NotifyHead, readBrokenHead } from './gena-salvage.ts';

export interface Notification {
  sid: string | undefined;
  seq: string | undefined;
  contentType: string | undefined;
  body: Buffer;
}

export interface CallbackOptions {
  /** The local address to bind; never the wildcard. */
  at: LocalInterface;
  /** 0 picks a free port. */
  port: number;
  interfaces(): LocalInterface[];
  /** The handler for events with this token and SID; undefined answers 412. */
  receiverOf(token: string, sid: string | undefined): ((notification: Notification) => void) | undefined;
}

const maxBodyBytes = maxEventChars;
const maxConnections = 256;
const maxConnectionsPerPeer = 64;

export class CallbackServer {
  readonly #options: CallbackOptions;
  readonly #server: Server;
  readonly #peers = new PeerLimit(maxConnectionsPerPeer);

  constructor(options: CallbackOptions) {
    this.#options = options;
    this.#server = createServer(
      // Some devices send NOTIFY without Host, which Node would refuse (E23).
      {
        requireHostHeader: false,
        maxHeaderSize: 8192,
        headersTimeout: 10_000,
        requestTimeout: 30_000,
        connectionsCheckingInterval: 2000,
      },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = maxConnections;
    this.#server.on('connection', (socket) => {
      if (!this.#peers.admits(socket)) socket.destroy();
    });
    this.#server.on('clientError', (error, socket) => this.#salvage(error, socket));
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

  /** The CALLBACK URL: short, without a query, unguessable because of its token (E2). */
  urlOf(token: string): string {
    return `http://${hostAndPort(this.#options.at.address, this.#port)}/${token}`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const receive = this.#handlerFor(request, request.socket);
    if (typeof receive === 'number') {
      answer(response, receive);
      return;
    }
    const body = new HttpBody(maxBodyBytes);
    request.on('data', (piece: Buffer) => {
      if (!response.headersSent && !body.add(piece)) answer(response, 413);
    });
    request.on('end', () => {
      if (response.headersSent) return;
      // Answer before the event is handled: some devices block until then (E5, quirk 42).
      answer(response, 200);
      receive(body.bytes);
    });
    request.on('error', () => request.destroy());
  }

  /**
   * A NOTIFY that Node's parser refuses still says that something changed: report it with an empty body and close the
   * connection (E19, E20, Z18).
   */
  #salvage(error: Error, socket: Duplex): void {
    const head = readBrokenHead(error);
    const receive = head !== undefined && socket instanceof Socket ? this.#handlerFor(head, socket) : 400;
    if (socket.writable) {
      const status = typeof receive === 'number' ? `${receive} Refused` : '200 OK';
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    } else socket.destroy();
    if (typeof receive !== 'number') receive(Buffer.alloc(0));
  }

  /** The handler of a NOTIFY with this head, or the HTTP status that refuses it. */
  #handlerFor(head: NotifyHead, socket: Socket): number | ((body: Buffer) => void) {
    const refused = this.#refusalOf(head, socket.remoteAddress ?? '');
    if (refused !== undefined) return refused;
    const sid = headerOf(head, 'sid');
    // Some devices append a slash or garbage to the path (E3).
    const token = /^\/([\w-]{22})/.exec(head.url ?? '')?.[1] ?? '';
    const receive = this.#options.receiverOf(token, sid);
    if (receive === undefined) return 412;
    return (body) => receive({ sid, seq: headerOf(head, 'seq'), contentType: headerOf(head, 'content-type'), body });
  }

  /** The HTTP status for anything but an event from the LAN; undefined accepts it. */
  #refusalOf(head: NotifyHead, peer: string): number | undefined {
    const { headers } = head;
    if (interfaceOf(peer, this.#options.interfaces()) === undefined) return 403;
    // A web page in a household's browser is not a device (Z8).
    if (headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-'))) return 403;
    const host = headerOf(head, 'host');
    if (headers.host !== undefined && !this.#isOurs(host ?? '')) return 400;
    if (head.method !== 'NOTIFY') return 405;
    const nt = headerOf(head, 'nt');
    const nts = headerOf(head, 'nts');
    if (nt === undefined || nts === undefined) return 400;
    return nt === 'upnp:event' && nts === 'upnp:propchange' ? undefined : 412;
  }

  /** A host name, or another address, in Host is a sign of DNS rebinding (CVE-2021-33516). */
  #isOurs(host: string): boolean {
    const match = /^(\[[\da-f:.]+(?:%[\w.-]+)?\]|[\d.]+)(?::(\d{1,5}))?$/i.exec(host.trim());
    return (
      match !== null &&
      canonicalAddress(match[1] ?? '') === canonicalAddress(this.#options.at.address) &&
      Number(match[2] ?? 80) === this.#port
    );
  }
}

function headerOf(head: NotifyHead, name: string): string | undefined {
  const value = head.headers[name];
  return (Array.isArray(value) ? value[0] : value)?.trim() || undefined;
}

function answer(response: ServerResponse, status: number): void {
  // A refused request is not read to its end, so its connection cannot be reused.
  response
    .writeHead(status, status === 200 ? { 'Content-Length': 0 } : { 'Content-Length': 0, Connection: 'close' })
    .end();
}
