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

/** First come, first served; of exclusive tasks, those that change the phone or conclude from its lists, one at a time. */
export class ActionQueue {
  readonly #options: QueueOptions;
  readonly #waiters: Waiter[] = [];
  #running = 0;
  #exclusive = false;

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
      return await task();
    } finally {
      this.#running--;
      if (exclusive) this.#exclusive = false;
      this.#next();
    }
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
  }
}
