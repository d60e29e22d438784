// A store that requests and objects of one isolate share: started once, by whoever comes first.
import type { Store } from '../store/store.ts';

export class SharedStore {
  readonly store: Store;
  #started: Promise<void> | undefined;

  constructor(store: Store) {
    this.store = store;
  }

  /** The store, started. A start that failed is tried again by the next who asks. */
  async open(): Promise<Store> {
    this.#started ??= this.store.start().catch((error) => {
      this.#started = undefined;
      throw error;
    });
    await this.#started;
    return this.store;
  }
}
