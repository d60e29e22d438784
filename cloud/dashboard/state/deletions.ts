// A deletion at the phone cannot be undone, so it waits a few seconds for “Undo”.
import { signal } from '@preact/signals';
import type { Message } from '../../../protocol/model.ts';
import type { Api } from '../api.ts';

/** How long a deletion can be undone. */
export const undoMs = 6_000;

export class Deletions {
  /** Messages with a pending deletion. */
  readonly planned = signal<ReadonlySet<string>>(new Set());
  readonly #api: Api;
  readonly #messagesPath: () => string;
  readonly #onDeleted: (id: string) => void;
  readonly #onFault: (fault: unknown) => void;
  /** Timer and URL by message; the URL belongs to the home that was shown when the user deleted. */
  readonly #plans = new Map<string, { timer: ReturnType<typeof setTimeout>; path: string }>();
  /** Closing the page carries out pending deletions. */
  readonly #carryOut = () => {
    for (const id of this.#plans.keys()) void this.#delete(id);
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
    for (const { timer } of this.#plans.values()) clearTimeout(timer);
    this.#plans.clear();
    this.planned.value = new Set();
  }

  plan(message: Message): void {
    this.planned.value = new Set(this.planned.value).add(message.id);
    const timer = setTimeout(() => void this.#delete(message.id), undoMs);
    this.#plans.set(message.id, { timer, path: `${this.#messagesPath()}/${message.id}` });
  }

  undo(message: Message): void {
    this.#drop(message.id);
    this.#show(message.id);
  }

  async #delete(id: string): Promise<void> {
    const path = this.#drop(id);
    if (path === undefined) return;
    try {
      await this.#api.delete(path);
      this.#onDeleted(id);
    } catch (fault) {
      this.#onFault(fault);
    } finally {
      this.#show(id);
    }
  }

  /** Ends the wait; returns the URL to delete. */
  #drop(id: string): string | undefined {
    const plan = this.#plans.get(id);
    clearTimeout(plan?.timer);
    this.#plans.delete(id);
    return plan?.path;
  }

  #show(id: string): void {
    const planned = new Set(this.planned.value);
    planned.delete(id);
    this.planned.value = planned;
  }
}
