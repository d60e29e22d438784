// The cloud's `dead-letters` frames → the outbox's dead letters → `result` or `failure`.
import { GatewayError } from '../../protocol/errors.ts';
import type { FrameHandlers } from '../../protocol/frame-handlers.ts';
import type {
  CloudFrame,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterRequest,
  EdgeFrame,
  FrameOf,
} from '../../protocol/frames.ts';
import type { Outbox } from './outbox.ts';

export interface DeadLetterRequestsOptions {
  readonly outbox: Outbox;
  /** Whether the cloud has said, on this connection, which phones are approved. */
  isReady(): boolean;
  /** False when there is no connection; throws `frame-too-large`. */
  send(frame: EdgeFrame): boolean;
  /** Their number has changed, at most half a second ago. */
  onCount(): void;
}

/** Debounce: when the cloud refuses a thousand events in a row, their number is sent a few times. */
const tellAfterMs = 500;

export class DeadLetterRequests {
  readonly #options: DeadLetterRequestsOptions;
  #telling: NodeJS.Timeout | undefined;
  readonly frames: Pick<FrameHandlers<CloudFrame>, 'dead-letters'> = { 'dead-letters': (frame) => this.handle(frame) };

  constructor(options: DeadLetterRequestsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.outbox.deadLetters.onChanged(() => {
      this.#telling ??= setTimeout(() => {
        this.#telling = undefined;
        this.#options.onCount();
      }, tellAfterMs);
    });
  }

  stop(): void {
    this.#options.outbox.deadLetters.onChanged(() => {});
    clearTimeout(this.#telling);
    this.#telling = undefined;
  }

  /** Answers with exactly one frame. */
  async handle({ id, request, deadlineMs }: FrameOf<CloudFrame, 'dead-letters'>): Promise<void> {
    try {
      // The approval of a phone may have been taken back while the agent was away: nothing of it leaves the house (§3).
      if (!this.#options.isReady()) {
        throw new GatewayError('phone-offline', 'The agent has only just come back: try again in a moment.');
      }
      this.#options.send({ type: 'result', id, arguments: await this.#perform(request, deadlineMs) });
    } catch (error) {
      const known = error instanceof GatewayError;
      // Every other failure here is the disk's.
      const detail = known ? error.message : 'The agent could not write its journal.';
      this.#options.send({ type: 'failure', id, code: known ? error.code : 'store-unavailable', detail });
    }
  }

  async #perform(request: DeadLetterRequest, deadlineMs: number): Promise<DeadLetterPage | DeadLetterOutcome> {
    const { outbox } = this.#options;
    switch (request.do) {
      case 'list':
        return outbox.deadLetters.page(request);
      case 'retry':
        return this.#retry(request.letter, deadlineMs);
      case 'discard':
        return { outcome: outbox.deadLetters.discard(request.letter) ? 'discarded' : 'gone' };
    }
  }

  async #retry(letter: string, waitMs: number): Promise<DeadLetterOutcome> {
    const settled = this.#options.outbox.retry(letter);
    if (settled === undefined) return { outcome: 'gone' };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<DeadLetterOutcome>((resolve) => {
      timer = setTimeout(() => resolve({ outcome: 'waiting' }), waitMs);
    });
    const answered = settled.then(
      (refusal): DeadLetterOutcome =>
        refusal === undefined ? { outcome: 'stored' } : { outcome: 'refused', ...refusal },
    );
    try {
      return await Promise.race([answered, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
