// Whether the agent at the other end of an open connection still answers. The heartbeat finds a dead one after two
// minutes and costs a hibernating host nothing; a frozen one is looked for only while somebody looks at the home.
import type { Clock } from '../store/clock.ts';
import type { Deadlines } from './hub-deps.ts';

/** An agent that sent something so recently is not probed. */
const freshMs = 4_000;
/** A page looks every 8 s, so that a frozen agent is seen within 15 s. May be too short for a very busy Raspberry Pi. */
const answerMs = 4_000;

export interface LivenessDeps {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Asks the agent to say something. */
  ping(): void;
  /** It fell silent, or answers again. */
  changed(): void;
}

export class Liveness {
  readonly #deps: LivenessDeps;
  #heardMs = Number.NEGATIVE_INFINITY;
  #cancelProbe: (() => void) | undefined;
  #silent = false;

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
  }

  get isSilent(): boolean {
    return this.#silent;
  }

  /** The agent said something, whatever it was. */
  heard(): void {
    this.#heardMs = this.#deps.clock.now();
    this.stop();
    if (!this.#silent) return;
    this.#silent = false;
    this.#deps.changed();
  }

  /** Somebody looks at the home, or waits for its agent. */
  probe(): void {
    if (this.#cancelProbe !== undefined || this.#silent) return;
    if (this.#deps.clock.now() - this.#heardMs < freshMs) return;
    this.#cancelProbe = this.#deps.deadlines.after(answerMs, () => {
      this.#cancelProbe = undefined;
      this.#silent = true;
      this.#deps.changed();
    });
    this.#deps.ping();
  }

  stop(): void {
    this.#cancelProbe?.();
    this.#cancelProbe = undefined;
  }
}
