// What time it is: by the agent's clock while it agrees with the cloud's, else by the cloud's.

/** A small machine has no battery for its clock, and a household sets it by hand; more than this is no delay of the network. */
const agreementMs = 60_000;

export class HouseClock {
  /** The cloud's time, and when it was told on the clock of `performance.now()`, which nobody sets. */
  #cloud: { readonly ms: number; readonly atMs: number } | undefined;

  /** The cloud has said its time. */
  onWelcome({ time }: { readonly time: string }): void {
    this.#cloud = { ms: Date.parse(time), atMs: performance.now() };
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    const ownMs = Date.now();
    if (this.#cloud === undefined) return ownMs;
    const cloudMs = Math.round(this.#cloud.ms + performance.now() - this.#cloud.atMs);
    return Math.abs(ownMs - cloudMs) <= agreementMs ? ownMs : cloudMs;
  }
}
