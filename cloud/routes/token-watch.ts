// A watch that ends with the token that it was opened with.
import type { HomeEvent } from '../../protocol/model.ts';
import type { Reset, Watch, WatchEnd } from '../hub/hubs.ts';
import { isOver } from '../hub/watchers.ts';
import type { Clock, TokenRecord } from '../store/store.ts';
import type { StreamTokens } from './stream-tokens.ts';

export class TokenWatch implements Watch {
  readonly #watch: Watch;
  readonly #token: TokenRecord;
  readonly #clock: Clock;

  constructor(watch: Watch, token: TokenRecord, clock: Clock) {
    this.#watch = watch;
    this.#token = token;
    this.#clock = clock;
  }

  start(tokens: StreamTokens): void {
    const release = tokens.hold(this.#token, () => this.end('tokenEnded'));
    void this.closed.then(release);
  }

  get from(): string {
    return this.#watch.from;
  }

  get ended(): WatchEnd | undefined {
    return this.#watch.ended;
  }

  get closed(): Promise<void> {
    return this.#watch.closed;
  }

  async next(): Promise<HomeEvent | Reset | undefined> {
    const event = await this.#watch.next();
    if (isOver(this.#token, this.#clock.now())) this.end('tokenEnded');
    return this.ended === undefined ? event : undefined;
  }

  stop(): void {
    this.end('stopped');
  }

  end(reason: WatchEnd): void {
    this.#watch.end(reason);
  }
}
