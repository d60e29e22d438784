// The phones of one home: their stored records, and which are online now.
import { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, FrameOf, PhonePresence } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import type { Phone, Trouble } from '../../protocol/model.ts';
import type { PhoneRecord } from '../store/phone-store.ts';
import type { Store } from '../store/store.ts';
import { UnconfirmedPhone } from './delivery/unconfirmed-phone.ts';
import type { SocketAttachment } from './link.ts';

/** Of their JSON: a dozen phones with long names, far below the 16 KiB of a socket's attachment. */
const snapshotChars = 4_000;

export type PhoneRegistrySnapshot = Pick<SocketAttachment, 'online' | 'phones' | 'troubles'>;

export class PhoneRegistry {
  readonly #home: string;
  readonly #store: Store;
  /** An array: a household has few phones, and a map costs memory in each of ten thousand homes. */
  #records: readonly PhoneRecord[] = [];
  #online: readonly string[];
  #troubles: Readonly<Record<string, Trouble>>;
  #loading: Promise<void> | undefined;
  #loaded = false;
  #changing = 0;
  #lastChange: Promise<unknown> = Promise.resolve();

  /** `snapshot`: from the attachment of a socket that survived eviction. */
  constructor(home: string, store: Store, { online, phones, troubles = {} }: PhoneRegistrySnapshot) {
    this.#home = home;
    this.#store = store;
    this.#online = online;
    this.#troubles = troubles;
    if (phones !== undefined) this.keep(phones);
  }

  /**
   * For the socket's attachment. It stays true, because only this hub changes the stored phones. During a change it has
   * no phones: a hub that is evicted then reads them from the store.
   */
  get snapshot(): PhoneRegistrySnapshot {
    const isSure = this.#loaded && this.#changing === 0;
    const isSmall = isSure && JSON.stringify(this.#records).length <= snapshotChars;
    // Troubles that are too long for the attachment come again with the agent's next list of phones.
    const areShort = JSON.stringify(this.#troubles).length <= snapshotChars;
    return {
      online: [...this.#online],
      phones: isSmall ? this.#records : undefined,
      troubles: areShort ? this.#troubles : undefined,
    };
  }

  /**
   * Changes phones in the store and takes in the answer. One change at a time, so that an older answer cannot overwrite a
   * newer one. A failed change may have been stored, so the phones are then read again.
   */
  change<Answer>(ask: () => Promise<Answer>, takeIn: (answer: Answer) => void): Promise<Answer> {
    this.#changing++;
    const change = this.#lastChange.then(ask).then(
      (answer) => {
        this.#changing--;
        takeIn(answer);
        return answer;
      },
      (error) => {
        this.#changing--;
        this.#loaded = false;
        throw error;
      },
    );
    this.#lastChange = change.catch(() => undefined);
    return change;
  }

  /** Reads the phones from the store once; after a failure the next caller tries again. */
  async load(): Promise<void> {
    while (!this.#loaded) {
      this.#loading ??= this.#read().finally(() => {
        this.#loading = undefined;
      });
      await this.#loading;
    }
  }

  /** A change during the read may or may not be in the answer: `load` then reads once more. */
  async #read(): Promise<void> {
    const lastChange = this.#lastChange;
    await lastChange;
    const records = await this.#store.phones.list(this.#home);
    if (lastChange === this.#lastChange && !this.#loaded) this.keep(records);
  }

  /** Replaces all phones of the home by the store's. */
  keep(records: readonly PhoneRecord[]): void {
    this.#records = records;
    this.#loaded = true;
  }

  /** Replaces one phone. */
  update(record: PhoneRecord): void {
    this.#records = [...this.#records.filter(({ id }) => id !== record.id), record];
  }

  setOnline(ids: readonly string[]): void {
    this.#online = ids;
  }

  /** Takes the troubles that the agent reports; answers whether they changed. The phones must be loaded. */
  setTroubles(presences: readonly PhonePresence[]): boolean {
    const told = presences.flatMap(({ udn, trouble }) => {
      const id = this.byUdn(udn)?.id;
      return id === undefined || trouble === undefined ? [] : [[id, trouble] as const];
    });
    const before = this.#troubles;
    this.#troubles = Object.fromEntries(told);
    return JSON.stringify(before) !== JSON.stringify(this.#troubles);
  }

  get records(): readonly PhoneRecord[] {
    return this.#records;
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

  /** Capped to what a frame may name: phones that are online first, then the newest. */
  get approvedUdns(): string[] {
    const approved = this.#records.filter((record) => record.approved);
    const isOnline = ({ id }: PhoneRecord) => Number(this.isOnline(id));
    // The sort is stable, so the newest stay last.
    const named = approved.toSorted((one, other) => isOnline(one) - isOnline(other)).slice(-limits.phones);
    return named.map((record) => record.udn);
  }

  /** Differs when people must read the home again because an approval changed. A new phone has its own event. */
  get approvalState(): string {
    const told = this.#records.filter(({ approvedAs, changed }) => approvedAs !== undefined || changed !== undefined);
    return JSON.stringify(told.map(({ id, approved, changed, moved }) => [id, approved, changed, moved]));
  }

  /** For the agent, with evidence: an approval counts for the phone as it was seen when it was approved. */
  get approvals(): FrameOf<CloudFrame, 'approvals'> {
    const approved = this.approvedUdns;
    const evidence = approved.flatMap((udn) => {
      const seenAs = this.byUdn(udn)?.seenAs;
      return seenAs === undefined ? [] : [[udn, seenAs] as const];
    });
    return { type: 'approvals', approved, evidence: Object.fromEntries(evidence) };
  }

  phoneOf({ epoch: _, approvedAs: __, seenAs: ___, ...record }: PhoneRecord): Phone {
    const trouble = this.#troubles[record.id];
    return { ...record, online: this.isOnline(record.id), ...(trouble !== undefined && { trouble }) };
  }

  /** A phone that the household has approved. Throws `not-found` or `phone-not-approved`. */
  approved(id: string): PhoneRecord {
    const record = this.#records.find((each) => each.id === id);
    if (record === undefined) throw new GatewayError('not-found', 'This home has no such phone.');
    if (record.changed !== undefined) throw new UnconfirmedPhone(record.changed);
    if (!record.approved) {
      throw new GatewayError(
        'phone-not-approved',
        'Approve this phone first: until then nothing of it leaves the home.',
      );
    }
    return record;
  }
}
