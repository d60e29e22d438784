// Reads one answer to SearchMessages and passes its messages on in batches, within caps.
import { MessageListStream } from './list-stream.ts';
import type { ListRead, MessageEntry, TakeMessages } from './message-list.ts';

export interface ListLimits {
  readonly bytes: number;
  readonly messages: number;
}

/** Caps for one list. A known message takes about 500 bytes of memory, so 100,000 fit a small computer. */
export const listLimits: ListLimits = { bytes: 256 * 1024 * 1024, messages: 100_000 };
/** A batch is passed on after this time or size. */
const batch = { afterMs: 250, messages: 250, chars: 256 * 1024 } as const;

export class ListReader {
  readonly #list: MessageListStream;
  readonly #take: TakeMessages;
  readonly #limits: ListLimits;
  #batch: MessageEntry[] = [];
  #batchChars = 0;
  #takenMs = performance.now();
  #chars = 0;
  #count = 0;
  /** What `take` threw. */
  failure: unknown;

  constructor(device: string, take: TakeMessages, limits = listLimits) {
    this.#take = take;
    this.#limits = limits;
    const emit = (entries: MessageEntry[]) => {
      this.#count += entries.length;
      for (const entry of entries) this.#batchChars += entry.xml.length;
      this.#batch.push(...entries);
    };
    this.#list = new MessageListStream({ context: { device, action: 'SearchMessages' }, emit });
  }

  readonly read = async (text: string): Promise<boolean> => {
    this.#chars += text.length;
    if (this.#isOver) return false;
    this.#list.write(text);
    if (this.#list.isOver) return false;
    const isLong = this.#batch.length >= batch.messages || this.#batchChars >= batch.chars;
    if (isLong || performance.now() - this.#takenMs > batch.afterMs) await this.flush();
    return true;
  };

  async end(isComplete: boolean): Promise<ListRead> {
    const list = this.#list.end();
    await this.flush();
    const isOver = this.#isOver;
    return { ...list, isComplete: isComplete && list.isComplete && !isOver, ...(isOver && { isTooLong: true }) };
  }

  get #isOver(): boolean {
    return this.#chars > this.#limits.bytes || this.#count >= this.#limits.messages;
  }

  /** Passes the current batch on. */
  async flush(): Promise<void> {
    if (this.failure !== undefined) return;
    const entries = this.#batch;
    this.#batch = [];
    this.#batchChars = 0;
    this.#takenMs = performance.now();
    if (entries.length === 0) return;
    try {
      await this.#take(entries);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
