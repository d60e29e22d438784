// Open streams by token: each ends within seconds after its token is revoked or expires.

import { isLive } from '../access/access.ts';
import type { Deadlines } from '../hub/hub-deps.ts';
import type { Clock } from '../store/clock.ts';
import type { Store } from '../store/store.ts';
import type { TokenRecord } from '../store/token-store.ts';

/** Node timers hold at most 2^31 - 1 ms (24 days); a session lives for 30 days. */
const longestTimerMs = 24 * 3_600_000;
/** Tokens that are checked per batch. */
const sliceSize = 100;

interface Held {
  token: TokenRecord;
  ends: Set<() => void>;
}

export class StreamTokens {
  readonly #store: Pick<Store, 'tokens'>;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #recheckMs: number | undefined;
  readonly #held = new Map<string, Held>();
  #isRechecking = false;

  /**
   * `recheckMs`: how often the tokens of open streams are checked again, since another process may revoke one. Undefined
   * if the hubs learn of every revocation, as on Workers.
   */
  constructor(deps: {
    store: Pick<Store, 'tokens'>;
    clock: Clock;
    deadlines: Deadlines;
    recheckMs?: number | undefined;
  }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#deadlines = deps.deadlines;
    this.#recheckMs = deps.recheckMs;
  }

  /** Runs `end` once when the token is revoked or expires; the returned function unregisters it. */
  hold(token: TokenRecord, end: () => void): () => void {
    const cancel = this.#atExpiry(token, end);
    const held = this.#held.get(token.id) ?? { token, ends: new Set() };
    if (this.#recheckMs !== undefined) {
      held.ends.add(end);
      this.#held.set(token.id, held);
      this.#recheckLater();
    }
    return () => {
      cancel();
      held.ends.delete(end);
      if (held.ends.size === 0 && this.#held.get(token.id) === held) this.#held.delete(token.id);
    };
  }

  #atExpiry({ expiresAtMs }: TokenRecord, end: () => void): () => void {
    if (expiresAtMs === null) return () => undefined;
    let cancel = () => {};
    const wait = () => {
      const leftMs = expiresAtMs - this.#clock.now();
      cancel = this.#deadlines.after(Math.min(Math.max(leftMs, 0), longestTimerMs), () => {
        if (this.#clock.now() >= expiresAtMs) end();
        else wait();
      });
    };
    wait();
    return () => cancel();
  }

  /** One timer for all streams; none without streams. */
  #recheckLater(): void {
    if (this.#isRechecking || this.#recheckMs === undefined || this.#held.size === 0) return;
    this.#isRechecking = true;
    this.#deadlines.after(this.#recheckMs, async () => {
      await this.#recheckAll();
      this.#isRechecking = false;
      this.#recheckLater();
    });
  }

  /** In batches: checking ten thousand agents at once would block the event loop on SQLite for 100 ms. */
  async #recheckAll(): Promise<void> {
    const all = [...this.#held.values()];
    for (let from = 0; from < all.length; from += sliceSize) {
      await Promise.all(all.slice(from, from + sliceSize).map((held) => this.#recheck(held)));
      await new Promise<void>((resolve) => this.#deadlines.after(0, resolve));
    }
  }

  async #recheck({ token, ends }: Held): Promise<void> {
    // An unavailable store does not mean that the token was revoked.
    const isGood = await this.#store.tokens.find(token.hash).then(
      (found) => found?.id === token.id && isLive(found, this.#clock.now()),
      () => isLive(token, this.#clock.now()),
    );
    if (!isGood) for (const end of [...ends]) end();
  }
}
