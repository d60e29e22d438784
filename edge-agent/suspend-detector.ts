// Detects that the agent was suspended: a sleeping machine, a frozen process, or a clock that was set.

export interface SuspendDetectorOptions {
  /** Called with the suspended time in milliseconds. */
  onResumed(awayMs: number): void;
}

const everyMs = 1000;
/** Tolerance for a busy machine; a false alarm costs one request per phone. */
const toleranceMs = 1000;

export class SuspendDetector {
  readonly #options: SuspendDetectorOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SuspendDetectorOptions) {
    this.#options = options;
  }

  start(): void {
    let [elapsedMs, dateMs] = [performance.now(), Date.now()];
    this.#timer = setInterval(() => {
      // The monotonic clock stops while a machine is suspended, and the wall clock may be set back: use the larger.
      const passedMs = Math.max(performance.now() - elapsedMs, Date.now() - dateMs);
      [elapsedMs, dateMs] = [performance.now(), Date.now()];
      if (passedMs > everyMs + toleranceMs) this.#options.onResumed(passedMs - everyMs);
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
