// Proof that the way is open: when nothing else was told for a while, each phone is asked, and that it answered is told.
import { standardDeadlineMs } from './messaging/control-point.ts';
import type { PhoneLink } from './phone-link.ts';
import type { Outbox } from './tunnel/outbox.ts';
import { UpnpError } from './upnp/error.ts';

export interface PhoneProbeOptions {
  readonly outbox: Outbox;
  /** The phones whose events may leave the house now; none while there is no connection. */
  phones(): readonly PhoneLink[];
  /** Five minutes unless told. */
  readonly everyMs?: number | undefined;
}

/** It is cheaper than any look, and every phone has it. */
const question = 'GetTelephonyIdentity';

export class PhoneProbe {
  readonly #options: PhoneProbeOptions;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PhoneProbeOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? 5 * 60_000;
  }

  start(): void {
    this.#wait(this.#everyMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(forMs: number): void {
    this.#timer = setTimeout(() => {
      const restMs = this.#everyMs - this.#options.outbox.quietMs;
      if (restMs <= 0) for (const phone of this.#options.phones()) void this.#probe(phone);
      this.#wait(restMs > 0 ? restMs : this.#everyMs);
    }, forMs);
  }

  async #probe(phone: PhoneLink): Promise<void> {
    try {
      await phone.controlPoint.inTurn((calls) => calls.text(question, {}, { deadlineMs: standardDeadlineMs }), {
        exclusive: false,
      });
    } catch (error) {
      // A refusal is an answer. Without one it is looked whether the phone is there at all.
      if (!(error instanceof UpnpError) || error.kind === 'unreachable') {
        phone.synchroniser.requestFullSync();
        return;
      }
    }
    if (this.#timer === undefined || !this.#options.phones().includes(phone)) return;
    const { udn, synchroniser } = phone;
    try {
      this.#options.outbox.append([{ type: 'phone.answered', udn, epoch: synchroniser.epoch }]);
    } catch {
      // A full disk: then nothing passes, and that is what the missing proof says.
    }
  }
}
