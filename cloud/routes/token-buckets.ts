// Token buckets: each key may use so much at once, and gets it back evenly over a window.
import type { Clock } from '../store/store.ts';

/** Keys that are remembered. Strangers choose theirs: the one that was used least recently is forgotten, and full again. */
const mostKeys = 10_000;

export interface Level {
  /** Whether there was as much as was asked for. */
  readonly isEnough: boolean;
  /** What is left, in whole units. */
  readonly left: number;
  /** Until as much as was asked for is there. */
  readonly waitMs: number;
  /** Until all of it is there again. */
  readonly fullMs: number;
}

interface Bucket {
  level: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #capacity: number;
  readonly #perMs: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  /** `capacity` comes back over `windowMs`. */
  constructor(capacity: number, windowMs: number, clock: Clock) {
    this.#capacity = capacity;
    this.#perMs = capacity / windowMs;
    this.#clock = clock;
  }

  /** Takes so much if it is there, and nothing if it is not. */
  take(key: string, amount = 1): Level {
    const bucket = this.#bucket(key);
    // Whoever waited as long as he was told must not be refused for a rounding.
    const isEnough = bucket.level + 1e-6 >= amount;
    if (isEnough) bucket.level -= amount;
    return {
      isEnough,
      left: Math.max(0, Math.floor(bucket.level)),
      waitMs: isEnough ? 0 : (amount - bucket.level) / this.#perMs,
      fullMs: (this.#capacity - bucket.level) / this.#perMs,
    };
  }

  /** Takes what was used already, below nothing if need be. */
  charge(key: string, amount: number): void {
    this.#bucket(key).level -= amount;
  }

  #bucket(key: string): Bucket {
    const nowMs = this.#clock.now();
    const known = this.#buckets.get(key);
    const passedMs = Math.max(0, nowMs - (known?.atMs ?? nowMs));
    const level = Math.min(this.#capacity, (known?.level ?? this.#capacity) + passedMs * this.#perMs);
    const bucket = { level, atMs: nowMs };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size > mostKeys && oldest !== undefined) this.#buckets.delete(oldest);
    return bucket;
  }
}
