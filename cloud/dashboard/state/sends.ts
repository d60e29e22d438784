// Messages in flight from this page to the cloud. Once the cloud has accepted one, it is an ordinary message.
import { signal } from '@preact/signals';
import type { Message } from '../../../protocol/model.ts';
import type { MessageClass } from '../../../protocol/phone-model.ts';
import { type Api, ApiError, newKey } from '../api.ts';

/** What the user wrote, and how to send it. */
export interface Written {
  phone?: string;
  /** Absent in a session, whose class applies. */
  messageClass?: MessageClass;
  subject?: string;
  body: string;
  /** The delivery deadline; absent means none. */
  deliverBy?: string;
}

export interface OutgoingDraft {
  conversation: string;
  /** The URL to post to: the home's messages or a session's. */
  path: string;
  request: Written & { to?: readonly string[]; ifOffline?: 'queue' | 'fail' };
  /** The messages of the thread when this was written: none of them can be its result. */
  known: ReadonlySet<string>;
}

export interface PendingSend extends OutgoingDraft {
  /** The Idempotency-Key of every attempt, so that retries never send twice. */
  key: string;
  startedAt: string;
  state: 'sending' | 'unanswered' | 'refused';
  fault?: ApiError;
}

/** Delays before the automatic retries of an unanswered send; after them the user decides. */
const retryAfterMs = [1_000, 3_000, 8_000, 20_000] as const;

export class SendState {
  readonly pending = signal<readonly PendingSend[]>([]);
  readonly #api: Api;
  readonly #messagesPath: () => string;
  readonly #onTaken: (message: Message, conversation: string) => void;
  /** Whether closing the page would lose a message that the cloud has not accepted. */
  readonly #warn = (event: BeforeUnloadEvent) => {
    if (this.pending.value.some((send) => send.state !== 'refused')) event.preventDefault();
  };
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** `onTaken` gets each message that the cloud accepted, and the conversation in which it was written. */
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

  /** Retries under the same key. After a refusal nothing was done, so that retry gets a new key. */
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

  /** False if the send was discarded, or if another home is shown now. */
  #isPending(send: PendingSend): boolean {
    return this.pending.value.some((pending) => pending.key === send.key);
  }

  async #post(send: PendingSend): Promise<Message> {
    try {
      return await this.#api.post<Message>(send.path, send.request, send.key);
    } catch (fault) {
      // The cloud keeps a failed send as a message, which shows the reason.
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
