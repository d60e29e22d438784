// Blobs in a folder on disk. A blob is written to a temporary file, flushed and renamed, so that it is whole or absent,
// and text and name are on the disk before the store refers to them.
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { GatewayError } from '../../protocol/errors.ts';
import { type Blobs, expiringFolder } from './blobs.ts';

export class FolderBlobs implements Blobs {
  readonly #folder: string;
  #sweptOn = '';

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  async put(name: string, text: string): Promise<void> {
    const path = join(this.#folder, name);
    const draft = `${path}.${randomUUID()}`;
    try {
      const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
      // Flush every folder up to the one that already existed.
      const last = dirname(made ?? path);
      for (let at = path; at !== last; at = dirname(at)) await syncFolder(dirname(at));
    } catch (cause) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw new GatewayError('store-unavailable', `The folder ${this.#folder} does not take a text.`, { cause });
    }
    await this.#sweep(name);
  }

  async get(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, name), 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new GatewayError('store-unavailable', `The folder ${this.#folder} cannot be read.`, { cause });
    }
  }

  async delete(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true });
  }

  /** The first blob of a day triggers the deletion of blobs that expired before yesterday. */
  async #sweep(name: string): Promise<void> {
    const [folder, day = ''] = name.split('/');
    if (folder !== expiringFolder || day <= this.#sweptOn) return;
    this.#sweptOn = day;
    const expiring = join(this.#folder, expiringFolder);
    const yesterday = new Date(Date.parse(day) - 2 * 24 * 3_600_000).toISOString().slice(0, 10);
    for (const each of await readdir(expiring)) {
      if (each < yesterday) await rm(join(expiring, each), { recursive: true, force: true });
    }
  }
}

/** fsync of a file does not flush its name; the folder needs its own (fsync(2)). */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
