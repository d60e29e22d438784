// The settings of quotas.ts: limits per token and per client address.

/** 0 turns a quota off. */
export interface QuotaSettings {
  /** Requests per second and token, averaged over 10 seconds; a dashboard session has ten times as many. */
  readonly ratePerSecond: number;
  /** Sends per token within 24 hours. */
  readonly sendsPerDay: number;
  /** Open event streams per token. */
  readonly streamsPerToken: number;
  /** MiB of kept answers (Idempotency-Key) per token within 24 hours. */
  readonly idempotencyMib: number;
  /** Failed sign-ins and requests with an invalid token, per client address. */
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
