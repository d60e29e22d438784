// A process under test: supervised as in earnest (what ends is started again), killed and frozen as it comes.
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
  /** What it prints goes to `<name>.log` in here, and its clock's shift stands in `<name>.clock`. */
  readonly folder: string;
  /** Whether it may end by itself before it is ready: with no room on its disk nothing can start. */
  mayFailToStart?(): boolean;
  onMessage?(message: Readonly<Record<string, unknown>>): void;
}

const root = join(import.meta.dirname, '../..');
const reviveMs = 300;
/** Programs start in half the time; a round starts a dozen of them. */
const compileCache = join(tmpdir(), 'homeline-chaos-compile-cache');

export class Program {
  readonly name: string;
  /** How often it ended though nobody made it. */
  crashes = 0;
  readonly #options: ProgramOptions;
  readonly #clockFile: string;
  #child: ChildProcess | undefined;
  #wanted = false;
  /** Before it listens to the signal, the signal would end it. */
  #hasClock = false;
  #isReady = false;
  /** Of one that was killed before it was ready, the next start. */
  #ready = Promise.withResolvers<Readonly<Record<string, unknown>>>();

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clockFile = join(options.folder, `${options.name}.clock`);
  }

  /** Resolves with the program's own `ready` message, of this start or of the next. */
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
    // As `npm start` starts them.
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
        // What was written meanwhile is read now.
        this.#hasClock = true;
        child.kill('SIGUSR2');
      }
      this.#options.onMessage?.(message);
    });
    // A message to a process that was just killed.
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

  /** kill -9; resolves when it is gone. Nothing starts it again but start(). */
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

  /** Moves its clock by so much from the true time. */
  shiftClock(ms: number): void {
    writeFileSync(this.#clockFile, String(ms));
    if (this.#hasClock) this.#child?.kill('SIGUSR2');
  }

  /** False where the process is not there. */
  send(message: object): boolean {
    const child = this.#child;
    if (child?.connected !== true) return false;
    child.send(message, () => undefined);
    return true;
  }
}
