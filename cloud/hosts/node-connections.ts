// The cap on connections of the Node host, and which one is closed above it: connections without a valid token first,
// and of those one of the address that holds most.
import type { Socket } from 'node:net';
import { GatewayError } from '../../protocol/errors.ts';
import { networkOf } from './client-network.ts';

/** Connections without a request. An honest client sends one at once. */
const mostSilent = 1_000;

/** Sockets by remote address, oldest first. */
class ByAddress {
  readonly #groups = new Map<string, Set<Socket>>();
  size = 0;

  add(address: string, socket: Socket): void {
    const group = this.#groups.get(address) ?? new Set();
    this.#groups.set(address, group.add(socket));
    this.size++;
  }

  delete(address: string, socket: Socket): void {
    const group = this.#groups.get(address);
    if (group?.delete(socket) !== true) return;
    this.size--;
    if (group.size === 0) this.#groups.delete(address);
  }

  /** The socket to close. */
  oldestOfMost(): Socket | undefined {
    let most: Set<Socket> | undefined;
    for (const group of this.#groups.values()) if (group.size > (most?.size ?? 0)) most = group;
    return most?.values().next().value;
  }
}

export class NodeConnections {
  readonly #most: number;
  readonly #refuse: (socket: Socket, why: GatewayError) => void;
  readonly #addresses = new WeakMap<Socket, string>();
  readonly #silent = new ByAddress();
  readonly #strangers = new ByAddress();
  #open = 0;

  /** `most`: the cap. `refuse` ends a connection, with a reason where HTTP allows one. */
  constructor(most: number, refuse: (socket: Socket, why: GatewayError) => void) {
    this.#most = most;
    this.#refuse = refuse;
  }

  /** For the server’s `connection` event. */
  opened(socket: Socket): void {
    const address = networkOf(socket.remoteAddress ?? '');
    this.#addresses.set(socket, address);
    this.#silent.add(address, socket);
    this.#strangers.add(address, socket);
    this.#open++;
    socket.once('close', () => {
      this.#forget(socket, address);
      this.#open--;
    });
    if (this.#silent.size > mostSilent) this.#drop(this.#silent.oldestOfMost());
    // Where all others have a token, the new connection is the only one without.
    if (this.#open > this.#most) this.#drop(this.#strangers.oldestOfMost());
  }

  /** A whole request arrived, with or without a token. */
  heard(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address !== undefined) this.#silent.delete(address, socket);
  }

  /** A request arrived with a valid token. */
  known(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address !== undefined) this.#strangers.delete(address, socket);
  }

  #drop(socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.#forget(socket, this.#addresses.get(socket) ?? '');
    this.#refuse(socket, new GatewayError('overloaded', 'Too many connections are open: try again.'));
  }

  #forget(socket: Socket, address: string): void {
    this.#silent.delete(address, socket);
    this.#strangers.delete(address, socket);
  }
}
