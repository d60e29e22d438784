// The home's live events by server-sent events. The browser resumes with Last-Event-ID while it reconnects by itself.
import { signal } from '@preact/signals';
import type { HomeEvent, HomeEventType } from '../../../protocol/model.ts';
import { BackOff, fullJitter } from '../../../shared/back-off.ts';

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

const leastWaitMs = 1000;
/** Full jitter: the dashboards of a restarted cloud must not reconnect at the same moment. */
const retryTimes = { firstMs: 1000, capMs: 30_000, spread: fullJitter };
/** After a page was hidden for longer (a suspended laptop), its connection may be dead without an error. */
const trustedMs = 60_000;

export class LiveEvents {
  readonly state = signal<'connecting' | 'live' | 'broken'>('connecting');
  readonly #onEvent: (event: HomeEvent) => void;
  readonly #onGap: () => void;
  #url = '';
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backOff = new BackOff(retryTimes);
  #hiddenAtMs = 0;
  readonly #onOnline = () => this.#connect();
  readonly #onOffline = () => {
    this.state.value = 'broken';
  };
  readonly #onVisibility = () => {
    if (document.visibilityState === 'hidden') this.#hiddenAtMs = Date.now();
    else if (Date.now() - this.#hiddenAtMs > trustedMs) this.#connect();
  };

  /** `onGap` is called when events may have been missed: reload everything that is shown. */
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
      this.#backOff.reset();
      this.state.value = 'live';
      this.#onGap();
    };
    source.onerror = () => {
      this.state.value = 'broken';
      // The browser gives up after an answer that is no event stream, such as a proxy's 502: reconnect ourselves.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#comeBack();
      // If the session has ended, the reload finds out.
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
    this.#timer = setTimeout(() => this.#connect(), leastWaitMs + this.#backOff.nextMs());
  }
}
