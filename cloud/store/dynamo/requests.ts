// Requests under an Idempotency-Key: begun once, answered the same for 24 hours.
import { randomUUID } from 'node:crypto';
import type { BegunRequest } from '../store.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';
import type { StoredRequest } from './stored.ts';

const keptMs = 24 * 3_600_000;
/** Over the longest deadline of a call (120 s): by then the process that began it is gone. */
const staleMs = 180_000;

export class DynamoRequests {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  begin(scope: string, key: string, fingerprint: string): Promise<BegunRequest> {
    const place = keys.request(scope, key);
    const nonce = randomUUID();
    return this.#records.change(async (batch): Promise<BegunRequest> => {
      const nowMs = this.#records.clock.now();
      await batch.load([place]);
      const found = batch.get(place);
      const current = found !== undefined && nowMs < found.firstBegunMs + keptMs ? found : undefined;
      if (current !== undefined) {
        if (current.nonce === nonce) return { state: 'new', firstBegunMs: current.firstBegunMs };
        if (current.fingerprint !== fingerprint) return { state: 'conflict' };
        if (current.answer !== undefined) return { state: 'done', ...current.answer };
        if (nowMs < current.begunMs + staleMs) return { state: 'running' };
      }
      const firstBegunMs = current?.firstBegunMs ?? nowMs;
      const request: StoredRequest = { fingerprint, firstBegunMs, begunMs: nowMs, nonce };
      batch.put(place, request, { expiresAtMs: firstBegunMs + keptMs });
      return { state: 'new', firstBegunMs };
    });
  }

  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void> {
    const place = keys.request(scope, key);
    return this.#records.change(async (batch) => {
      await batch.load([place]);
      const current = batch.get(place);
      if (current === undefined || current.answer !== undefined) return;
      batch.put(place, { ...current, answer }, { expiresAtMs: current.firstBegunMs + keptMs });
    });
  }

  abandon(scope: string, key: string): Promise<void> {
    const place = keys.request(scope, key);
    return this.#records.change(async (batch) => {
      await batch.load([place]);
      if (batch.get(place)?.answer === undefined && batch.has(place)) batch.delete(place);
    });
  }
}
