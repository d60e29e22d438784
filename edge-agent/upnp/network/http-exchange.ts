// One HTTP exchange with an address that has already been checked. Requirements S1, C1–C3, C15, C16, quirks 50–52, Z18.
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Outcome, UpnpError, type UpnpErrorKind } from '../error.ts';
import { HttpBody } from './http-body.ts';
import { formatHttpUrl, type HttpUrl, hostHeader } from './http-url.ts';

export interface HttpRequest {
  method: string;
  url: string;
  /** Sent in this order and spelling: some devices match names by case (C1). Host and Content-Length are added. */
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** For the whole request: waiting for a turn, connecting, up to the last byte of the answer. */
  deadlineMs: number;
  /** Default 5000. */
  connectTimeoutMs?: number;
  signal?: AbortSignal;
  /** Default 512 KiB; a longer answer is an error. */
  maxBodyBytes?: number;
  /**
   * Streams the body of an answer with status 200; called for each such answer. `deadlineMs` then covers the head of the
   * answer, and `stallMs` each piece.
   */
  readBody?(headers: ReadonlyMap<string, string>): BodyReader;
  /** Default 30 s. */
  stallMs?: number;
  /** Uses a new connection and never retries: for requests that must not run twice (C15). */
  fresh?: boolean;
  /** One request at a time per device, first come first served (C17). */
  inTurn?: boolean;
  /** The only allowed address, such as the one in LOCATION (Z5). */
  peer?: string;
  /** The only allowed interface: the one on which the device was discovered. */
  interfaceName?: string;
  /** Called for each piece of the answer. */
  onBytes?: () => void;
  /**
   * Called when the device closes the idle keep-alive connection that carried the answer: its server restarted, or it
   * drops idle connections.
   */
  onConnectionLost?: () => void;
  /**
   * Called each time a connection is established, right before the first byte is sent. An exception ends the request with
   * outcome `not-done` and becomes the error's cause.
   */
  beforeSend?(): void;
}

/**
 * Takes a piece of a body; the next one follows when its promise resolves. False stops reading. An exception ends the
 * request and becomes the error's cause.
 */
export type BodyReader = (piece: Buffer) => Promise<boolean>;

export interface HttpAnswer {
  /** The URL that answered, after redirects. */
  url: string;
  status: number;
  /** By lower-case name; the first of duplicate headers wins. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
  /** False when the connection ended before the announced length: the caller decides whether it has enough (quirk 52). */
  complete: boolean;
  /** The local address that reached the device. */
  localAddress: string;
  remoteAddress: string;
}

export interface HttpAttempt {
  url: HttpUrl;
  /** Dialled as it is, without another name lookup (Z2). */
  address: string;
  request: HttpRequest;
  /** Undefined: a connection of its own, closed afterwards. */
  agent: Agent | undefined;
  /** Node's lenient parser, for devices known to need it. */
  lenient: boolean;
  timeLeftMs: number;
  signal: AbortSignal;
}

/** What a retry should change: a new connection for a stale one, or the lenient parser. */
export type Remedy = 'new-connection' | 'lenient-parser' | undefined;

export type ExchangeResult = { answer: HttpAnswer } | { error: UpnpError; remedy: Remedy };

const defaultConnectTimeoutMs = 5000;
const defaultMaxBodyBytes = 512 * 1024;
const defaultStallMs = 30_000;

