// The folder Outgoing: passes messages to the line in order, and retries each with back-off until the line takes it.
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { PhoneDatabase } from './database.ts';
import type { Line } from './lines/line.ts';
import type { Messages } from './messages.ts';
import type { PhoneSessions } from './sessions.ts';

const retryTimes = { firstMs: 1000, capMs: 60_000 };

export interface OutgoingOptions {
  readonly database: PhoneDatabase;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly line: Line;
  /** A message moved to Sent. */
  onSent(): void;
  report(line: string): void;
}

export class OutgoingBox {
  readonly #options: OutgoingOptions;
  readonly #waiting: PhoneMessage[] = [];
  readonly #backOff = new BackOff(retryTimes);
  #pause: NodeJS.Timeout | undefined;
  #state: 'stopped' | 'idle' | 'handing' = 'stopped';

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** Starts with what an earlier run left in Outgoing. */
  start(): void {
    this.#state = 'idle';
    this.#waiting.push(...this.#options.messages.outgoing());
    void this.#work();
  }

  stop(): void {
    this.#state = 'stopped';
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#waiting.length = 0;
  }

  add(message: PhoneMessage): void {
    this.#waiting.push(message);
    void this.#work();
  }

  /** One at a time, so that a conversation keeps its order. */
  async #work(): Promise<void> {
    if (this.#state !== 'idle' || this.#pause !== undefined) return;
    this.#state = 'handing';
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      const taken = await this.#passToLine(message);
      if (this.#isStopped()) return;
      if (!taken) break;
      this.#waiting.shift();
    }
    this.#state = 'idle';
  }

  /** Resolves to whether the message needs no further attempt. */
  async #passToLine(message: PhoneMessage): Promise<boolean> {
    const { database, messages, line, onSent } = this.#options;
    // Deleted while it waited, so it must not be sent.
    if (messages.find(message.messageId)?.folder !== 'Outgoing') return true;
    try {
      await line.send(message);
    } catch {
      if (!this.#isStopped()) this.#wait();
      return false;
    }
    this.#backOff.reset();
    if (!this.#isStopped()) {
      // Not awaited, so that a burst shares its transactions. If a crash loses this write, the line gets the message again.
      database.write(() => this.#markSent(message)).then(onSent, (error: Error) => this.#options.report(error.message));
    }
    return true;
  }

  /** Call inside a transaction. */
  #markSent({ messageId, sessionId }: PhoneMessage): void {
    const { messages, sessions } = this.#options;
    if (messages.find(messageId)?.folder !== 'Outgoing') return;
    const closed = sessionId !== undefined && sessions.find(sessionId)?.status === 'Closed';
    messages.move(messageId, closed ? 'ClosedSession' : 'Sent');
  }

  #wait(): void {
    const pauseMs = this.#backOff.nextMs();
    this.#options.report(`The line did not take a message. Next attempt in ${Math.round(pauseMs / 1000)} s.`);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      void this.#work();
    }, pauseMs);
  }

  #isStopped(): boolean {
    return this.#state === 'stopped';
  }
}
