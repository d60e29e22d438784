// Watchers of a home's events: replayed from the store, then live, without gap or repeat.
import { closeCodes } from '../../protocol/frames.ts';
import type { HomeEvent } from '../../protocol/model.ts';
import type { HubDeps } from './hub-deps.ts';
import type { Reset, Watch, WatchEnd, WatchToken } from './hubs.ts';

/** A watcher with more unread events is closed; it resumes with its last event's id. */
const unreadLimit = 1000;
const replayPage = 200;

/** The close code of a WebSocket watcher; 1001 (RFC 6455) makes it reconnect. */
export function watchCloseCode(end: WatchEnd | undefined): number {
  if (end === 'tooSlow') return closeCodes.tooSlow;
  return end === 'tokenEnded' ? closeCodes.tokenEnded : 1001;
}

/** All watchers of one home. */
export class Watchers {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #open = new Set<FollowedHome>();
  /** The newest event that was published here, or the point in time at which this started. */
  #last: string;

  constructor(home: string, deps: HubDeps) {
    this.#home = home;
    this.#deps = deps;
    this.#last = pointInTime(deps.clock.now());
  }

  watch(after: string | undefined, token?: WatchToken): Watch {
    const from = after ?? this.#last;
    // An id that no event of ours can have.
    const strange = !/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(from);
    const watch: FollowedHome = new FollowedHome(
      from,
      after !== undefined,
      async (point) => (strange ? undefined : await this.#deps.store.events.after(this.#home, point, replayPage)),
      () => this.#last,
      () => {
        if (this.#open.delete(watch)) this.#deps.observer.watcher(-1);
      },
      token,
    );
    this.#open.add(watch);
    this.#deps.observer.watcher(1);
    return watch;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  publish(events: readonly HomeEvent[]): void {
    const nowMs = this.#deps.clock.now();
    for (const watch of this.#open) if (isOver(watch.token, nowMs)) watch.end('tokenEnded');
    for (const event of events) {
      if (event.id > this.#last) this.#last = event.id;
      this.#deps.observer.event(event.type);
      for (const watch of this.#open) watch.publish(event);
    }
  }

  end(reason: WatchEnd): void {
    for (const watch of [...this.#open]) watch.end(reason);
  }

  endOf(token: string): void {
    for (const watch of [...this.#open]) if (watch.token?.id === token) watch.end('tokenEnded');
  }
}

/** Whether the token of a watch has expired. */
export function isOver(token: WatchToken | undefined, nowMs: number): boolean {
  return token !== undefined && token.expiresAtMs !== null && nowMs >= token.expiresAtMs;
}

/** A cursor for “whatever comes after this moment”: event ids are ULIDs, whose first ten characters are their time. */
export function pointInTime(epochMs: number): string {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let time = '';
  for (let rest = epochMs, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) {
    time = (digits[rest % 32] ?? '0') + time;
  }
  return `${time}${'0'.repeat(16)}`;
}

class FollowedHome implements Watch {
  readonly from: string;
  readonly token: WatchToken | undefined;
  ended: WatchEnd | undefined;
  readonly #read: (after: string) => Promise<HomeEvent[] | undefined>;
  readonly #now: () => string;
  readonly #leave: () => void;
  readonly #unread: HomeEvent[] = [];
  #replaying: boolean;
  #position: string;
  #published = 0;
  #wake: (() => void) | undefined;
  readonly #close: () => void;
  readonly closed: Promise<void>;

  constructor(
    from: string,
    replaying: boolean,
    read: (after: string) => Promise<HomeEvent[] | undefined>,
    now: () => string,
    leave: () => void,
    token: WatchToken | undefined,
  ) {
    this.from = from;
    this.token = token;
    this.#position = from;
    this.#replaying = replaying;
    this.#read = read;
    this.#now = now;
    this.#leave = leave;
    ({ promise: this.closed, resolve: this.#close } = Promise.withResolvers<void>());
  }

  publish(event: HomeEvent): void {
    this.#published++;
    // A watcher that replays reads this event from the store.
    if (this.#replaying || event.id <= this.#position) return;
    if (this.#unread.length >= unreadLimit) {
      this.end('tooSlow');
      return;
    }
    this.#unread.push(event);
    this.#wake?.();
  }

  async next(): Promise<HomeEvent | Reset | undefined> {
    while (this.ended === undefined) {
      const event = this.#unread.shift();
      if (event !== undefined) {
        this.#position = event.id;
        return event;
      }
      if (this.#replaying) {
        if (await this.#replay()) return { type: 'reset', id: this.#position };
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        this.#wake = undefined;
      }
    }
    return undefined;
  }

  stop(): void {
    this.end('stopped');
  }

  end(reason: WatchEnd): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.#unread.length = 0;
    this.#leave();
    this.#wake?.();
    this.#close();
  }

  /** Reads the next page from the store. True when the store no longer keeps the position. */
  async #replay(): Promise<boolean> {
    const seen = this.#published;
    let events: HomeEvent[] | undefined;
    try {
      events = await this.#read(this.#position);
    } catch (error) {
      this.end('lost');
      throw error;
    }
    if (events === undefined) {
      // After a reset the reader loads everything, including all events that were published until now.
      this.#replaying = false;
      this.#position = this.#now();
      return true;
    }
    this.#unread.push(...events);
    // Events published while the store was read may be missing from the page, so read once more.
    if (events.length === 0 && seen === this.#published) this.#replaying = false;
    return false;
  }
}