/** Sends the request and collects the answer. Never rejects; an error says whether and how to retry. */
export function exchange(attempt: HttpAttempt): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const { url, request, signal } = attempt;
    const maxBodyBytes = request.maxBodyBytes ?? defaultMaxBodyBytes;
    let connected = false;
    let settled = false;
    let deadline: NodeJS.Timeout | undefined;
    let connectDeadline: NodeJS.Timeout | undefined;
    let outgoing: ClientRequest | undefined;

    const settle = (result: ExchangeResult) => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      clearTimeout(connectDeadline);
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const fail = (kind: UpnpErrorKind, message: string, cause?: unknown, remedy?: Remedy) => {
      const outcome: Outcome = connected ? 'unknown' : 'not-done';
      settle({ error: new UpnpError(kind, message, { outcome, cause }), remedy });
      outgoing?.destroy();
    };
    const onAbort = () => fail('unreachable', 'The request was aborted', signal.reason);

    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort);
    deadline = setTimeout(
      () => fail('unreachable', 'The device did not answer before the deadline'),
      attempt.timeLeftMs,
    );

    try {
      outgoing = httpRequest({
        method: request.method,
        host: attempt.address,
        port: url.port,
        path: url.path,
        headers: headersOf(url, request),
        agent: attempt.agent ?? new Agent({ keepAlive: false }),
        insecureHTTPParser: attempt.lenient,
      });
    } catch (error) {
      fail('malformed', 'The request cannot be written', error);
      return;
    }

    outgoing.on('socket', (socket) => {
      const onConnect = () => {
        clearTimeout(connectDeadline);
        if (settled) return;
        try {
          request.beforeSend?.();
        } catch (error) {
          fail('unreachable', 'The request was held back', error);
          return;
        }
        connected = true;
        outgoing?.end(request.body);
      };
      if (!socket.connecting) {
        onConnect();
        return;
      }
      socket.once('connect', onConnect);
      connectDeadline = setTimeout(
        () => fail('unreachable', 'The device did not accept the connection'),
        request.connectTimeoutMs ?? defaultConnectTimeoutMs,
      );
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('HPE_')) {
        fail(
          'malformed',
          `The device's HTTP answer is broken (${error.code})`,
          error,
          attempt.lenient ? undefined : 'lenient-parser',
        );
      } else {
        const stale = outgoing?.reusedSocket === true;
        fail(
          'unreachable',
          `The connection failed (${error.code ?? 'unknown'})`,
          error,
          stale ? 'new-connection' : undefined,
        );
      }
    });
    outgoing.on('response', (incoming) => {
      // Read now: after the answer ends, its socket may serve another request.
      const { socket } = incoming;
      const { localAddress = '', remoteAddress = '' } = socket;
      const head = { url: formatHttpUrl(url), status: incoming.statusCode ?? 0, headers: headersIn(incoming) };
      const read = incoming.statusCode === 200 ? request.readBody?.(head.headers) : undefined;
      if (read !== undefined) {
        const stallMs = request.stallMs ?? defaultStallMs;
        const onStall = () => fail('unreachable', 'The device stopped in the middle of its answer');
        const onWait = (isWaiting: boolean) => {
          clearTimeout(deadline);
          if (!isWaiting) request.onBytes?.();
          else if (!settled) deadline = setTimeout(onStall, stallMs);
        };
        readStream(incoming, read, onWait).then(
          (complete) => {
            settle({ answer: { ...head, body: Buffer.alloc(0), complete, localAddress, remoteAddress } });
            if (!complete) outgoing?.destroy();
          },
          (error) => fail('malformed', 'The answer could not be taken', error),
        );
        return;
      }
      const body = new HttpBody(maxBodyBytes);
      incoming.on('data', (piece: Buffer) => {
        request.onBytes?.();
        if (!body.add(piece)) fail('malformed', `The device's answer is longer than ${maxBodyBytes} bytes`);
      });
      const end = (complete: boolean) =>
        settle({
          answer: { ...head, body: body.bytes, complete, localAddress, remoteAddress },
        });
      incoming.on('end', () => {
        const { onConnectionLost } = request;
        const isKept = attempt.agent !== undefined && !/\bclose\b/i.test(incoming.headers.connection ?? '');
        if (onConnectionLost !== undefined && isKept) watchIdle(socket, onConnectionLost);
        end(true);
      });
      incoming.on('error', (error: NodeJS.ErrnoException) => {
        if (body.bytes.length > 0 && error.code === 'ECONNRESET') end(false);
        else fail('unreachable', `The connection failed (${error.code ?? 'unknown'})`, error);
      });
    });
  });
}

const idleWatchers = new WeakMap<Socket, Set<() => void>>();

/** Calls `onLost` once when an idle connection closes, unless our own agent closed it by its idle timeout. */
function watchIdle(socket: Socket, onLost: () => void): void {
  const known = idleWatchers.get(socket);
  known?.add(onLost);
  if (known !== undefined) return;
  const watchers = new Set([onLost]);
  idleWatchers.set(socket, watchers);
  socket.once('timeout', () => watchers.clear());
  // 'end' is not emitted, because nothing reads from an idle connection.
  socket.once('close', () => {
    for (const watcher of watchers) watcher();
  });
}

/** Resolves to whether the whole body was received and read. Rejects with what the reader throws. */
async function readStream(
  incoming: IncomingMessage,
  read: BodyReader,
  onWait: (isWaiting: boolean) => void,
): Promise<boolean> {
  const pieces = incoming[Symbol.asyncIterator]();
  for (;;) {
    onWait(true);
    let next: IteratorResult<Buffer>;
    try {
      next = await pieces.next();
    } catch {
      // The connection broke.
      return false;
    }
    onWait(false);
    if (next.done === true) return incoming.complete;
    if (!(await read(next.value))) return false;
  }
}

function headersOf(url: HttpUrl, request: HttpRequest): string[] {
  const headers = ['HOST', hostHeader(url)];
  for (const [name, value] of request.headers ?? []) headers.push(name, value);
  // Always a length, never chunked (C3); a GET has no body.
  if (request.method !== 'GET') headers.push('CONTENT-LENGTH', String(Buffer.byteLength(request.body ?? '')));
  return headers;
}

function headersIn(incoming: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    const name = incoming.rawHeaders[at]?.toLowerCase() ?? '';
    if (!headers.has(name)) headers.set(name, incoming.rawHeaders[at + 1] ?? '');
  }
  return headers;
}
