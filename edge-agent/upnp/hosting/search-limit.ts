// How many search answers may leave: SSDP must not be a mirror that makes a small datagram large (requirement Z10).

const perAskerMs = 1000;
const maxWaiting = 256;
const maxAskers = 1024;

/** One set of answers a second to each address for the same ST, and a bounded number that wait for their moment. */
export class SearchLimit {
  readonly #lastMs = new Map<string, number>();
  #waiting = 0;

  /** Whether a search may be answered with so many datagrams; if so they count as waiting until `answered`. */
  allows(asker: string, target: string, answers: number, nowMs: number): boolean {
    const key = `${asker} ${target}`;
    const last = this.#lastMs.get(key);
    if (last !== undefined && nowMs - last < perAskerMs) return false;
    if (this.#waiting + answers > maxWaiting) return false;
    if (this.#lastMs.size >= maxAskers) this.#forget(nowMs);
    if (this.#lastMs.size >= maxAskers) return false;
    this.#lastMs.set(key, nowMs);
    this.#waiting += answers;
    return true;
  }

  /** One answer has left. */
  answered(): void {
    this.#waiting--;
  }

  #forget(nowMs: number): void {
    for (const [key, last] of this.#lastMs) if (nowMs - last >= perAskerMs) this.#lastMs.delete(key);
  }
}
