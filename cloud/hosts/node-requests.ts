// Requests of the Node host, one at a time on each connection. Node emits all pipelined requests at once: 1,300 of 50
// bytes each were served together, and all other clients waited for 9 seconds.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../../protocol/errors.ts';
import { lingerOnClose, refusalOf, refuseConnection } from './node-refusals.ts';

/** Cap of requests that wait on a connection: about what two reads of 64 KiB can hold. Each takes some 3 KiB. */
const mostWaitingOfOne = 4_096;
const mostWaitingOfAll = 16_384;

/** Special handling of a request. */
export interface RequestNote {
  /** The request is refused before any route. */
  readonly refusal?: GatewayError;
  /** Called before the body is read: the client waits for `100 Continue`. */
  readonly wantBody?: () => void;
}

export type ServeRequest = (request: IncomingMessage, response: ServerResponse) => unknown;

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The unanswered requests of one connection. */
interface Line {
  current: Waiting | undefined;
  readonly waiting: Waiting[];
}

export class NodeRequests {
  readonly #serve: ServeRequest;
  readonly #lines = new WeakMap<Duplex, Line>();
  readonly #notes = new WeakMap<IncomingMessage, RequestNote>();
  #waiting = 0;
  #underWay = 0;

  constructor(serve: ServeRequest) {
    this.#serve = serve;
  }

  listenTo(server: Server): void {
    server.on('request', (request, response) => this.#take(request, response));
    // `100 Continue` is sent only after the route has accepted the request.
    server.on('checkContinue', (request, response) => {
      this.#notes.set(request, { wantBody: () => response.writeContinue() });
      this.#take(request, response);
    });
    server.on('checkExpectation', (request, response) => {
      const refusal = new GatewayError('expectation-failed', 'The cloud knows “Expect: 100-continue” alone.');
      this.#notes.set(request, { refusal });
      this.#take(request, response);
    });
    server.on('connect', (_request, socket) => {
      refuseConnection(socket, new GatewayError('method-not-allowed', 'The cloud is no proxy.'), { allow: 'GET' });
    });
    server.on('clientError', (error, socket) => this.refuse(socket, refusalOf(error)));
  }

  /** Ends a connection with a reason. In the middle of an answer no reason can be sent. */
  refuse(socket: Duplex, why: GatewayError): void {
    const response = this.#lines.get(socket)?.current?.response;
    if (response?.headersSent === true) socket.destroy();
    else refuseConnection(socket, why);
  }

  /** Requests in progress. */
  get underWay(): number {
    return this.#underWay;
  }

  noteOf(request: IncomingMessage): RequestNote {
    return this.#notes.get(request) ?? {};
  }

  /** Whether this connection has a request in progress or waiting. */
  isBusy(socket: Duplex): boolean {
    return this.#lines.get(socket)?.current !== undefined;
  }

  /** Where the answer is ready before the request is complete, its rest could not be told from the next request. */
  closeAfter(request: IncomingMessage, headers: Headers): void {
    if (request.complete) return;
    headers.set('connection', 'close');
    lingerOnClose(request.socket);
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const line = this.#lines.get(socket) ?? { current: undefined, waiting: [] };
    this.#lines.set(socket, line);
    // A request that arrives after the last answer, while the connection ends.
    if (socket.writableEnded) return;
    if (line.current === undefined) {
      this.#begin(socket, line, { request, response });
      return;
    }
    if (line.waiting.length >= mostWaitingOfOne || this.#waiting >= mostWaitingOfAll) {
      socket.destroy();
      return;
    }
    line.waiting.push({ request, response });
    this.#waiting++;
    socket.pause();
  }

  #begin(socket: Socket, line: Line, next: Waiting): void {
    line.current = next;
    this.#underWay++;
    next.response.once('close', () => {
      this.#underWay--;
      if (line.waiting.length > 0) socket.pause();
      if (line.waiting.length === 0) line.current = undefined;
      // In a later turn of the event loop, after what arrived on other connections.
      else setImmediate(() => this.#goOn(socket, line));
    });
    this.#serve(next.request, next.response);
  }

  #goOn(socket: Socket, line: Line): void {
    line.current = undefined;
    if (socket.destroyed || socket.writableEnded) {
      this.#waiting -= line.waiting.length;
      line.waiting.length = 0;
      return;
    }
    const next = line.waiting.shift();
    if (next === undefined) return;
    this.#waiting--;
    if (line.waiting.length === 0) socket.resume();
    else socket.pause();
    this.#begin(socket, line, next);
  }
}
