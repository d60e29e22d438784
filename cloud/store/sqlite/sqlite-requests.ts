// Requests under an Idempotency-Key: each runs once, and its answer is kept for 24 hours.
import type { Clock } from '../clock.ts';
import type { BegunRequest, RequestStore } from '../request-store.ts';
import { beginOf, type RequestState, requestKeptMs } from '../rules/request-rules.ts';
import type { SqliteEngine } from './engine.ts';

interface RequestRow {
  fingerprint: string;
  first_begun_ms: number;
  begun_ms: number;
  status: number | null;
  body: string | null;
}

export class SqliteRequests implements RequestStore {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;
  /** Requests that this process began. An earlier run of the process can no longer finish its own. */
  readonly #running = new Set<string>();

  constructor(engine: SqliteEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  async begin(scope: string, key: string, fingerprint: string): Promise<BegunRequest> {
    let isOurs = false;
    try {
      return await this.#engine.write(() => {
        const begun = this.#begin(scope, key, fingerprint);
        isOurs = begun.state === 'new';
        if (isOurs) this.#running.add(markOf(scope, key));
        return begun;
      });
    } catch (error) {
      if (isOurs) this.#running.delete(markOf(scope, key));
      throw error;
    }
  }

  #begin(scope: string, key: string, fingerprint: string): BegunRequest {
    const nowMs = this.#clock.now();
    const row = this.#engine.get<RequestRow>(
      'SELECT fingerprint, first_begun_ms, begun_ms, status, body FROM requests WHERE scope = ? AND key = ?',
      scope,
      key,
    );
    const isRunning = this.#running.has(markOf(scope, key));
    const begun = beginOf(row && toState(row), fingerprint, { nowMs, isRunning });
    if (begun.state === 'new') {
      this.#engine.run(
        'INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?, NULL, NULL)',
        scope,
        key,
        fingerprint,
        begun.firstBegunMs,
        nowMs,
      );
    }
    return begun;
  }

  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void> {
    this.#running.delete(markOf(scope, key));
    return this.#engine.write(() => {
      this.#engine.run(
        'UPDATE requests SET status = ?, body = ? WHERE scope = ? AND key = ? AND status IS NULL',
        answer.status,
        answer.body,
        scope,
        key,
      );
    });
  }

  /** A request that was begun, is not running and has no answer may be retried. */
  async release(scope: string, key: string): Promise<void> {
    this.#running.delete(markOf(scope, key));
  }

  abandon(scope: string, key: string): Promise<void> {
    this.#running.delete(markOf(scope, key));
    return this.#engine.write(() => {
      this.#engine.run('DELETE FROM requests WHERE scope = ? AND key = ? AND status IS NULL', scope, key);
    });
  }

  /** Deletes requests older than 24 hours. Call it within a write. */
  prune(): void {
    this.#engine.run('DELETE FROM requests WHERE first_begun_ms <= ?', this.#clock.now() - requestKeptMs);
  }
}

function toState(row: RequestRow): RequestState {
  return {
    fingerprint: row.fingerprint,
    firstBegunMs: row.first_begun_ms,
    begunMs: row.begun_ms,
    ...(row.status !== null && { answer: { status: row.status, body: row.body ?? '' } }),
  };
}

function markOf(scope: string, key: string): string {
  return `${scope} ${key}`;
}
