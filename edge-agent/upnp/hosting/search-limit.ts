// Rate limit for search answers: SSDP must not amplify a small datagram with a forged sender (requirement Z10).

const perPeerMs = 1000;
const maxWaiting = 256;
const maxPeers = 1024;

/** Allows one set of answers per second for each peer and ST, and caps the answers that wait to be sent. */
export class SearchLimit {
  readonly #lastMs = new Map<string, number>();
  #waiting = 0;

  /** Whether to answer a search with this many datagrams; if so they count as waiting until `answered`. */
  allows(peer: string, target: string, answers: number, nowMs: number): boolean {
    const key = `${peer} ${target}`;
    const last = this.#lastMs.get(key);
    if (last !== undefined && nowMs - last < perPeerMs) return false;
    if (this.#waiting + answers > maxWaiting) return false;
    if (this.#lastMs.size >= maxPeers) this.#forget(nowMs);
    if (this.#lastMs.size >= maxPeers) return false;
    this.#lastMs.set(key, nowMs);
    this.#waiting += answers;
    return true;
  }

  /** Call once per sent answer. */
  answered(): void {
    this.#waiting--;
  }

  #forget(nowMs: number): void {
    for (const [key, last] of this.#lastMs) if (nowMs - last >= perPeerMs) this.#lastMs.delete(key);
  }
}
