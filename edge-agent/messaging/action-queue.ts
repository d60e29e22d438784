// One queue a phone: many devices are single threaded, so few actions run at once and few wait (requirement C17).
import { GatewayError } from '../../protocol/errors.ts';

export interface QueueOptions {
  /** Actions under way at once. */
  readonly inFlight: number;
  /** Actions that wait; the next is refused with `too-many-requests`. */
  readonly waiting: number;
}

interface Waiter {
  readonly exclusive: boolean;
  begin(): void;
}

/** A long list was broken off because something else waited beside it. */
export class GaveWay extends Error {
  override readonly name = 'GaveWay';
}

/** First come, first served; of exclusive tasks, those that change the phone or conclude from its lists, one at a time. */
export class ActionQueue {
  readonly #options: QueueOptions;
  readonly #waiters: Waiter[] = [];
  #running = 0;
  #exclusive = false;
  /** The long list that is under way beside the actions. */
  #beside: { readonly controller: AbortController; readonly patienceMs: number } | undefined;
  #impatience: NodeJS.Timeout | undefined;
  readonly #besideWaiters: (() => void)[] = [];

  constructor(options: QueueOptions = { inFlight: 1, waiting: 256 }) {
    this.#options = options;
  }

  /**
   * Runs a task when its turn comes.
   * @throws GatewayError `too-many-requests` when too many wait; the signal's reason when it is aborted before its turn
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
   * Runs a long list of the phone beside its actions: it begins when nothing else is under way. A phone that serves one
   * request at a time makes an action wait for the list, so the list's signal is aborted, with `GaveWay`, when an action
   * beside it takes longer than `patienceMs`.
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

  /** Breaks off the list that is under way. */
  abortBeside(reason: Error): void {
    this.#beside?.controller.abort(reason);
  }

  /** From the start of an action on, or of the next where one follows the other without a pause. */
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

  /** The place is claimed before the waiter wakes, or somebody who comes in between would take it too. */
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
