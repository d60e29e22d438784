// Identical queued reads share one call (requirement C17: a phone serves one action at a time).

/** How long a caller waits. */
export interface ReadWait {
  /** The caller's deadline, on the clock of `performance.now()`. */
  readonly untilMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A call that is queued or in flight. */
interface SharedRead<Answer> {
  readonly answer: Promise<Answer>;
  readonly controller: AbortController;
  callers: number;
  /** The latest deadline of its callers. */
  untilMs: number;
}

/** The arguments of a call when its turn comes: the latest deadline, and a signal that is aborted when all callers gave up. */
export interface SharedCall {
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

export class SharedReads<Answer> {
  /** Queued calls only: the answer of a call already in flight may be older than the request. */
  readonly #waiting = new Map<string, SharedRead<Answer>>();

  /**
   * Returns the answer of a call that starts after this. `queue` puts a new call into the phone's queue, until its signal is
   * aborted, and runs `call` when its turn comes. A caller that gives up leaves the call to the others.
   * @throws what the call throws, to each caller; the reason of the caller's own signal
   */
  async read(
    key: string,
    { untilMs, signal }: ReadWait,
    queue: (call: () => Promise<Answer>, signal: AbortSignal) => Promise<Answer>,
    call: (shared: SharedCall) => Promise<Answer>,
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const shared = this.#waiting.get(key) ?? this.#begin(key, untilMs, queue, call);
    shared.callers++;
    shared.untilMs = Math.max(shared.untilMs, untilMs);
    if (signal === undefined) return shared.answer;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const onAbort = () => {
      reject(signal.reason);
      if (--shared.callers > 0) return;
      this.#close(key, shared);
      shared.controller.abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    shared.answer.then(resolve, reject);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** A change of the phone enters the queue: later reads must not share a call before it. */
  closeAll(): void {
    this.#waiting.clear();
  }

  #begin(
    key: string,
    untilMs: number,
    queue: (call: () => Promise<Answer>, signal: AbortSignal) => Promise<Answer>,
    call: (shared: SharedCall) => Promise<Answer>,
  ): SharedRead<Answer> {
    const controller = new AbortController();
    const { signal } = controller;
    const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>();
    const shared: SharedRead<Answer> = { answer, controller, callers: 0, untilMs };
    this.#waiting.set(key, shared);
    const begun = () => {
      this.#close(key, shared);
      return call({ untilMs: shared.untilMs, signal });
    };
    queue(begun, signal)
      .finally(() => this.#close(key, shared))
      .then(resolve, reject);
    // Each caller gets the failure by itself; if all gave up, nobody does.
    answer.catch(() => undefined);
    return shared;
  }

  #close(key: string, shared: SharedRead<Answer>): void {
    if (this.#waiting.get(key) === shared) this.#waiting.delete(key);
  }
}
