// One answer to SearchMessages on its way to the taker of its messages: in batches, within limits.
import { MessageListStream } from './list-stream.ts';
import type { ListRead, MessageEntry, TakeMessages } from './message-list.ts';

export interface ListLimits {
  readonly bytes: number;
  readonly messages: number;
}

/** Of one list, no more is read. A message is remembered by some 500 bytes of memory: 100,000 are what a small computer has. */
export const listLimits: ListLimits = { bytes: 256 * 1024 * 1024, messages: 100_000 };
/** A batch that waits for a slow phone is handed on after this, or when it is so long. */
const batch = { afterMs: 250, messages: 250, chars: 256 * 1024 } as const;

export class ListReading {
  readonly #list: MessageListStream;
  readonly #take: TakeMessages;
  readonly #limits: ListLimits;
  #batch: MessageEntry[] = [];
  #batchChars = 0;
  #takenMs = performance.now();
  #chars = 0;
  #count = 0;
  /** What the taker threw. */
  failure: unknown;

  constructor(device: string, take: TakeMessages, limits = listLimits) {
    this.#take = take;
    this.#limits = limits;
    const give = (entries: MessageEntry[]) => {
      this.#count += entries.length;
      for (const entry of entries) this.#batchChars += entry.xml.length;
      this.#batch.push(...entries);
    };
    this.#list = new MessageListStream({ context: { device, action: 'SearchMessages' }, give });
  }

  readonly read = async (text: string): Promise<boolean> => {
    this.#chars += text.length;
    if (this.#isOver) return false;
    this.#list.write(text);
    if (this.#list.isOver) return false;
    const isLong = this.#batch.length >= batch.messages || this.#batchChars >= batch.chars;
    if (isLong || performance.now() - this.#takenMs > batch.afterMs) await this.handOn();
    return true;
  };

  async end(isComplete: boolean): Promise<ListRead> {
    const list = this.#list.end();
    await this.handOn();
    const isOver = this.#isOver;
    return { ...list, isComplete: isComplete && list.isComplete && !isOver, ...(isOver && { isTooLong: true }) };
  }

  get #isOver(): boolean {
    return this.#chars > this.#limits.bytes || this.#count >= this.#limits.messages;
  }

  /** Hands on what was read so far. */
  async handOn(): Promise<void> {
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
