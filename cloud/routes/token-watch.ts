// A watch for one token: it ends with the token and shows only the content that the token's scopes allow.
import { type ShownEvent, viewOf } from '../access/event-view.ts';
import type { Principal } from '../access/principal.ts';
import type { Reset, Watch, WatchEnd } from '../hub/hubs.ts';
import { isOver } from '../hub/watchers.ts';
import type { Clock } from '../store/clock.ts';
import type { StreamTokens } from './stream-tokens.ts';

export class TokenWatch {
  readonly #watch: Watch;
  readonly #principal: Principal;
  readonly #clock: Clock;

  constructor(watch: Watch, principal: Principal, clock: Clock) {
    this.#watch = watch;
    this.#principal = principal;
    this.#clock = clock;
  }

  start(tokens: StreamTokens): void {
    const release = tokens.hold(this.#principal.token, () => this.end('tokenEnded'));
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

  async next(): Promise<ShownEvent | Reset | undefined> {
    const event = await this.#watch.next();
    if (isOver(this.#principal.token, this.#clock.now())) this.end('tokenEnded');
    if (event === undefined || this.ended !== undefined) return undefined;
    return event.type === 'reset' ? event : viewOf(event, (scope) => this.#principal.may(scope, event.home));
  }

  stop(): void {
    this.end('stopped');
  }

  end(reason: WatchEnd): void {
    this.#watch.end(reason);
  }
}
