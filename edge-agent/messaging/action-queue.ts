// One queue per phone: many devices are single-threaded, so few actions run and few wait (requirement C17).
import { GatewayError } from '../../protocol/errors.ts';

export interface QueueOptions {
  /** Actions in flight at once. */
  readonly inFlight: number;
  /** Queued actions; over this cap an action is refused with `too-many-requests`. */
  readonly waiting: number;
}

interface Waiter {
  readonly exclusive: boolean;
  begin(): void;
}

/** A long list was aborted because an action was waiting beside it. */
export class Preempted extends Error {
  override readonly name = 'GaveWay';
}

/** First come, first served. Exclusive tasks, which change the phone or conclude from its lists, run one at a time. */
export class ActionQueue {
  readonly #options: QueueOptions;
  readonly #waiters: Waiter[] = [];
  #running = 0;
  #exclusive = false;
  /** The long list in flight beside the actions. */
  #preemptible: { readonly controller: AbortController; readonly preemptAfterMs: number } | undefined;
  #preemptTimer: NodeJS.Timeout | undefined;
  readonly #preemptibleWaiters: (() => void)[] = [];

  constructor(options: QueueOptions = { inFlight: 1, waiting: 256 }) {
    this.#options = options;
  }

  /**
   * Runs a task when its turn comes.
   * @throws GatewayError `too-many-requests` when the queue is full; the signal's reason when aborted before its turn
   */
  async run<Result>(
    task: () => Promise<Result>,
    options: { exclusive: boolean; signal?: AbortSignal },
  ): Promise<Result> {
    const { exclusive, signal } = options;
    signal?.throwIfAborted();
    if (this.#waiters.length === 0 && this.#mayBegin(exclusive)) this.#claim(exclusive);
    else await this.#wait(exclusive, signal);
    try {
      this.#armPreemption();
      return await task();
    } finally {
      this.#running--;
      if (exclusive) this.#exclusive = false;
      this.#next();
    }
  }

  /**
   * Runs a long list beside the queue, starting when no action is in flight. A phone that serves one request at a time makes
   * an action wait for the list, so the list is aborted with `GaveWay` when an action takes longer than `patienceMs`.
   */
  async runPreemptible<Result>(
    task: (signal: AbortSignal) => Promise<Result>,
    preemptAfterMs: number,
  ): Promise<Result> {
    while (this.#preemptible !== undefined || this.#running > 0) {
      await new Promise<void>((resolve) => this.#preemptibleWaiters.push(resolve));
    }
    const preemptible = { controller: new AbortController(), preemptAfterMs };
    this.#preemptible = preemptible;
    try {
      return await task(preemptible.controller.signal);
    } catch (error) {
      throw preemptible.controller.signal.aborted ? preemptible.controller.signal.reason : error;
    } finally {
      this.#preemptible = undefined;
      clearTimeout(this.#preemptTimer);
      this.#wakePreemptible();
    }
  }

  /** Aborts the list in flight. */
  abortPreemptible(reason: Error): void {
    this.#preemptible?.controller.abort(reason);
  }

  /** Measured from the start of an action, and again from each one that follows without a pause. */
  #armPreemption(): void {
    const preemptible = this.#preemptible;
    if (preemptible === undefined || preemptible.preemptAfterMs === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#preemptTimer);
    this.#preemptTimer = setTimeout(
      () => preemptible.controller.abort(new Preempted('An action waited.')),
      preemptible.preemptAfterMs,
    );
  }

  #wakePreemptible(): void {
    if (this.#running > 0 || this.#preemptible !== undefined) return;
    this.#preemptibleWaiters.shift()?.();
  }

  #mayBegin(exclusive: boolean): boolean {
    return this.#running < this.#options.inFlight && !(exclusive && this.#exclusive);
  }

  #claim(exclusive: boolean): void {
    this.#running++;
    if (exclusive) this.#exclusive = true;
  }

  #wait(exclusive: boolean, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiters.length >= this.#options.waiting) {
      throw new GatewayError('too-many-requests', 'Too many actions wait for this phone.', { retryAfterMs: 1000 });
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
        this.#next();
      };
      const waiter: Waiter = {
        exclusive,
        begin: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The slot is claimed before the waiter wakes; otherwise a new task could take it in between. */
  #next(): void {
    for (
      let first = this.#waiters[0];
      first !== undefined && this.#mayBegin(first.exclusive);
      first = this.#waiters[0]
    ) {
      this.#waiters.shift();
      this.#claim(first.exclusive);
      first.begin();
    }
    if (this.#running > 0) return;
    clearTimeout(this.#preemptTimer);
    this.#wakePreemptible();
  }
}
