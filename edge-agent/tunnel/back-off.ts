// When to dial again: full jitter, so that a thousand agents whose cloud restarted do not come back at one moment.

export interface BackOffTimes {
  /** The first wait is a random part of this. */
  readonly firstMs: number;
  readonly capMs: number;
  /** A connection counts as stable after this and a random part of as much again. */
  readonly stableMs: number;
  /** After `replaced`: two agents of one home must not throw each other out in turn. */
  readonly replacedMs: number;
  /** After `revoked`, 401 and 403: nothing will change until somebody gives another token. */
  readonly refusedMs: number;
}

export const backOffTimes: BackOffTimes = {
  firstMs: 1000,
  capMs: 30_000,
  stableMs: 30_000,
  replacedMs: 30_000,
  refusedMs: 15 * 60_000,
};

export class BackOff {
  readonly #times: BackOffTimes;
  readonly #random: () => number;
  #failures = 0;
  #putOffs = 0;

  constructor(times: BackOffTimes = backOffTimes, random: () => number = Math.random) {
    this.#times = times;
    this.#random = random;
  }

  /** How long to wait before the next try, in milliseconds. */
  nextMs(): number {
    return this.#jitterMs(this.#failures++);
  }

  /** What a busy cloud asked for, and some on top, as it may have asked the same of all. How long it was away counts not. */
  putOffMs(askedMs: number): number {
    return askedMs + this.#jitterMs(this.#putOffs++);
  }

  replacedMs(): number {
    return this.#times.replacedMs * (1 + this.#random());
  }

  refusedMs(): number {
    return this.#times.refusedMs * (1 + 0.1 * this.#random());
  }

  /** A random part of what the cloud asked for when it said that it would close. */
  spreadMs(spreadMs: number): number {
    return this.#random() * spreadMs;
  }

  /** How long a connection must last before its failures are forgotten. */
  stableMs(): number {
    return this.#times.stableMs * (1 + this.#random());
  }

  forget(): void {
    this.#failures = 0;
    this.#putOffs = 0;
  }

  #jitterMs(before: number): number {
    return this.#random() * Math.min(this.#times.capMs, this.#times.firstMs * 2 ** Math.min(before, 20));
  }
}
