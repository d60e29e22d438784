// WebSockets of the Node host (ws), accepted only after the application's routes and guards agreed.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { GatewayError } from '../../protocol/errors.ts';
import { closeCodes, heartbeat } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import type { AppEnv } from '../routes/route-kit.ts';
import type { SocketHandler } from '../routes/sockets.ts';
import { AdmissionControl } from './admission-control.ts';
import { httpText } from './node-refusals.ts';

/** A UTF-16 unit takes at most three bytes in UTF-8. */
const maxPayload = 3 * limits.frameChars;
/** Cap of bytes that wait for a peer that does not read: four times what a tunnel may have in flight. */
const maxWaiting = 4 * limits.callsInFlight;
const maxWaitingBytes = 64 * 1024 * 1024;
/** Heartbeats that a peer may miss. */
const patience = 2.5;
/** How long a silent peer may take to answer a close. */
const closeMs = 1_000;

/** Asks the application about an upgrade: it calls `accept` or answers the reason against it. */
export type AskApplication = (request: Request, about: AppEnv['Bindings']) => Promise<Response>;

/** What the host knows of the client (Bindings of the routes). */
export type AboutClient = (incoming: IncomingMessage) => AppEnv['Bindings'];

export class NodeSockets {
  readonly #ask: AskApplication;
  readonly #about: AboutClient;
  readonly #heartbeatMs: number;
  readonly #server: WebSocketServer;
  /** When each socket last sent something, epoch milliseconds. */
  readonly #lastSign = new Map<WebSocket, number>();
  readonly #admission = new AdmissionControl();
  readonly #protocols = new WeakMap<IncomingMessage, string>();
  #watch: NodeJS.Timeout | undefined;

  constructor(ask: AskApplication, heartbeatMs: number, about: AboutClient = () => ({})) {
    this.#ask = ask;
    this.#about = about;
    this.#heartbeatMs = heartbeatMs;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload,
      perMessageDeflate: false,
      // The route has checked that the client offered this subprotocol.
      handleProtocols: (offered, request) => this.#protocols.get(request) ?? offered.values().next().value ?? false,
    });
  }

  start(): void {
    this.#watch = setInterval(() => this.#dropSilent(), this.#heartbeatMs / 2);
  }

  /** Refuses handshakes from here on. */
  close(): void {
    this.#admission.close();
  }

  /** Cuts off peers that have not closed. */
  stop(): void {
    clearInterval(this.#watch);
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  /** For the HTTP server's `connection` event. */
  connected(): void {
    this.#admission.came();
  }

  /** For the HTTP server's `upgrade` event. */
  async upgrade(incoming: IncomingMessage, duplex: Duplex, head: Buffer): Promise<void> {
    duplex.on('error', destroyed);
    // Reading notices a client that hangs up while it waits, whose handshake would delay all later ones. There is nothing
    // else to read: a client sends no frame before the answer (RFC 6455, 4.1).
    duplex.on('readable', destroyed);
    try {
      await this.#admission.admit(() => this.#enter(incoming, duplex, head));
    } catch (refused) {
      if (!(refused instanceof GatewayError)) throw refused;
      if (duplex.destroyed) return;
      refuse(
        duplex,
        await refusal(await this.#ask(requestOf(incoming), { ...this.#about(incoming), refusal: refused })),
      );
    }
  }

  async #enter(incoming: IncomingMessage, duplex: Duplex, head: Buffer): Promise<void> {
    duplex.off('readable', destroyed);
    if (duplex.destroyed) return;
    let handler: SocketHandler | undefined;
    const accept = (accepted: SocketHandler) => {
      handler = accepted;
    };
    const response = await this.#ask(requestOf(incoming), { ...this.#about(incoming), accept });
    if (duplex.destroyed) {
      handler?.open(goneSocket).closed();
      return;
    }
    if (handler === undefined) {
      refuse(duplex, await refusal(response));
      return;
    }
    const accepted = handler;
    if (accepted.protocol !== undefined) this.#protocols.set(incoming, accepted.protocol);
    // A handshake that ws itself refuses.
    const gone = () => accepted.open(goneSocket).closed();
    duplex.once('close', gone);
    this.#server.handleUpgrade(incoming, duplex, head, (socket) => {
      duplex.off('close', gone);
      this.#open(socket, accepted);
    });
  }

  #open(socket: WebSocket, handler: SocketHandler): void {
    let waiting = 0;
    // Pongs count too: a peer that pings without end and never reads would fill the memory with them.
    const send = (text: string, sent?: () => void) => {
      if (++waiting > maxWaiting || socket.bufferedAmount > maxWaitingBytes) socket.terminate();
      socket.send(text, () => {
        waiting--;
        sent?.();
      });
    };
    const listener = handler.open({
      send,
      close: (code, reason) => socket.close(code, reason),
      pause: (isPaused) => (isPaused ? socket.pause() : socket.resume()),
    });
    const isTunnel = handler.protocol !== undefined;
    const sign = () => {
      if (socket.readyState === socket.OPEN) this.#lastSign.set(socket, Date.now());
    };
    sign();
    socket.on('message', (data: RawData, isBinary: boolean) => {
      sign();
      if (isBinary) {
        socket.close(1003, 'text only');
        return;
      }
      const text = data.toString();
      if (text === heartbeat.ping) send(heartbeat.pong);
      else listener.text(text);
    });
    // A browser sends no heartbeat texts, but it answers pings.
    if (!isTunnel) socket.on('pong', sign);
    // The close that follows says enough.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#lastSign.delete(socket);
      listener.closed();
    });
  }

  #dropSilent(): void {
    const nowMs = Date.now();
    for (const [socket, lastMs] of this.#lastSign) {
      if (nowMs - lastMs > patience * this.#heartbeatMs) {
        this.#lastSign.delete(socket);
        socket.close(closeCodes.silent, 'no heartbeat');
        // A dead peer does not answer the close either.
        setTimeout(() => socket.terminate(), closeMs).unref();
      } else socket.ping();
    }
  }
}

/** Not a closure: it lives as long as its socket, and would keep everything in its scope in memory. */
function destroyed(this: Duplex): void {
  this.destroy();
}

/** A peer that neither reads nor closes is cut off: an upgraded socket has no timeout of its HTTP server any more. */
function refuse(duplex: Duplex, text: string): void {
  duplex.end(text, () => duplex.destroy());
}

const goneSocket = { send: (_text: string, sent?: () => void) => sent?.(), close: () => undefined };

function requestOf(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.append(name, one);
  }
  const base = `http://${incoming.headers.host ?? 'localhost'}`;
  // A target that is no URL matches no route.
  const url = URL.parse(incoming.url ?? '/', base) ?? new URL('/v1/unreadable-address', 'http://localhost');
  return new Request(url, { method: incoming.method ?? 'GET', headers });
}

async function refusal(response: Response): Promise<string> {
  return httpText(response.status, response.headers, await response.text());
}
