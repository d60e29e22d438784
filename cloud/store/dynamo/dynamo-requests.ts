// Requests under an Idempotency-Key: each runs once, and its answer is kept for 24 hours.
import { randomUUID } from 'node:crypto';
import type { BegunRequest, RequestStore } from '../request-store.ts';
import { beginOf, requestKeptMs } from '../rules/request-rules.ts';
import type { Batch } from './batch.ts';
import { type Key, keys } from './keys.ts';
import type { Records } from './records.ts';
import type { StoredRequest } from './stored.ts';

/** Cached requests in flight, which save `finish` a read. */
const mostBegun = 1_000;

interface Begun {
  revision: number;
  request: StoredRequest;
}

export class DynamoRequests implements RequestStore {
  readonly #records: Records;
  readonly #begun = new Map<string, Begun>();

  constructor(records: Records) {
    this.#records = records;
  }

  async begin(scope: string, key: string, fingerprint: string): Promise<BegunRequest> {
    const place = keys.request(scope, key);
    const nonce = randomUUID();
    let begun: Begun | undefined;
    let isRetry = false;
    const answer = await this.#records.change(async (batch, isFirst): Promise<BegunRequest> => {
      const nowMs = this.#records.clock.now();
      // Most requests are new: the first attempt saves the read.
      if (isFirst) batch.assume(place, 0, undefined);
      await batch.load([place]);
      const found = batch.get(place);
      if (found?.nonce === nonce) return { state: 'new', firstBegunMs: found.firstBegunMs, isRetry };
      const next = beginOf(found, fingerprint, { nowMs, isRunning: true });
      if (next.state !== 'new') return next;
      const { firstBegunMs } = next;
      isRetry = next.isRetry;
      const request: StoredRequest = { fingerprint, firstBegunMs, begunMs: nowMs, nonce };
      begun = { revision: batch.put(place, request, { expiresAtMs: firstBegunMs + requestKeptMs }), request };
      return next;
    });
    if (answer.state === 'new' && begun !== undefined) this.#remember(place, begun);
    return answer;
  }

  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void> {
    return this.#amend(scope, key, { answer });
  }

  /** Marks the request as stale, so that a retry may begin at once. */
  release(scope: string, key: string): Promise<void> {
    return this.#amend(scope, key, { begunMs: 0 });
  }

  #amend(scope: string, key: string, more: Partial<StoredRequest>): Promise<void> {
    const place = keys.request(scope, key);
    return this.#records.change(async (batch, isFirst) => {
      if (isFirst) this.#recall(batch, place);
      await batch.load([place]);
      const current = batch.get(place);
      if (current === undefined || current.answer !== undefined) return;
      batch.put(place, { ...current, ...more }, { expiresAtMs: current.firstBegunMs + requestKeptMs });
    });
  }

  abandon(scope: string, key: string): Promise<void> {
    const place = keys.request(scope, key);
    return this.#records.change(async (batch, isFirst) => {
      if (isFirst) this.#recall(batch, place);
      await batch.load([place]);
      if (batch.get(place)?.answer === undefined && batch.has(place)) batch.delete(place);
    });
  }

  #remember({ pk, sk }: Key<StoredRequest>, begun: Begun): void {
    this.#begun.set(`${pk}\n${sk}`, begun);
    const oldest = this.#begun.keys().next().value;
    if (this.#begun.size > mostBegun && oldest !== undefined) this.#begun.delete(oldest);
  }

  /** A stale cache entry makes the write conflict, which reads again. */
  #recall(batch: Batch, key: Key<StoredRequest>): void {
    const name = `${key.pk}\n${key.sk}`;
    const begun = this.#begun.get(name);
    if (begun !== undefined) batch.assume(key, begun.revision, begun.request);
    this.#begun.delete(name);
  }
}
