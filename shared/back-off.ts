// How long to wait before another try: doubled with each failure up to a cap, and spread where many would come back
// at one moment. Exponential back-off and jitter: AWS Architecture Blog, 2015.

export interface BackOffTimes {
  readonly firstMs: number;
  readonly capMs: number;
  /** Each wait is multiplied by a random factor of this range; never unless told. */
  readonly spread?: readonly [least: number, most: number];
}

/** Any time up to the whole wait: for clients that lost one server together. */
export const fullJitter = [0, 1] as const;

/** Doubling more often only overflows. */
const mostDoublings = 40;

/** The wait after so many failures in a row before this one, in milliseconds. */
export function backOffMs(times: BackOffTimes, failuresBefore: number, random: () => number = Math.random): number {
  const { firstMs, capMs, spread } = times;
  const wholeMs = Math.min(capMs, firstMs * 2 ** Math.min(failuresBefore, mostDoublings));
  if (spread === undefined) return wholeMs;
  const [least, most] = spread;
  return wholeMs * (least + random() * (most - least));
}

/** The waits of one thing that is tried again until it succeeds. */
export class BackOff {
  readonly #times: BackOffTimes;
  readonly #random: () => number;
  #failures = 0;

  /** @param random from 0 to less than 1 */
  constructor(times: BackOffTimes, random: () => number = Math.random) {
    this.#times = times;
    this.#random = random;
  }

  /** The next wait, in milliseconds; the one after it is longer. */
  nextMs(): number {
    const waitMs = this.currentMs();
    this.grow();
    return waitMs;
  }

  /** The next wait, in milliseconds, which stays as it is: for a wait that may be cut short and then proves nothing. */
  currentMs(): number {
    return backOffMs(this.#times, this.#failures, this.#random);
  }

  grow(): void {
    this.#failures++;
  }

  /** After a success. */
  reset(): void {
    this.#failures = 0;
  }
}
