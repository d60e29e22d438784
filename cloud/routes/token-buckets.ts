// Token buckets: each key has a capacity that refills evenly over a window.
import type { Clock } from '../store/clock.ts';

/** Maximum number of keys. Strangers choose their keys, so the least recently used one is evicted, and is full again. */
const mostKeys = 10_000;

export interface Level {
  /** Whether the amount was available. */
  readonly isEnough: boolean;
  /** What is left, in whole units. */
  readonly left: number;
  /** Milliseconds until the requested amount is available. */
  readonly waitMs: number;
  /** Milliseconds until the bucket is full. */
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

  /** `capacity` refills over `windowMs`. */
  constructor(capacity: number, windowMs: number, clock: Clock) {
    this.#capacity = capacity;
    this.#perMs = capacity / windowMs;
    this.#clock = clock;
  }

  /** Takes the amount if it is available, otherwise nothing. */
  take(key: string, amount = 1): Level {
    const bucket = this.#bucket(key);
    // A client that waited for exactly `retryAfterMs` must not be refused because of rounding.
    const isEnough = bucket.level + 1e-6 >= amount;
    if (isEnough) bucket.level -= amount;
    return {
      isEnough,
      left: Math.max(0, Math.floor(bucket.level)),
      waitMs: isEnough ? 0 : (amount - bucket.level) / this.#perMs,
      fullMs: (this.#capacity - bucket.level) / this.#perMs,
    };
  }

  /** Takes an amount that was already used; the bucket may become negative. */
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
