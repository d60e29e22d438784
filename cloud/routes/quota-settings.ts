// How much one token may use, and how often one address may be wrong; quotas.ts counts it.

/** Each is off at 0. */
export interface QuotaSettings {
  /** Requests a second of one token, over 10 seconds; a session of the dashboard has ten times as many. */
  readonly ratePerSecond: number;
  /** Messages that one token sends within 24 hours. */
  readonly sendsPerDay: number;
  /** Event streams that one token keeps open. */
  readonly streamsPerToken: number;
  /** MiB of answers that are kept for the Idempotency-Keys of one token, over 24 hours. */
  readonly idempotencyMib: number;
  /** Failed sign-ins, and requests with a token that is not in use, from one address. */
  readonly failedSignInsPerMinute: number;
  readonly badTokensPerMinute: number;
}

export const quotasUnlessTold: QuotaSettings = {
  ratePerSecond: 50,
  sendsPerDay: 10_000,
  streamsPerToken: 32,
  idempotencyMib: 16,
  failedSignInsPerMinute: 20,
  badTokensPerMinute: 500,
};
