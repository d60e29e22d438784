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
] as const satisfies readonly HomeEventType[];

const longestWaitMs = 30_000;

export class LiveEvents {
  readonly state = signal<'connecting' | 'live' | 'broken'>('connecting');
  readonly #onEvent: (event: HomeEvent) => void;
  readonly #onGap: () => void;
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;

  /** `onGap` is told whenever something may have been missed: what is shown must be read anew. */
  constructor(onEvent: (event: HomeEvent) => void, onGap: () => void) {
    this.#onEvent = onEvent;
    this.#onGap = onGap;
  }

  start(home: string): void {
    const source = new EventSource(`/v1/homes/${encodeURIComponent(home)}/events`);
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
      this.#comeBack(home);
      // If it refused because nobody is signed in any more, reading anew finds that out.
      this.#onGap();
    };
    source.addEventListener('reset', this.#onGap);
    for (const type of eventTypes) {
      source.addEventListener(type, (message) => this.#onEvent(JSON.parse(message.data) as HomeEvent));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
    this.state.value = 'connecting';
  }

  #comeBack(home: string): void {
    this.#source?.close();
    // Full jitter: the dashboards of a restarted cloud shall not all come at once.
    const waitMs = 1000 + Math.random() * Math.min(longestWaitMs, 1000 * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.start(home), waitMs);
  }
}
