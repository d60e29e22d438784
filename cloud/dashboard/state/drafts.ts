// Unsent texts by conversation.
import { signal } from '@preact/signals';

export class Drafts {
  readonly #texts = signal<ReadonlyMap<string, string>>(new Map());

  get(key: string): string {
    return this.#texts.value.get(key) ?? '';
  }

  set(key: string, text: string): void {
    const texts = new Map(this.#texts.value);
    if (text === '') texts.delete(key);
    else texts.set(key, text);
    this.#texts.value = texts;
  }

  stop(): void {
    this.#texts.value = new Map();
  }
}
