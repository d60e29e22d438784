// The `phones` frame: the complete list of phones, sent after `welcome` and at each change.
import type { EdgeFrame, FrameOf, PhonePresence } from '../protocol/frames.ts';

type PhonesFrame = FrameOf<EdgeFrame, 'phones'>;

export interface PhoneReporterOptions {
  presences(): PhonePresence[];
  /** The numbers that go with the list. */
  counts(): Omit<PhonesFrame, 'type' | 'phones'>;
  isConnected(): boolean;
  /** Throws `frame-too-large`. */
  send(frame: PhonesFrame): void;
}

export class PhoneReporter {
  readonly #options: PhoneReporterOptions;
  #isStopped = true;

  constructor(options: PhoneReporterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
  }

  stop(): void {
    this.#isStopped = true;
  }

  onWelcome(): void {
    this.tell();
  }

  /** Something in the list has changed. Without a connection nothing is sent: `welcome` brings it. */
  tell(): void {
    const { presences, counts, isConnected, send } = this.#options;
    if (this.#isStopped || !isConnected()) return;
    send({ type: 'phones', phones: presences(), ...counts() });
  }
}
