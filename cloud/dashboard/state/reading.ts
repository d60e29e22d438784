// Marks the messages of the open thread Read, one at a time, and only while they are visible.
import type { Message } from '../../../protocol/model.ts';
import { type Api, ApiError } from '../api.ts';

export class Reading {
  readonly #api: Api;
  readonly #messagesPath: () => string;
  readonly #onRead: (message: Message) => void;
  readonly #waiting = new Map<string, Message>();
  /** Messages that the phone refused to mark: not retried. */
  readonly #refused = new Set<string>();
  #isRunning = false;

  constructor(api: Api, messagesPath: () => string, onRead: (message: Message) => void) {
    this.#api = api;
    this.#messagesPath = messagesPath;
    this.#onRead = onRead;
  }

  /** Queues the visible messages; drops those of another thread. */
  show(messages: readonly Message[]): void {
    this.#waiting.clear();
    for (const message of messages) {
      if (isToRead(message) && !this.#refused.has(message.id)) this.#waiting.set(message.id, message);
    }
    if (!this.#isRunning) void this.#run();
  }

  stop(): void {
    this.#waiting.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (;;) {
      const [message] = this.#waiting.values();
      if (message === undefined || document.visibilityState === 'hidden') break;
      this.#waiting.delete(message.id);
      try {
        this.#onRead(await this.#api.post<Message>(`${this.#messagesPath()}/${message.id}/read`));
      } catch (fault) {
        if (!(fault instanceof ApiError)) throw fault;
        // The phone is unreachable, or there were too many requests: the messages stay unread until they are seen again.
        if (fault.status === 0 || fault.status === 429 || fault.status >= 500) break;
        this.#refused.add(message.id);
      }
    }
    this.#isRunning = false;
  }
}

/** Unread, or without a text in the cloud; reading fetches the text. */
function isToRead(message: Message): boolean {
  return message.state === 'received' && (message.status === 'Unread' || message.body === null);
}
