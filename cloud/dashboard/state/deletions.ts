// Deleting a message reaches into the phone and cannot be taken back: so it waits a while for a change of mind.
import { signal } from '@preact/signals';
import type { Message } from '../../../protocol/model.ts';
import type { Api } from '../api.ts';

/** How long a deletion can be undone. */
export const undoMs = 6_000;

export class Deletions {
  /** The messages that are about to be deleted. */
  readonly planned = signal<ReadonlySet<string>>(new Set());
  readonly #api: Api;
  readonly #messagesPath: () => string;
  readonly #onDeleted: (id: string) => void;
  readonly #onFault: (fault: unknown) => void;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Who closes the page after asking for a deletion has not changed their mind. */
  readonly #carryOut = () => {
    for (const id of this.#timers.keys()) void this.#delete(id);
  };

  constructor(
    api: Api,
    messagesPath: () => string,
    outcome: { onDeleted: (id: string) => void; onFault: (fault: unknown) => void },
  ) {
    this.#api = api;
    this.#messagesPath = messagesPath;
    this.#onDeleted = outcome.onDeleted;
    this.#onFault = outcome.onFault;
  }

  start(): void {
    addEventListener('pagehide', this.#carryOut);
  }

  stop(): void {
    removeEventListener('pagehide', this.#carryOut);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.planned.value = new Set();
  }

  plan(message: Message): void {
    this.planned.value = new Set(this.planned.value).add(message.id);
    this.#timers.set(
      message.id,
      setTimeout(() => void this.#delete(message.id), undoMs),
    );
  }

  undo(message: Message): void {
    this.#forget(message.id);
  }

  async #delete(id: string): Promise<void> {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    try {
      await this.#api.delete(`${this.#messagesPath()}/${id}`);
      this.#onDeleted(id);
    } catch (fault) {
      this.#onFault(fault);
    } finally {
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    const planned = new Set(this.planned.value);
    planned.delete(id);
    this.planned.value = planned;
  }
}
