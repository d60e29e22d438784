// Whether the agent of an open connection still answers. Heartbeats find a dead connection after two minutes and cost a
// hibernating host nothing; a frozen agent is probed for only while a user looks at the home.
import type { Clock } from '../store/clock.ts';
import type { Deadlines } from './hub-deps.ts';

/** An agent that sent a frame within this time is not probed. */
const freshMs = 4_000;
/** A page asks every 8 s, so it shows a frozen agent within 15 s. May be too short for a very busy Raspberry Pi. */
const answerMs = 4_000;

export interface LivenessDeps {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Sends the agent a `ping`. */
  ping(): void;
  /** The agent stopped answering, or answers again. */
  changed(): void;
}

export class Liveness {
  readonly #deps: LivenessDeps;
  #receivedMs = Number.NEGATIVE_INFINITY;
  #cancelProbe: (() => void) | undefined;
  #silent = false;

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
  }

  get isSilent(): boolean {
    return this.#silent;
  }

  /** A frame of any kind arrived. */
  noteReceived(): void {
    this.#receivedMs = this.#deps.clock.now();
    this.stop();
    if (!this.#silent) return;
    this.#silent = false;
    this.#deps.changed();
  }

  /** A user looks at the home, or a request waits for its agent. */
  probe(): void {
    if (this.#cancelProbe !== undefined || this.#silent) return;
    if (this.#deps.clock.now() - this.#receivedMs < freshMs) return;
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
