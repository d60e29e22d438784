// The store that the requests and objects of one isolate share. The first user starts it.
import type { Store } from '../store/store.ts';

export class SharedStore {
  readonly store: Store;
  #started: Promise<void> | undefined;

  constructor(store: Store) {
    this.store = store;
  }

  /** The started store. After a failed start the next caller tries again. */
  async open(): Promise<Store> {
    this.#started ??= this.store.start().catch((error) => {
      this.#started = undefined;
      throw error;
    });
    await this.#started;
    return this.store;
  }
}
