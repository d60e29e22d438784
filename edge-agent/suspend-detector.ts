// Notices that the agent itself was stopped for a while: a suspended machine, a frozen process, a clock that was set.

export interface SuspendDetectorOptions {
  /** Told how long nothing ran here, milliseconds. */
  onResumed(awayMs: number): void;
}

const everyMs = 1000;
/** A busy machine is late too; what is done about it costs a request a phone. */
const patienceMs = 1000;

export class SuspendDetector {
  readonly #options: SuspendDetectorOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SuspendDetectorOptions) {
    this.#options = options;
  }

  start(): void {
    let [elapsedMs, dateMs] = [performance.now(), Date.now()];
    this.#timer = setInterval(() => {
      // The elapsed time stands still while a machine is suspended, and the date may be set back.
      const passedMs = Math.max(performance.now() - elapsedMs, Date.now() - dateMs);
      [elapsedMs, dateMs] = [performance.now(), Date.now()];
      if (passedMs > everyMs + patienceMs) this.#options.onResumed(passedMs - everyMs);
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
