// The two evented variables: new messages and session updates since a control point last fetched them.
import type { SessionUpdate } from '../../protocol/phone-model.ts';
import { writeDocument } from '../messaging/documents.ts';
import type { Messages } from './messages.ts';

export type EventedVariable = 'NewMessages' | 'SessionUpdates';

/** An event lists only the newest; a control point that missed more calls the action. GENA receivers fail beyond 64 KiB. */
const maxInEvent = 32;
const maxUpdates = 500;

export class EventedState {
  readonly #messages: Messages;
  readonly #publish: (variable: EventedVariable) => void;
  readonly #written = new Map<EventedVariable, string>();
  #updates: SessionUpdate[] = [];

  constructor(messages: Messages, publish: (variable: EventedVariable) => void) {
    this.#messages = messages;
    this.#publish = publish;
  }

  /**
   * Call when a message arrived or moved. NewMessages is evented in both cases, because the service has no other event for
   * a changed folder.
   */
  messagesChanged(): void {
    this.#written.delete('NewMessages');
    this.#publish('NewMessages');
  }

  sessionChanged(update: SessionUpdate): void {
    this.#updates.push(update);
    if (this.#updates.length > maxUpdates) this.#updates.shift();
    this.#written.delete('SessionUpdates');
    this.#publish('SessionUpdates');
  }

  /** Returns and clears all session updates since the last call. */
  takeUpdates(): SessionUpdate[] {
    const updates = this.#updates;
    this.#updates = [];
    this.#written.delete('SessionUpdates');
    return updates;
  }

  /** Clears the cached value without an event: fetching changes nothing for other subscribers. */
  newMessagesTaken(): void {
    this.#written.delete('NewMessages');
  }

  /** The current value of a variable for an event. */
  valueOf(variable: EventedVariable): string {
    const known = this.#written.get(variable);
    if (known !== undefined) return known;
    const value =
      variable === 'NewMessages'
        ? writeDocument('newMessages', this.#messages.unreported(maxInEvent))
        : writeDocument('sessionUpdates', this.#updates.slice(-maxInEvent));
    this.#written.set(variable, value);
    return value;
  }
}
