// Answers that no route gives: what Node’s parser refuses, and whom the host cannot take. Problem documents too (RFC 9457).
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCodes, GatewayError } from '../../protocol/errors.ts';
import { newRequestId, problemMembers } from '../routes/problem.ts';

/** How long a client that is refused may take to read why, and to stop sending. */
const lingerMs = 2_000;

/** What Node’s parser, or its watch over slow requests, says about a request. */
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

/** Says why, and ends the connection. Nothing may have been answered on it that is still under way. */
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

/** An answer in HTTP/1.1’s own words, after which the connection ends. */
export function httpText(status: number, headers: Iterable<readonly [string, string]>, body: string): string {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const lead = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  return `${lead}${lines}connection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Closing at once would reset the connection, and take the answer from a client that is still sending. */
export function endWith(socket: Duplex, text: string): void {
  socket.on('error', () => undefined);
  socket.end(text);
  destroySoon(socket);
}

/**
 * Has this socket take what its client still sends, for a moment, before it is destroyed: bytes that nobody read when it
 * closes become a reset, which overtakes the answer (RFC 9112, 9.6).
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
