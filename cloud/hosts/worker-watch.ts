// A watch over a WebSocket to the home's object. The client's stream ends in the stateless Worker, so that the object may
// hibernate between two events.
import { GatewayError } from '../../protocol/errors.ts';
import { closeCodes } from '../../protocol/frames.ts';
import type { HomeEvent } from '../../protocol/model.ts';
import type { Reset, Watch, WatchEnd, WatchToken } from '../hub/hubs.ts';
import { eventOfText } from '../store/event-text.ts';

/** Watch.from, in the answer to the upgrade. */
export const fromHeader = 'homeline-from';
/** Unread events after which a watch ends as `tooSlow`. */
const unreadLimit = 1000;

/** The request for a watch. The object keeps the token in the socket's attachment, because it hibernates. */
export function watchAddress(after: string | undefined, { id, hash, expiresAtMs }: WatchToken): string {
  const query = new URLSearchParams({ token: id, hash });
  if (after !== undefined) query.set('after', after);
  if (expiresAtMs !== null) query.set('expires', String(expiresAtMs));
  return `/watch?${query}`;
}

/** The token in the query of `watchAddress`. */
export function watchTokenOf(query: URLSearchParams): WatchToken {
  const expires = query.get('expires');
  return {
    id: query.get('token') ?? '',
    hash: query.get('hash') ?? '',
    expiresAtMs: expires === null ? null : Number(expires),
  };
}

export class RelayedWatch implements Watch {
  readonly from: string;
  ended: WatchEnd | undefined;
  readonly #socket: WebSocket;
  readonly #unread: (HomeEvent | Reset)[] = [];
  #wake: (() => void) | undefined;
  readonly #close: () => void;
  readonly closed: Promise<void>;

  /** `answer`: of the home's object to the upgrade. */
  constructor(answer: Response) {
    const socket = answer.webSocket;
    if (socket === null) throw new GatewayError('store-unavailable', 'The home cannot be watched now: try again.');
    this.#socket = socket;
    ({ promise: this.closed, resolve: this.#close } = Promise.withResolvers<void>());
    this.from = answer.headers.get(fromHeader) ?? '';
  }

  start(): void {
    this.#socket.addEventListener('message', ({ data }) => this.#take(eventOfText<HomeEvent | Reset>(String(data))));
    this.#socket.addEventListener('close', ({ code }) => this.end(endOf(code)));
    this.#socket.addEventListener('error', () => this.end('lost'));
    this.#socket.accept();
  }

  async next(): Promise<HomeEvent | Reset | undefined> {
    for (;;) {
      const event = this.#unread.shift();
      if (event !== undefined || this.ended !== undefined) return event;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
  }

  stop(): void {
    this.end('stopped');
  }

  #take(event: HomeEvent | Reset): void {
    if (this.ended !== undefined) return;
    if (this.#unread.push(event) > unreadLimit) this.end('tooSlow');
    this.#wake?.();
  }

  end(reason: WatchEnd): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    // The reader resumes after the last event that it read.
    this.#unread.length = 0;
    this.#socket.close(1000, reason);
    this.#wake?.();
    this.#close();
  }
}

function endOf(code: number): WatchEnd {
  if (code === closeCodes.tooSlow) return 'tooSlow';
  if (code === closeCodes.tokenEnded) return 'tokenEnded';
  return code === 1001 ? 'draining' : 'lost';
}
