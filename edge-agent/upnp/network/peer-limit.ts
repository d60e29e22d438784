// How many connections one neighbour may hold: whoever keeps all of his open shuts nobody else out. Requirements H24, Z20.
import type { Socket } from 'node:net';
import { canonicalAddress } from './address.ts';

export class PeerLimit {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether its peer may have this connection too; then it counts until it closes. */
  admits(socket: Socket): boolean {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    const held = this.#held.get(peer) ?? 0;
    if (held >= this.#most) return false;
    this.#held.set(peer, held + 1);
    socket.once('close', () => {
      const left = (this.#held.get(peer) ?? 1) - 1;
      if (left > 0) this.#held.set(peer, left);
      else this.#held.delete(peer);
    });
    return true;
  }
}
