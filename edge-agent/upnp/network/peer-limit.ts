// Caps the connections of one peer, so that a peer that keeps them all open cannot shut others out. Requirements H24, Z20.
import type { Socket } from 'node:net';
import { canonicalAddress } from '../../../shared/ip-address.ts';

export class PeerLimit {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether the peer may have this connection too; if so it counts until it closes. */
  admits(socket: Socket): boolean {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    const count = this.#counts.get(peer) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(peer, count + 1);
    socket.once('close', () => {
      const left = (this.#counts.get(peer) ?? 1) - 1;
      if (left > 0) this.#counts.set(peer, left);
      else this.#counts.delete(peer);
    });
    return true;
  }
}
