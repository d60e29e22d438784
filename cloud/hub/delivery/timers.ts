// The two times at which a queue wakes by itself: to try again, and to give up what is late.
import { BackOff } from '../../../shared/back-off.ts';
import type { Clock } from '../../store/clock.ts';
import type { Deadlines } from '../hub-deps.ts';

const retryTimes = { firstMs: 5_000, capMs: 300_000 };
/** Timers of most hosts hold 31 bits of milliseconds; the queue looks at later ends again after a day. */
const longestWaitMs = 24 * 3_600_000;

type Wake = () => void;

/** One retry for all that waits. It backs off only when a wait ran out, not when a new send has all tried earlier. */
export class RetryTimer {
  readonly #deadlines: Deadlines;
  readonly #wake: Wake;
  readonly #backOff = new BackOff(retryTimes);
  #cancel: (() => void) | undefined;

  constructor(deadlines: Deadlines, wake: Wake) {
    this.#deadlines = deadlines;
    this.#wake = wake;
  }

  /** Keeps an earlier retry. */
  set(): void {
    this.#cancel ??= this.#deadlines.after(this.#backOff.currentMs(), () => {
      this.#cancel = undefined;
      this.#backOff.grow();
      this.#wake();
    });
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** After a success. */
  reset(): void {
    this.#backOff.reset();
  }
}

/** The earliest end of what waits. */
export class ExpiryTimer {
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #wake: Wake;
  #next: { atMs: number; cancel(): void } | undefined;

  constructor({ deadlines, clock }: { deadlines: Deadlines; clock: Clock }, wake: Wake) {
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** `overMs`: epoch milliseconds; null is never. */
  set(overMs: number | null): void {
    if (overMs === null) return;
    const nowMs = this.#clock.now();
    const atMs = Math.min(Math.max(overMs, nowMs) + 1, nowMs + longestWaitMs);
    if (this.#next !== undefined && this.#next.atMs <= atMs) return;
    this.#next?.cancel();
    const cancel = this.#deadlines.after(atMs - nowMs, () => {
      this.#next = undefined;
      this.#wake();
    });
    this.#next = { atMs, cancel };
  }

  /** After the ends could not be read. */
  setAgain(): void {
    this.set(this.#clock.now() + retryTimes.firstMs);
  }

  clear(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }
}
