// Which phone a send goes out by: chosen from those of the home, and left alone while it refuses for now.
import { GatewayError, isPassingRefusal } from '../../../protocol/errors.ts';
import type { MessageRecord } from '../../store/message-store.ts';
import type { PhoneRecord } from '../../store/phone-store.ts';
import type { PhoneRegistry } from '../phone-registry.ts';
import type { Tunnel } from '../tunnel.ts';
import { asSendError } from './fault.ts';

export class PhoneChoice {
  readonly #phones: PhoneRegistry;
  readonly #online: () => Tunnel;

  /** `online` throws `home-offline` when nobody is connected. */
  constructor(phones: PhoneRegistry, online: () => Tunnel) {
    this.#phones = phones;
    this.#online = online;
  }

  /** The phone that a send means when it names none, whether it is online or not; undefined where several could be meant. */
  meant(): string | undefined {
    const approved = this.#approved();
    const able = approved.some(({ id }) => this.#phones.isOnline(id)) ? this.#approvedOnline() : approved;
    return able.length === 1 ? able[0]?.id : undefined;
  }

  /** The phone that would send this record now. Throws why none can. */
  phoneFor({ phone }: MessageRecord): PhoneRecord {
    if (phone !== null) return this.reachable(phone).phone;
    this.#online();
    const [only, ...others] = this.#approvedOnline();
    if (only === undefined || others.length > 0) {
      throw new GatewayError('phone-offline', 'No phone of this home is there to send this.');
    }
    return only;
  }

  /**
   * The phone and the tunnel to it.
   * @throws GatewayError `not-found`, `phone-not-approved`, `home-offline` or `phone-offline`
   */
  reachable(id: string): { phone: PhoneRecord; tunnel: Tunnel } {
    const phone = this.#phones.approved(id);
    const tunnel = this.#online();
    if (this.#phones.isOnline(id)) return { phone, tunnel };
    throw new GatewayError('phone-offline', 'The home is online, but its agent does not see this phone now.');
  }

  #approved(): PhoneRecord[] {
    return this.#phones.records.filter((record) => record.approved);
  }

  #approvedOnline(): PhoneRecord[] {
    return this.#approved().filter(({ id }) => this.#phones.isOnline(id));
  }
}

/** The phone for an attempt, or why none can take the send now. */
export type Availability = { readonly phone: PhoneRecord } | { readonly absence: GatewayError };

/** The phones as the queue sees them: one that refuses for now counts as away, so that it is not asked for each send. */
export class AvailablePhones {
  readonly #phoneFor: (record: MessageRecord) => PhoneRecord;
  readonly #refusals = new Map<string, GatewayError>();

  /** `phoneFor` throws why there is none. */
  constructor(phoneFor: (record: MessageRecord) => PhoneRecord) {
    this.#phoneFor = phoneFor;
  }

  find(record: MessageRecord): Availability {
    try {
      const phone = this.#phoneFor(record);
      const absence = this.#refusals.get(phone.id);
      return absence === undefined ? { phone } : { absence };
    } catch (error) {
      return { absence: asSendError(error) };
    }
  }

  /** Notes what a phone answered: a refusal for now, or (undefined) that it took a send. */
  note(phone: string, error: GatewayError | undefined): void {
    if (error === undefined) this.#refusals.delete(phone);
    else if (isPassingRefusal(error.refusal)) this.#refusals.set(phone, error);
  }

  /** Phones that refused for now may be asked again. */
  forgetRefusals(): void {
    this.#refusals.clear();
  }
}
