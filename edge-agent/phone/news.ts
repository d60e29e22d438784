// The two evented variables: which messages arrived, and what happened to sessions, since somebody last asked.
import type { SessionUpdate } from '../../protocol/phone-model.ts';
import { writeDocument } from '../messaging/documents.ts';
import type { Messages } from './messages.ts';

export type NewsVariable = 'NewMessages' | 'SessionUpdates';

/** An event names the newest; whoever fell further behind asks. GENA receivers are known to choke beyond 64 KiB. */
const mostInEvent = 32;
const mostUpdates = 500;

export class News {
  readonly #messages: Messages;
  readonly #publish: (variable: NewsVariable) => void;
  readonly #written = new Map<NewsVariable, string>();
  #updates: SessionUpdate[] = [];

  constructor(messages: Messages, publish: (variable: NewsVariable) => void) {
    this.#messages = messages;
    this.#publish = publish;
  }

  /**
   * Folders changed: a message arrived, or one moved. NewMessages is evented in both cases, since the service has no
   * other way to say that it is worth looking again.
   */
  messagesChanged(): void {
    this.#written.delete('NewMessages');
    this.#publish('NewMessages');
  }

  sessionChanged(update: SessionUpdate): void {
    this.#updates.push(update);
    if (this.#updates.length > mostUpdates) this.#updates.shift();
    this.#written.delete('SessionUpdates');
    this.#publish('SessionUpdates');
  }

  /** All session updates since the last call, which then are no news any more. */
  takeUpdates(): SessionUpdate[] {
    const updates = this.#updates;
    this.#updates = [];
    this.#written.delete('SessionUpdates');
    return updates;
  }

  /** The messages that were news are none any more, without an event: nothing happened that others must look at. */
  messagesTold(): void {
    this.#written.delete('NewMessages');
  }

  /** The present value of a variable, as an event holds it. */
  valueOf(variable: NewsVariable): string {
    const known = this.#written.get(variable);
    if (known !== undefined) return known;
    const value =
      variable === 'NewMessages'
        ? writeDocument('newMessages', this.#messages.news(mostInEvent))
        : writeDocument('sessionUpdates', this.#updates.slice(-mostInEvent));
    this.#written.set(variable, value);
    return value;
  }
}
