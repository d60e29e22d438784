// Refusals before any route: malformed HTTP and too many connections. They are problem documents too (RFC 9457).
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCodes, GatewayError } from '../../protocol/errors.ts';
import { newRequestId, problemMembers } from '../routes/problem.ts';

/** How long a refused client may take to read the answer and to stop sending. */
const lingerMs = 2_000;

/** The error for a code of Node’s HTTP parser or its request timeout. */
export function refusalOf(error: Error): GatewayError {
  switch ('code' in error ? error.code : undefined) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('headers-too-large', 'The header fields of a request may have 16 KiB in all.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new GatewayError('too-large', 'The chunk extensions of the body are too long.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request-timeout', 'The request was not here in time.');
    default:
      return new GatewayError('invalid-request', 'This is no HTTP/1.1 request.');
  }
}

/** Answers the reason and ends the connection. No answer may be in progress on it. */
export function refuseConnection(socket: Duplex, error: GatewayError, headers: Record<string, string> = {}): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = errorCodes[error.code];
  const requestId = newRequestId();
  const body = JSON.stringify(problemMembers(error, requestId));
  const lines = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...(status === 503 && { 'retry-after': '5' }),
    ...headers,
  };
  endWith(socket, httpText(status, Object.entries(lines), body));
}

/** A raw HTTP/1.1 answer that ends the connection. */
export function httpText(status: number, headers: Iterable<readonly [string, string]>, body: string): string {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const lead = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  return `${lead}${lines}connection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Closing at once would reset the connection, and a client that is still sending would lose the answer. */
export function endWith(socket: Duplex, text: string): void {
  socket.on('error', () => undefined);
  socket.end(text);
  destroySoon(socket);
}

/**
 * Reads what the client still sends for a moment before the socket is destroyed: unread bytes at the close cause a reset,
 * which overtakes the answer (RFC 9112, 9.6).
 */
export function lingerOnClose(socket: Socket): void {
  socket.destroySoon = () => {
    if (socket.destroyed) return;
    socket.end();
    socket.resume();
    destroySoon(socket);
  };
}

function destroySoon(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}
