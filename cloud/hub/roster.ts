// The phones of one home: what the store keeps of them, and which are online now.
import { GatewayError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Phone } from '../../protocol/model.ts';
import type { PhoneRecord, Store } from '../store/store.ts';

export class Roster {
  readonly #home: string;
  readonly #store: Store;
  /** A household has few phones: a list is as quick as a map, and ten thousand homes feel its weight. */
  #records: readonly PhoneRecord[] = [];
  #online: readonly string[];
  #loading: Promise<void> | undefined;
  #loaded = false;

  constructor(home: string, store: Store, online: readonly string[]) {
    this.#home = home;
    this.#store = store;
    this.#online = online;
  }

  /** Reads the phones from the store the first time; a failure is tried again by the next who asks. */
  async load(): Promise<void> {
    if (this.#loaded) return;
    this.#loading ??= this.#store.listPhones(this.#home).then(
      (records) => {
        if (!this.#loaded) this.keep(records);
      },
      (error) => {
        this.#loading = undefined;
        throw error;
      },
    );
    await this.#loading;
  }

  /** Takes in all phones of the home, as the store answers them. */
  keep(records: readonly PhoneRecord[]): void {
    this.#records = records;
    this.#loaded = true;
  }

  /** Takes in one phone anew. */
  update(record: PhoneRecord): void {
    this.#records = [...this.#records.filter(({ id }) => id !== record.id), record];
  }

  setOnline(ids: readonly string[]): void {
    this.#online = ids;
  }

  get online(): string[] {
    return [...this.#online];
  }

  isOnline(id: string): boolean {
    return this.#online.includes(id);
  }

  byUdn(udn: string): PhoneRecord | undefined {
    return this.#records.find((record) => record.udn === udn);
  }

  get phones(): Phone[] {
    return this.#records.map((record) => this.phoneOf(record));
  }

  /** As many as a frame may name: of more, those that are online, and then those that came last. */
  get approvedUdns(): string[] {
    const approved = this.#records.filter((record) => record.approved);
    const isOnline = ({ id }: PhoneRecord) => Number(this.isOnline(id));
    // Sorting is stable.
    const named = approved.toSorted((one, other) => isOnline(one) - isOnline(other)).slice(-limits.phones);
    return named.map((record) => record.udn);
  }

  phoneOf({ epoch: _, ...record }: PhoneRecord): Phone {
    return { ...record, online: this.isOnline(record.id) };
  }

  /** A phone that the household has approved. Throws `not-found` or `phone-not-approved`. */
  approved(id: string): PhoneRecord {
    const record = this.#records.find((each) => each.id === id);
    if (record === undefined) throw new GatewayError('not-found', 'This home has no such phone.');
    if (!record.approved) {
      throw new GatewayError(
        'phone-not-approved',
        'Approve this phone first: until then nothing of it leaves the home.',
      );
    }
    return record;
  }

  /** The only phone that a send without a named phone can mean, if it is online. */
  onlyApprovedOnline(): PhoneRecord | undefined {
    const able = this.#records.filter((record) => record.approved && this.isOnline(record.id));
    return able.length === 1 ? able[0] : undefined;
  }
}
