// One part (cloud, phone or agent) as a child process: starts, supervises and stops it.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface PartOptions {
  name: string;
  /** The path of the program; it inherits this process's Node flags. */
  program: string;
  env: Readonly<Record<string, string | undefined>>;
  /** One printed line, from stdout or (a fault) stderr. */
  print(part: string, line: string, isFault: boolean): void;
  /** It exited without being stopped. */
  onDeath(reason: string): void;
}

/** An IPC message of a part. */
export interface PartMessage {
  type: string;
  [field: string]: unknown;
}

export class Part {
  readonly #options: PartOptions;
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(options: PartOptions) {
    this.#options = options;
  }

  /** Starts the process and returns its `ready` message. @throws PartFailure if it exits before */
  start(): Promise<PartMessage> {
    const { name, program, env } = this.#options;
    // A separate process group: the terminal's Ctrl-C reaches only the starter, which stops the parts in order.
    // If the starter is killed, the closed IPC channel stops the part.
    const child = spawn(process.execPath, [...process.execArgv, program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    this.#child = child;
    this.#stopping = false;
    this.#printLines(child.stdout, false);
    this.#printLines(child.stderr, true);
    return new Promise((resolve, reject) => {
      let ready = false;
      child.on('message', (message: PartMessage) => {
        if (message.type !== 'ready') return;
        ready = true;
        resolve(message);
      });
      child.once('error', (error) => reject(new PartFailure(name, 1, error.message)));
      child.once('close', (code, signal) => {
        if (this.#child === child) this.#child = undefined;
        const reason = signal === null ? `exit code ${code}` : `signal ${signal}`;
        if (!ready) reject(new PartFailure(name, code ?? 1, reason));
        else if (!this.#stopping) this.#options.onDeath(reason);
      });
    });
  }

  /** Sends a message and returns the first reply of type `answer`. */
  ask(message: PartMessage, answer: string): Promise<PartMessage> {
    const child = this.#child;
    if (child === undefined) return Promise.reject(new PartFailure(this.#options.name, 1, 'it is not running'));
    return new Promise((resolve, reject) => {
      const onMessage = (reply: PartMessage) => {
        if (reply.type !== answer) return;
        child.off('message', onMessage);
        child.off('close', onClose);
        resolve(reply);
      };
      const onClose = () => reject(new PartFailure(this.#options.name, 1, 'it ended instead of answering'));
      child.on('message', onMessage);
      child.once('close', onClose);
      child.send(message);
    });
  }

  /** Stops the process; kills it after `graceMs`. Resolves when it has exited. */
  stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = setTimeout(() => child.kill('SIGKILL'), graceMs);
      child.once('close', () => {
        clearTimeout(deadline);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }

  #printLines(stream: Readable | null, isFault: boolean): void {
    if (stream === null) return;
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
      this.#options.print(this.#options.name, line, isFault),
    );
  }
}

/** A part could not start or has exited; its output has already been shown. */
export class PartFailure extends Error {
  readonly part: string;
  readonly exitCode: number;

  constructor(part: string, exitCode: number, reason: string) {
    super(`The ${part} did not start: ${reason}.`);
    this.name = 'PartFailure';
    this.part = part;
    this.exitCode = exitCode;
  }
}
