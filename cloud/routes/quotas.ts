// Quotas per token, and failed attempts per client address. Counted in memory: per process on Node, per isolate on
// Workers. A restart resets them; forcing one costs an attacker more than it gains.
import { GatewayError } from '../../protocol/errors.ts';
import type { Clock } from '../store/clock.ts';
import type { TokenRecord } from '../store/token-store.ts';
import { type QuotaSettings, quotasUnlessTold } from './quota-settings.ts';
import { type Level, TokenBuckets } from './token-buckets.ts';

/** A burst: loading the page, or reading a long thread to its end, stays below the limit. */
const burstSeconds = 10;
const dashboardShare = 10;
const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;
const mib = 1024 * 1024;

/** A policy of the RateLimit fields (draft-ietf-httpapi-ratelimit-headers): name, quota and window. */
interface Policy {
  readonly name: string;
  readonly quota: number;
  readonly windowMs: number;
  readonly buckets: TokenBuckets;
}

/** Appends a response header. */
export type SetHeader = (name: string, value: string) => void;

export class Quotas {
  readonly #requests: Policy | undefined;
  readonly #dashboard: Policy | undefined;
  readonly #sends: Policy | undefined;
  readonly #answers: TokenBuckets | undefined;
  readonly #signIns: TokenBuckets | undefined;
  readonly #badTokens: TokenBuckets | undefined;
  readonly #mostStreams: number;
  readonly #streams = new Map<string, number>();

  /** Missing fields default to `quotasUnlessTold`. */
  constructor(given: Partial<QuotaSettings>, clock: Clock) {
    const settings: QuotaSettings = {
      ratePerSecond: given.ratePerSecond ?? quotasUnlessTold.ratePerSecond,
      sendsPerDay: given.sendsPerDay ?? quotasUnlessTold.sendsPerDay,
      streamsPerToken: given.streamsPerToken ?? quotasUnlessTold.streamsPerToken,
      idempotencyMib: given.idempotencyMib ?? quotasUnlessTold.idempotencyMib,
      failedSignInsPerMinute: given.failedSignInsPerMinute ?? quotasUnlessTold.failedSignInsPerMinute,
      badTokensPerMinute: given.badTokensPerMinute ?? quotasUnlessTold.badTokensPerMinute,
    };
    const buckets = (quota: number, windowMs: number) =>
      quota === 0 ? undefined : new TokenBuckets(quota, windowMs, clock);
    const policy = (name: string, quota: number, windowMs: number): Policy | undefined => {
      const made = buckets(quota, windowMs);
      return made && { name, quota, windowMs, buckets: made };
    };
    const burst = settings.ratePerSecond * burstSeconds;
    this.#requests = policy('requests', burst, burstSeconds * 1000);
    this.#dashboard = policy('requests', burst * dashboardShare, burstSeconds * 1000);
    this.#sends = policy('sends', settings.sendsPerDay, dayMs);
    this.#answers = buckets(settings.idempotencyMib * mib, dayMs);
    this.#signIns = buckets(settings.failedSignInsPerMinute, minuteMs);
    this.#badTokens = buckets(settings.badTokensPerMinute, minuteMs);
    this.#mostStreams = settings.streamsPerToken === 0 ? Number.POSITIVE_INFINITY : settings.streamsPerToken;
  }

  /** Counts a request of this token and sets the RateLimit fields. @throws GatewayError `too-many-requests` */
  takeRequest({ id, kind }: TokenRecord, header: SetHeader): void {
    const policy = kind === 'session' ? this.#dashboard : this.#requests;
    if (policy !== undefined) this.#take(header, policy, id, 'This token has asked more often than it may.');
  }

  /** Counts a send of this token, before anything is stored. @throws GatewayError `too-many-requests` */
  takeSend(token: string, header: SetHeader): void {
    if (this.#sends === undefined) return;
    const words = `This token has sent ${this.#sends.quota} messages within 24 hours, and may not send more now.`;
    this.#take(header, this.#sends, token, words);
  }

  /** Counts an open stream of this token; the caller calls `closed` once. @throws GatewayError `too-many-requests` */
  openStream(token: string): { closed: () => void } {
    const open = this.#streams.get(token) ?? 0;
    if (open >= this.#mostStreams) {
      const words = `This token has ${open} event streams open, as many as it may: close one, then open another.`;
      throw new GatewayError('too-many-requests', words);
    }
    this.#streams.set(token, open + 1);
    return {
      closed: () => {
        const left = (this.#streams.get(token) ?? 0) - 1;
        if (left > 0) this.#streams.set(token, left);
        else this.#streams.delete(token);
      },
    };
  }

  /** Reserves bytes of kept answers; returns 0, or the milliseconds until the token has that much left. */
  keepMore(token: string, bytes: number): number {
    return this.#answers?.take(token, bytes).waitMs ?? 0;
  }

  /** Counts bytes that are already kept for the token. */
  kept(token: string, bytes: number): void {
    this.#answers?.charge(token, bytes);
  }

  /** Counts a failed sign-in from this address; returns the error to throw if there were too many. */
  failedSignIn(address: string): GatewayError | undefined {
    return failed(this.#signIns?.take(address), 'Too many sign-ins from your address failed: wait a minute.');
  }

  /** Counts an invalid token from this address. */
  badToken(address: string): GatewayError | undefined {
    return failed(this.#badTokens?.take(address), 'Too many requests from your address came with no good token.');
  }

  #take(header: SetHeader, { name, quota, windowMs, buckets }: Policy, token: string, words: string): void {
    const level = buckets.take(token);
    const seconds = (ms: number) => Math.ceil(ms / 1000);
    // A structured-field list (RFC 9651) with one item per policy.
    header('ratelimit-policy', `"${name}";q=${quota};w=${seconds(windowMs)}`);
    header('ratelimit', `"${name}";r=${level.left};t=${seconds(level.fullMs)}`);
    const refusal = failed(level, words);
    if (refusal !== undefined) throw refusal;
  }
}

function failed(level: Level | undefined, words: string): GatewayError | undefined {
  if (level === undefined || level.isEnough) return undefined;
  return new GatewayError('too-many-requests', words, { retryAfterMs: level.waitMs });
}
