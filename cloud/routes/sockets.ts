// WebSockets as routes see them: the host opens one only after the route, its guard included, has accepted it.
import type { Context } from 'hono';
import { GatewayError } from '../../protocol/errors.ts';
import type { Surface } from './surface.ts';

export interface Socket {
  /** `sent` runs when the text has left, or the socket is gone. */
  send(text: string, sent?: () => void): void;
  close(code: number, reason: string): void;
}

/** What becomes of an accepted socket. */
export interface SocketHandler {
  /** The subprotocol to speak, if one was agreed on. */
  readonly protocol?: string;
  open(socket: Socket): SocketEars;
}

export interface SocketEars {
  text(text: string): void;
  closed(): void;
}

/** Hands the socket to come to its handler. Throws when the request asks for no WebSocket. */
export function acceptSocket(c: Context<Surface>, handler: SocketHandler): Response {
  const { accept } = c.env;
  if (accept === undefined) throw new GatewayError('invalid-request', 'This address speaks WebSocket only.');
  accept(handler);
  return c.body(null);
}
