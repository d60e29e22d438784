// Messages on their way from this page to the cloud. Once the cloud has taken one, it is a message like any other.
import { signal } from '@preact/signals';
import type { Message } from '../../../protocol/model.ts';
import type { MessageClass } from '../../../protocol/phone-model.ts';
import { type Api, ApiError, newKey } from '../api.ts';

/** What a person wrote, and how it shall go out. */
export interface Written {
  phone?: string;
  /** Absent within a session, whose own class it has. */
  messageClass?: MessageClass;
  subject?: string;
  body: string;
  /** Until when it may wait; it waits for as long as it takes where this is absent. */
  deliverBy?: string;
}

export interface OutgoingDraft {
  conversation: string;
  /** Where it is posted: the home's messages or a session's. */
  path: string;
  request: Written & { to?: readonly string[]; ifOffline?: 'queue' | 'fail' };
  /** The messages of the thread when it was written: none of them can be the outcome. */
  known: ReadonlySet<string>;
}

export interface PendingSend extends OutgoingDraft {
  /** The Idempotency-Key: every attempt bears it, so that no number of attempts sends twice. */
  key: string;
  startedAt: string;
  state: 'sending' | 'unanswered' | 'refused';
  fault?: ApiError;
}

/** After how long an unanswered send is tried again; then it waits for the person. */
const retryAfterMs = [1_000, 3_000, 8_000, 20_000] as const;

export class SendState {
  readonly pending = signal<readonly PendingSend[]>([]);
  readonly #api: Api;
  readonly #messagesPath: () => string;
  readonly #onTaken: (message: Message, conversation: string) => void;
  /** Closing the page would lose what the cloud has not taken. */
  readonly #warn = (event: BeforeUnloadEvent) => {
    if (this.pending.value.some((send) => send.state !== 'refused')) event.preventDefault();
  };
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** `onTaken` receives each message that the cloud has taken, and the conversation in which it was written. */
  constructor(api: Api, messagesPath: () => string, onTaken: (message: Message, conversation: string) => void) {
    this.#api = api;
    this.#messagesPath = messagesPath;
    this.#onTaken = onTaken;
  }

  start(): void {
    addEventListener('beforeunload', this.#warn);
  }

  stop(): void {
    removeEventListener('beforeunload', this.#warn);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.pending.value = [];
  }

  send(outgoing: OutgoingDraft): void {
    const pending: PendingSend = { ...outgoing, key: newKey(), startedAt: new Date().toISOString(), state: 'sending' };
    this.pending.value = [...this.pending.value, pending];
    void this.#attempt(pending, 0);
  }

  /** Tries again under the same key; a refusal changes nothing, so the retry after one gets a new key. */
  retry(send: PendingSend): void {
    const again: PendingSend = { ...send, key: send.state === 'refused' ? newKey() : send.key, state: 'sending' };
    this.#replace(send.key, again);
    void this.#attempt(again, 0);
  }

  discard(send: PendingSend): void {
    clearTimeout(this.#timers.get(send.key));
    this.#timers.delete(send.key);
    this.#replace(send.key);
  }

  async #attempt(send: PendingSend, attempt: number): Promise<void> {
    try {
      const message = await this.#post(send);
      if (!this.#isPending(send)) return;
      this.discard(send);
      this.#onTaken(message, send.conversation);
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      if (!this.#isPending(send)) return;
      if (!fault.isUnanswered) {
        this.#replace(send.key, { ...send, state: 'refused', fault });
        return;
      }
      const waitMs = retryAfterMs[attempt];
      if (waitMs === undefined) {
        this.#replace(send.key, { ...send, state: 'unanswered', fault });
        return;
      }
      this.#timers.set(
        send.key,
        setTimeout(() => void this.#attempt(send, attempt + 1), waitMs),
      );
    }
  }

  /** Not so when it was discarded meanwhile, or another home is shown. */
  #isPending(send: PendingSend): boolean {
    return this.pending.value.some((pending) => pending.key === send.key);
  }

  async #post(send: PendingSend): Promise<Message> {
    try {
      return await this.#api.post<Message>(send.path, send.request, send.key);
    } catch (fault) {
      // A send that failed is kept by the cloud, and tells itself what became of it.
      if (!(fault instanceof ApiError) || fault.resource === undefined) throw fault;
      return await this.#api.get<Message>(`${this.#messagesPath()}/${fault.resource}`);
    }
  }

  #replace(key: string, send?: PendingSend): void {
    this.pending.value = this.pending.value.flatMap((pending) =>
      pending.key !== key ? [pending] : send ? [send] : [],
    );
  }
}
