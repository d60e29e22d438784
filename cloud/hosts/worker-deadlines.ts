// Deadlines of a Durable Object. A timer keeps its object in memory, which is billed, so only short deadlines are timers;
// long ones share the object's one alarm, which wakes it.
import type { Deadlines } from '../hub/hub-deps.ts';

/** Longer than any call may take (protocol/frames.ts), so that only deadlines of hours pay for an alarm. */
const longestTimerMs = 125_000;

/** The part of DurableObjectStorage that alarms need. */
export interface Alarms {
  /** Epoch milliseconds. */
  setAlarm(atMs: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

interface LongDeadline {
  atMs: number;
  fire(): void;
}

export class ObjectDeadlines implements Deadlines {
  readonly #alarms: Alarms;
  readonly #long = new Set<LongDeadline>();
  /** When the alarm rings; undefined when none is set. */
  #alarmMs: number | undefined;
  /** An alarm that was set before eviction. Its reason is not known any more, so no later deadline may replace it. */
  #earlierMs: number | undefined;

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  /** `atMs`: the alarm that is set already, epoch milliseconds; null: none. */
  resume(atMs: number | null): void {
    this.#earlierMs = atMs ?? undefined;
    this.#alarmMs = atMs ?? undefined;
  }

  after(ms: number, fire: () => void): () => void {
    if (ms <= longestTimerMs) {
      const timer = setTimeout(fire, ms);
      return () => clearTimeout(timer);
    }
    const deadline = { atMs: Date.now() + ms, fire };
    this.#long.add(deadline);
    this.#arm();
    return () => {
      if (this.#long.delete(deadline)) this.#arm();
    };
  }

  /** The alarm rang. Deadlines do not survive eviction; their owners set them again. */
  fireDue(): void {
    this.#alarmMs = undefined;
    this.#earlierMs = undefined;
    for (const deadline of [...this.#long]) {
      if (deadline.atMs > Date.now()) continue;
      this.#long.delete(deadline);
      deadline.fire();
    }
    this.#arm();
  }

  #arm(): void {
    const nextMs = Math.min(this.#earlierMs ?? Number.POSITIVE_INFINITY, ...[...this.#long].map(({ atMs }) => atMs));
    if (nextMs === (this.#alarmMs ?? Number.POSITIVE_INFINITY)) return;
    // Storage keeps the order of writes and holds back answers until they are durable, so there is nothing to await.
    if (nextMs === Number.POSITIVE_INFINITY) {
      this.#alarmMs = undefined;
      void this.#alarms.deleteAlarm();
    } else {
      this.#alarmMs = nextMs;
      void this.#alarms.setAlarm(nextMs);
    }
  }
}
