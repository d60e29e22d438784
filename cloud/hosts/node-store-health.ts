// Whether the store takes writes: logged once when it stops (a full disk, an engine that is away) and once when it works
// again, and shown on each home in between.
import type { Trouble } from '../../protocol/model.ts';
import type { Deadlines, Log } from '../hub/hub-deps.ts';
import { isUnavailable } from '../hub/store-absence.ts';
import { interceptStore } from '../store/intercept.ts';
import type { Store } from '../store/store.ts';

/** How often the store is tried again. */
const tryAgainMs = 2_000;

export class StoreHealth {
  /** The store that everybody must use: failures are noticed here. */
  readonly store: Store;
  readonly #log: Log;
  readonly #deadlines: Deadlines;
  #trouble: Trouble | undefined;
  #cancelTry: (() => void) | undefined;
  #stopped = false;

  constructor(store: Store, { log, deadlines }: { log: Log; deadlines: Deadlines }) {
    this.#log = log;
    this.#deadlines = deadlines;
    this.store = interceptStore(store, (operation, call) => {
      const answer = call();
      if (answer instanceof Promise && operation !== 'start') answer.catch((error) => this.#failed(error));
      return answer;
    });
  }

  /** The sentence for the household. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** From here on failures are caused by the stop and are not reported. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTry?.();
  }

  #failed(error: unknown): void {
    if (!isUnavailable(error) || this.#stopped) return;
    const isNews = this.#trouble === undefined;
    const detail =
      `The cloud cannot store anything now. ${error.message} New messages wait at home, and nothing is lost. ` +
      'Sending works again as soon as the cloud can store.';
    this.#trouble = { code: error.code, detail };
    if (!isNews) return;
    this.#log.error('store.unavailable', { error: error.message });
    this.#tryLater();
  }

  #tryLater(): void {
    this.#cancelTry = this.#deadlines.after(tryAgainMs, () => {
      this.store.ping().then(
        () => this.#recovered(),
        () => {
          if (!this.#stopped) this.#tryLater();
        },
      );
    });
  }

  #recovered(): void {
    this.#trouble = undefined;
    // A warning, because many operators log no lower level.
    this.#log.warn('store.available-again');
  }
}
