// When to dial again: full jitter, so that a thousand agents whose cloud restarted do not come back at one moment.
import { BackOff, fullJitter } from '../../shared/back-off.ts';

export interface DialTimes {
  /** The first wait is a random part of this. */
  readonly firstMs: number;
  readonly capMs: number;
  /** A connection counts as stable after this and a random part of as much again. */
  readonly stableMs: number;
  /** After `replaced`: two agents of one home must not throw each other out in turn. */
  readonly replacedMs: number;
  /** After `revoked`, 401 and 403: only another token helps. */
  readonly refusedMs: number;
}

export const dialTimes: DialTimes = {
  firstMs: 1000,
  capMs: 30_000,
  stableMs: 30_000,
  replacedMs: 30_000,
  refusedMs: 15 * 60_000,
};

export class DialBackOff {
  readonly #times: DialTimes;
  readonly #random: () => number;
  readonly #failures: BackOff;
  readonly #putOffs: BackOff;

  constructor(times: DialTimes = dialTimes, random: () => number = Math.random) {
    this.#times = times;
    this.#random = random;
    const { firstMs, capMs } = times;
    this.#failures = new BackOff({ firstMs, capMs, spread: fullJitter }, random);
    this.#putOffs = new BackOff({ firstMs, capMs, spread: fullJitter }, random);
  }

  /** How long to wait before the next try, in milliseconds. */
  nextMs(): number {
    return this.#failures.nextMs();
  }

  /** The wait that a busy cloud asked for and some more, since it may have asked all agents for the same. */
  putOffMs(askedMs: number): number {
    return askedMs + this.#putOffs.nextMs();
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
    this.#failures.reset();
    this.#putOffs.reset();
  }
}
