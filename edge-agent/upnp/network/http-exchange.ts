// One HTTP exchange with an address that has been checked. Requirements S1, C1–C3, C15, C16, quirks 50–52, Z18.
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Outcome, UpnpError, type UpnpErrorKind } from '../error.ts';
import { HttpBody } from './http-body.ts';
import { formatHttpUrl, type HttpUrl, hostHeader } from './http-url.ts';

export interface HttpRequest {
  method: string;
  url: string;
  /** In this order and spelling on the wire: some devices match them by case (C1). Host and Content-Length are added. */
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** For the whole of it: waiting for a turn, connecting, the answer's last byte. */
  deadlineMs: number;
  /** 5000 unless told. */
  connectTimeoutMs?: number;
  signal?: AbortSignal;
  /** 512 KiB unless told; a longer answer is an error. */
  maxBodyBytes?: number;
  /**
   * Reads the body of an answer with status 200 while it comes in; called for each such answer. The deadline is then for
   * its beginning, and `stallMs` for each piece.
   */
  readBody?(headers: ReadonlyMap<string, string>): BodyReader;
  /** 30 s unless told. */
  stallMs?: number;
  /** Never a reused connection and never a second attempt: for what must not be done twice (C15). */
  fresh?: boolean;
  /** One at a time per device, in order of asking (C17). */
  inTurn?: boolean;
  /** The only address allowed, such as the one that LOCATION had (Z5). */
  peer?: string;
  /** The only interface that may lead there: the one on which the device was heard. */
  interfaceName?: string;
  /** Called for each piece of the answer. */
  onBytes?: () => void;
  /**
   * Called when the device ends the connection that brought the answer, although it had kept it open: its server was
   * restarted, or tires of idle connections.
   */
  onConnectionLost?: () => void;
  /**
   * Called each time a connection stands, right before the first byte goes out. What it throws ends the request with the
   * outcome `not-done` and is the error's cause.
   */
  beforeSend?(): void;
}

/**
 * Takes a piece of a body; the next comes when its promise resolves. False: no more is wanted. What it throws ends the
 * request and is the error's cause.
 */
export type BodyReader = (piece: Buffer) => Promise<boolean>;

export interface HttpAnswer {
  /** The URL that answered, after redirects. */
  url: string;
  status: number;
  /** By lower-case name; where a name comes twice the first wins. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
  /** False when the connection ended before the announced length: the reader judges whether it has enough (quirk 52). */
  complete: boolean;
  /** The address of ours that reached the device. */
  localAddress: string;
  remoteAddress: string;
}

export interface HttpAttempt {
  url: HttpUrl;
  /** Dialled as it is: no name is looked up again (Z2). */
  address: string;
  request: HttpRequest;
  /** Undefined: a connection of its own, closed afterwards. */
  agent: Agent | undefined;
  /** Node's forgiving parser, for devices that are known to need it. */
  lenient: boolean;
  timeLeftMs: number;
  signal: AbortSignal;
}

/** What may be tried again: a kept connection that the device had closed, or an answer that needs the forgiving parser. */
export type Remedy = 'new-connection' | 'lenient-parser' | undefined;

export type Exchanged = { answer: HttpAnswer } | { error: UpnpError; remedy: Remedy };

const defaultConnectTimeoutMs = 5000;
const defaultMaxBodyBytes = 512 * 1024;
const defaultStallMs = 30_000;

/** Sends the request and gathers the answer. Never rejects; the result says what may be tried again. */
export function exchange(attempt: HttpAttempt): Promise<Exchanged> {
  return new Promise((resolve) => {
    const { url, request, signal } = attempt;
    const maxBodyBytes = request.maxBodyBytes ?? defaultMaxBodyBytes;
    let connected = false;
    let settled = false;
    let deadline: NodeJS.Timeout | undefined;
    let connectDeadline: NodeJS.Timeout | undefined;
    let outgoing: ClientRequest | undefined;

    const settle = (result: Exchanged) => {
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
      // Once the answer has ended, its socket may serve another.
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

/** Told once when an idle connection closes; one that was idle for so long that our own agent ends it does not count. */
function watchIdle(socket: Socket, onLost: () => void): void {
  const known = idleWatchers.get(socket);
  known?.add(onLost);
  if (known !== undefined) return;
  const watchers = new Set([onLost]);
  idleWatchers.set(socket, watchers);
  socket.once('timeout', () => watchers.clear());
  // No 'end' comes: nobody reads from an idle connection.
  socket.once('close', () => {
    for (const watcher of watchers) watcher();
  });
}

/** Answers whether the body came to its end and was all taken. Rejects with what the reader throws. */
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
      // The connection broke off.
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
  // Always a length, never chunks (C3); a GET has no body to speak of.
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
