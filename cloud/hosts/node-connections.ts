// Connections of the Node host: how many there may be, and who goes when there are too many. Strangers go before those
// who came with a token, and those of the address that holds most of them go first.
import type { Socket } from 'node:net';
import { GatewayError } from '../../protocol/errors.ts';
import { networkOf } from './client-network.ts';

/** Connections on which nothing was asked yet. An honest client asks within moments. */
const mostSilent = 1_000;

/** Sockets by the address from which they come, the oldest first. */
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

  /** The one to go. */
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

  /** `most`: how many connections there may be in all. `refuse` ends one of them, and says why where it can. */
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
    // With nobody but known ones, the newcomer is the only stranger.
    if (this.#open > this.#most) this.#drop(this.#strangers.oldestOfMost());
  }

  /** A whole request came, from a stranger or a token holder. */
  heard(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address !== undefined) this.#silent.delete(address, socket);
  }

  /** A request came with a token that is in use. */
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
