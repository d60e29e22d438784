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
export class GaveWay extends Error {
  override readonly name = 'GaveWay';
}

/** First come, first served. Exclusive tasks, which change the phone or conclude from its lists, run one at a time. */
export class ActionQueue {
  readonly #options: QueueOptions;
  readonly #waiters: Waiter[] = [];
  #running = 0;
  #exclusive = false;
  /** The long list in flight beside the actions. */
  #beside: { readonly controller: AbortController; readonly patienceMs: number } | undefined;
  #impatience: NodeJS.Timeout | undefined;
  readonly #besideWaiters: (() => void)[] = [];

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
      this.#watchBeside();
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
  async runBeside<Result>(task: (signal: AbortSignal) => Promise<Result>, patienceMs: number): Promise<Result> {
    while (this.#beside !== undefined || this.#running > 0) {
      await new Promise<void>((resolve) => this.#besideWaiters.push(resolve));
    }
    const beside = { controller: new AbortController(), patienceMs };
    this.#beside = beside;
    try {
      return await task(beside.controller.signal);
    } catch (error) {
      throw beside.controller.signal.aborted ? beside.controller.signal.reason : error;
    } finally {
      this.#beside = undefined;
      clearTimeout(this.#impatience);
      this.#wakeBeside();
    }
  }

  /** Aborts the list in flight. */
  abortBeside(reason: Error): void {
    this.#beside?.controller.abort(reason);
  }

  /** Measured from the start of an action, and again from each one that follows without a pause. */
  #watchBeside(): void {
    const beside = this.#beside;
    if (beside === undefined || beside.patienceMs === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#impatience);
    this.#impatience = setTimeout(() => beside.controller.abort(new GaveWay('An action waited.')), beside.patienceMs);
  }

  #wakeBeside(): void {
    if (this.#running > 0 || this.#beside !== undefined) return;
    this.#besideWaiters.shift()?.();
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
    clearTimeout(this.#impatience);
    this.#wakeBeside();
  }
}
