// Blobs in R2: texts that are too large for an item of the table.
import type { Blobs } from '../store/blobs.ts';

export class R2Blobs implements Blobs {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async put(name: string, text: string): Promise<void> {
    await this.#bucket.put(name, text);
  }

  async get(name: string): Promise<string | undefined> {
    return (await this.#bucket.get(name))?.text();
  }

  async delete(name: string): Promise<void> {
    await this.#bucket.delete(name);
  }
}
