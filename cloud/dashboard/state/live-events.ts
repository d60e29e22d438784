// The home's live events: Server-Sent Events. The browser resumes by Last-Event-ID as long as it reconnects itself.
import { signal } from '@preact/signals';
import type { HomeEvent, HomeEventType } from '../../../protocol/model.ts';

const eventTypes = [
  'message.received',
  'message.updated',
  'message.deleted',
  'session.updated',
  'file.progress',
  'send.updated',
  'phone.online',
  'phone.offline',
  'home.online',
  'home.offline',
  'home.updated',
] as const satisfies readonly HomeEventType[];

const longestWaitMs = 30_000;
/** A page that was hidden for longer (a laptop that slept) cannot trust its connection: it may be dead and not know. */
const trustedMs = 60_000;

export class LiveEvents {
  readonly state = signal<'connecting' | 'live' | 'broken'>('connecting');
  readonly #onEvent: (event: HomeEvent) => void;
  readonly #onGap: () => void;
  #url = '';
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;
  #hiddenAtMs = 0;
  readonly #onOnline = () => this.#connect();
  readonly #onOffline = () => {
    this.state.value = 'broken';
  };
  readonly #onVisibility = () => {
    if (document.visibilityState === 'hidden') this.#hiddenAtMs = Date.now();
    else if (Date.now() - this.#hiddenAtMs > trustedMs) this.#connect();
  };

  /** `onGap` is told whenever something may have been missed: what is shown must be read anew. */
  constructor(onEvent: (event: HomeEvent) => void, onGap: () => void) {
    this.#onEvent = onEvent;
    this.#onGap = onGap;
  }

  start(home: string): void {
    this.#url = `/v1/homes/${encodeURIComponent(home)}/events`;
    addEventListener('online', this.#onOnline);
    addEventListener('offline', this.#onOffline);
    document.addEventListener('visibilitychange', this.#onVisibility);
    this.#connect();
  }

  stop(): void {
    removeEventListener('online', this.#onOnline);
    removeEventListener('offline', this.#onOffline);
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#disconnect();
    this.state.value = 'connecting';
  }

  #connect(): void {
    this.#disconnect();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.onopen = () => {
      this.#attempts = 0;
      this.state.value = 'live';
      this.#onGap();
    };
    source.onerror = () => {
      this.state.value = 'broken';
      // After an answer that is no event stream (a proxy's 502, say) the browser gives up: we must come back.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#comeBack();
      // If it refused because nobody is signed in any more, reading anew finds that out.
      this.#onGap();
    };
    source.addEventListener('reset', this.#onGap);
    for (const type of eventTypes) {
      source.addEventListener(type, (message) => this.#onEvent(JSON.parse(message.data) as HomeEvent));
    }
  }

  #disconnect(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #comeBack(): void {
    // Full jitter: the dashboards of a restarted cloud shall not all come at once.
    const waitMs = 1000 + Math.random() * Math.min(longestWaitMs, 1000 * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#connect(), waitMs);
  }
}
