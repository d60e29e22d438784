// A telephone hosted by GUPnP as a child process (gupnp_phone.py), and whether this machine can run it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// Debian's bindings belong to Debian's Python.
const python = '/usr/bin/python3';
const probe = "import gi; gi.require_version('GUPnP','1.6'); from gi.repository import GUPnP";

/** In CI this is an error instead of a skip. */
export function gupnpIsMissing(): boolean {
  if (process.env.CI) return false;
  const { status } = spawnSync(python, ['-c', probe]);
  if (status === 0) return false;
  console.log('Skipped: GUPnP is not here. On Debian: apt-get install gir1.2-gupnp-1.6 python3-gi');
  return true;
}

export interface GupnpMessage {
  id: string;
  class: string;
  from: string;
  body: string;
  /** Epoch seconds. */
  time: number;
}

/** A line of the telephone's standard output. */
export type Told = Record<string, unknown>;

export class GupnpPhone {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly told: Told[] = [];
  readonly #waiters = new Set<(told: Told) => void>();

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
  }

  static async start(options: { udn: string; version: 1 | 2; scpd: string }): Promise<GupnpPhone> {
    const folder = await mkdtemp(join(tmpdir(), 'homeline-gupnp-'));
    await writeFile(join(folder, 'scpd.xml'), options.scpd);
    const program = join(import.meta.dirname, 'gupnp_phone.py');
    const child = spawn(python, [program, folder, 'lo', String(options.version), options.udn], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const phone = new GupnpPhone(child, folder);
    await phone.next((told) => told.ready === true);
    return phone;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.stdin?.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(late);
    await rm(this.#folder, { recursive: true });
  }

  /** Delivers a message; the telephone notifies. */
  async receive(message: GupnpMessage): Promise<void> {
    await this.#wish({ receive: message }, (told) => told.received === message.id);
  }

  /** Delivers a message without a notification. */
  async receiveSilently(message: GupnpMessage): Promise<void> {
    await this.#wish({ silently: message }, (told) => told.received === message.id);
  }

  /** A sent message is listed at last, and the telephone notifies. */
  async appear(id: string): Promise<void> {
    await this.#wish({ appear: id }, (told) => told.appeared === id);
  }

  async forget(id: string): Promise<void> {
    await this.#wish({ forget: id }, (told) => told.forgotten === id);
  }

  /** Message id → whether it is marked read. */
  async readMarks(): Promise<Record<string, string>> {
    const told = await this.#wish({ status: true }, (each) => typeof each.read === 'object');
    return told.read as Record<string, string>;
  }

  /** The next line that `matches`. */
  next(matches: (told: Told) => boolean): Promise<Told> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('The GUPnP telephone said nothing of the kind.')), 10_000);
      const waiter = (told: Told) => {
        if (!matches(told)) return;
        clearTimeout(late);
        this.#waiters.delete(waiter);
        resolve(told);
      };
      this.#waiters.add(waiter);
    });
  }

  #wish(wish: unknown, matches: (told: Told) => boolean): Promise<Told> {
    const answer = this.next(matches);
    this.#child.stdin?.write(`${JSON.stringify(wish)}\n`);
    return answer;
  }

  #hear(line: string): void {
    const told: Told = JSON.parse(line);
    this.told.push(told);
    for (const waiter of [...this.#waiters]) waiter(told);
  }
}
