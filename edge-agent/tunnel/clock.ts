// The time by the agent's clock while it agrees with the cloud's clock, else by the cloud's.

/** More than a network delay: a small machine has no battery for its clock, and people set it by hand. */
const agreementMs = 60_000;

export class HouseClock {
  /** The cloud's time, and when it arrived by `performance.now()`, which cannot be set. */
  #cloud: { readonly ms: number; readonly atMs: number } | undefined;

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
