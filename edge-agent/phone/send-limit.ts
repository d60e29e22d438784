// Rate limit for messages per control point: anyone on the LAN could otherwise run up the household's bill (Z14).
import { refuse } from './refusal.ts';

const windowMs = 60_000;

export class SendLimit {
  readonly #perMinute: number;
  #sent = new Map<string, number>();
  #windowEndsMs = 0;

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts one message; refuses it over the limit. This machine itself is not limited. */
  count(address: string, nowMs: number): void {
    if (address.startsWith('127.') || address === '::1') return;
    if (nowMs >= this.#windowEndsMs) {
      this.#sent = new Map();
      this.#windowEndsMs = nowMs + windowMs;
    }
    const sent = (this.#sent.get(address) ?? 0) + 1;
    if (sent > this.#perMinute) throw refuse('too-often');
    this.#sent.set(address, sent);
  }
}
