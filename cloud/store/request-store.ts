// Requests under an Idempotency-Key, which the store keeps for 24 hours.

export type BegunRequest =
  /**
   * A retry keeps `firstBegunMs`: the ids of what the request creates derive from it and the key. With `isRetry`, an
   * earlier attempt may already have had its effect.
   */
  | { state: 'new'; firstBegunMs: number; isRetry: boolean }
  /** An earlier attempt is still running, or its process died and `staleMs` have not passed. */
  | { state: 'running' }
  | { state: 'conflict' }
  | { state: 'done'; status: number; body: string };

export interface RequestStore {
  /** `scope` is the token's id. A running request that has not finished within `staleMs` may be retried. */
  begin(scope: string, key: string, fingerprint: string): Promise<BegunRequest>;
  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void>;
  /** Ends the attempt of a request whose outcome is unknown: only a request of the same fingerprint may retry it. */
  release(scope: string, key: string): Promise<void>;
  /** Deletes a request that failed before it had any effect. */
  abandon(scope: string, key: string): Promise<void>;
}
