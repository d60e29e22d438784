// A small disk for each process under test, which can be filled: a tmpfs if this user may mount one.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const chunk = Buffer.alloc(1024 * 1024);

export class Disk {
  readonly folder: string;
  readonly #mounted: boolean;

  private constructor(folder: string, mounted: boolean) {
    this.folder = folder;
    this.#mounted = mounted;
  }

  /** Creates the folder, as a separate disk if mounting is allowed. */
  static make(folder: string, sizeMib: number): Disk {
    mkdirSync(folder, { recursive: true });
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', folder], { encoding: 'utf8' });
    if (mount.status !== 0) {
      process.stderr.write(`Disks are not filled: no tmpfs can be mounted at ${folder} (${mount.stderr}).\n`);
    }
    return new Disk(folder, mount.status === 0);
  }

  get canFill(): boolean {
    return this.#mounted;
  }

  get isFull(): boolean {
    return existsSync(this.#filler);
  }

  /** Fills the disk to the last byte, until `free`. */
  fill(): void {
    if (!this.#mounted) return;
    const filler = openSync(this.#filler, 'w');
    for (const bytes of [chunk, chunk.subarray(0, 4096), chunk.subarray(0, 1)]) {
      try {
        for (;;) if (writeSync(filler, bytes) < bytes.length) break;
      } catch {
        // No space left: a smaller piece may still fit.
      }
    }
    closeSync(filler);
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    if (this.#mounted) spawnSync('umount', ['-l', this.folder]);
  }

  get #filler(): string {
    return join(this.folder, 'filler');
  }
}
