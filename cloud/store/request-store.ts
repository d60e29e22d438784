// Requests under an Idempotency-Key as the store keeps them: for 24 hours.

export type BegunRequest =
  /**
   * `firstBegunMs` stays the same when it is begun anew: from it and the key follows what the request makes. An earlier
   * attempt may have had its effect then.
   */
  | { state: 'new'; firstBegunMs: number; isRetry: boolean }
  /** The twin is still running, or its process died less than `expiresAtMs` ago. */
  | { state: 'running' }
  | { state: 'conflict' }
  | { state: 'done'; status: number; body: string };

export interface RequestStore {
  /** `scope` is the token's id. A running request that has not finished by `staleMs` may be begun anew. */
  begin(scope: string, key: string, fingerprint: string): Promise<BegunRequest>;
  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void>;
  /** Lets go of a request whose outcome is not known yet: only the same request may begin it again. */
  release(scope: string, key: string): Promise<void>;
  /** Forgets a request that failed before it had any effect. */
  abandon(scope: string, key: string): Promise<void>;
}
