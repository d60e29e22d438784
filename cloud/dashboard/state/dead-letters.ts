// Dead letters: events that the cloud refused and the agent keeps. The household retries or discards them.
import { signal } from '@preact/signals';
import type { DeadLetter } from '../../../protocol/model.ts';
import type { Api, ApiPage } from '../api.ts';
import { coalesced } from './coalesced.ts';
import type { HomeState } from './home.ts';

export type RetryOutcome =
  | { outcome: 'stored' | 'waiting' }
  /** In plain words, like the dead letter's `reason`. */
  | { outcome: 'refused'; code: string; reason: string };

export class DeadLetterState {
  /** Undefined until the first answer. */
  readonly items = signal<readonly DeadLetter[] | undefined>(undefined);
  readonly next = signal<string | null>(null);
  readonly refresh = coalesced(() => this.#read());
  readonly #api: Api;
  readonly #home: HomeState;

  constructor(api: Api, home: HomeState) {
    this.#api = api;
    this.#home = home;
  }

  stop(): void {
    this.items.value = undefined;
    this.next.value = null;
  }

  async loadMore(): Promise<void> {
    const cursor = this.next.value;
    if (cursor === null) return;
    const page = await this.#page(cursor);
    this.items.value = [...(this.items.value ?? []), ...page.items];
    this.next.value = page.next;
  }

  async retry(letter: DeadLetter): Promise<RetryOutcome> {
    const outcome = await this.#api.post<RetryOutcome>(`${this.#path(letter)}/retry`);
    await this.refresh();
    return outcome;
  }

  async discard(letter: DeadLetter): Promise<void> {
    await this.#api.delete(this.#path(letter));
    await this.refresh();
  }

  async #read(): Promise<void> {
    const page = await this.#page(null);
    this.items.value = page.items;
    this.next.value = page.next;
  }

  #page(cursor: string | null): Promise<ApiPage<DeadLetter>> {
    return this.#api.get(this.#home.path('/dead-letters'), { cursor });
  }

  #path(letter: DeadLetter): string {
    return this.#home.path(`/dead-letters/${encodeURIComponent(letter.id)}`);
  }
}
