// A mutex per key, first come first served. Many devices serve one action at a time (C17).
import { UpnpError } from '../error.ts';

const maxWaiting = 64;

export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();

  /**
   * Waits for the turn and resolves to the function that releases it, which must be called once.
   * @throws UpnpError unreachable and not-done when too many wait, on timeout and on abort
   */
  take(key: string, timeoutMs: number, signal: AbortSignal): Promise<() => void> {
    const queue = this.#waiting.get(key);
    if (queue === undefined) {
      this.#waiting.set(key, []);
      return Promise.resolve(() => this.#passOn(key));
    }
    if (signal.aborted) return Promise.reject(notDone('Aborted while waiting for the device'));
    if (queue.length >= maxWaiting) return Promise.reject(notDone('Too many requests wait for the device'));
    return new Promise((resolve, reject) => {
      const begin = () => {
        leave();
        resolve(() => this.#passOn(key));
      };
      const giveUp = (reason: string) => {
        leave();
        queue.splice(queue.indexOf(begin), 1);
        reject(notDone(reason));
      };
      const onAbort = () => giveUp('Aborted while waiting for the device');
      const timer = setTimeout(() => giveUp('The device was busy until the deadline'), timeoutMs);
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      signal.addEventListener('abort', onAbort);
      queue.push(begin);
    });
  }

  #passOn(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}

function notDone(reason: string): UpnpError {
  return new UpnpError('unreachable', reason, { outcome: 'not-done' });
}
