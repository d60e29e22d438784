// Probes the path to the cloud: when no event was sent for a while, calls each phone and reports that it answered.
import { defaultDeadlineMs } from './messaging/control-point.ts';
import type { PhoneLink } from './phone-link.ts';
import type { Outbox } from './tunnel/outbox.ts';
import { UpnpError } from './upnp/error.ts';

export interface PhoneProbeOptions {
  readonly outbox: Outbox;
  /** The phones whose events may leave the home now; none while disconnected. */
  phones(): readonly PhoneLink[];
  /** Default 5 minutes. */
  readonly everyMs?: number | undefined;
}

/** Cheaper than any sync, and supported by every phone. */
const action = 'GetTelephonyIdentity';

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
      await phone.controlPoint.inTurn((calls) => calls.text(action, {}, { deadlineMs: defaultDeadlineMs }), {
        exclusive: false,
      });
    } catch (error) {
      // A refusal is an answer. Without an answer, sync to find out whether the phone is up.
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
      // Disk full: nothing is sent, and the missing probe shows it.
    }
  }
}
