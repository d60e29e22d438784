// A process under test: restarted when it exits, as in production, and killed or frozen by faults.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface ProgramOptions {
  readonly name: string;
  /** Relative to the repository. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  /** Modules to load first, relative to this folder. */
  readonly preload?: readonly string[];
  /** Holds its output in `<name>.log` and its clock shift in `<name>.clock`. */
  readonly folder: string;
  /** Whether it may exit before it is ready: with a full disk it cannot start. */
  mayFailToStart?(): boolean;
  onMessage?(message: Readonly<Record<string, unknown>>): void;
}

const root = join(import.meta.dirname, '../..');
const reviveMs = 300;
/** Halves the start time; a round starts a dozen programs. */
const compileCache = join(tmpdir(), 'homeline-chaos-compile-cache');

export class Program {
  readonly name: string;
  /** How often it exited by itself. */
  crashes = 0;
  readonly #options: ProgramOptions;
  readonly #clockFile: string;
  #child: ChildProcess | undefined;
  #wanted = false;
  /** Before it handles the signal, the signal would kill it. */
  #hasClock = false;
  #isReady = false;
  /** If it was killed before it was ready, the next start counts. */
  #ready = Promise.withResolvers<Readonly<Record<string, unknown>>>();

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clockFile = join(options.folder, `${options.name}.clock`);
  }

  /** Resolves with the program's `ready` message of this start or the next one. */
  get ready(): Promise<Readonly<Record<string, unknown>>> {
    return this.#ready.promise;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    this.#wanted = true;
    if (this.#child !== undefined) return;
    const { path, env, preload = [], folder } = this.#options;
    mkdirSync(dirname(this.#clockFile), { recursive: true });
    writeFileSync(this.#clockFile, '0', { flag: 'a' });
    const imports = ['clock.ts', ...preload].flatMap((name) => ['--import', join(import.meta.dirname, name)]);
    // Like `npm start`.
    const flags = ['--max-semi-space-size=16'];
    const child = spawn(process.execPath, [...flags, ...imports, join(root, path)], {
      cwd: folder,
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...env, CHAOS_CLOCK: this.#clockFile },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    const log = createWriteStream(join(folder, `${this.name}.log`), { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.on('message', (message: Readonly<Record<string, unknown>>) => {
      if (message.type === 'ready') {
        this.#isReady = true;
        this.#ready.resolve(message);
      }
      if (message.type === 'clock') {
        // Read what was written in the meantime.
        this.#hasClock = true;
        child.kill('SIGUSR2');
      }
      this.#options.onMessage?.(message);
    });
    // The process was just killed.
    child.on('error', () => undefined);
    child.once('close', (code, signal) => {
      log.end(`— ended: ${signal ?? code}\n`);
      this.#child = undefined;
      this.#hasClock = false;
      const failedToStart = !this.#isReady && this.#options.mayFailToStart?.() === true;
      if (this.#isReady) this.#ready = Promise.withResolvers();
      this.#isReady = false;
      if (!this.#wanted) return;
      if (!failedToStart) this.crashes++;
      void pause(reviveMs).then(() => this.#wanted && this.start());
    });
  }

  /** kill -9; resolves when the process has exited. Only start() starts it again. */
  async kill(): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** SIGSTOP for a while. */
  async freeze(forMs: number): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    await pause(forMs);
    child?.kill('SIGCONT');
  }

  /** Shifts its clock from the true time. */
  shiftClock(ms: number): void {
    writeFileSync(this.#clockFile, String(ms));
    if (this.#hasClock) this.#child?.kill('SIGUSR2');
  }

  /** False if the process does not run. */
  send(message: object): boolean {
    const child = this.#child;
    if (child?.connected !== true) return false;
    child.send(message, () => undefined);
    return true;
  }
}
