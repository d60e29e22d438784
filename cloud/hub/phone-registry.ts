// The phones of one home: what the store keeps of them, and which are online now.
import { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, FrameOf, PhonePresence } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import type { Phone, Trouble } from '../../protocol/model.ts';
import type { PhoneRecord } from '../store/phone-store.ts';
import type { Store } from '../store/store.ts';
import type { SocketAttachment } from './link.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

/** Of their JSON, so that the note of a link stays far below its 16 KiB: a dozen phones with long names. */
const notedChars = 4_000;

export type PhoneRegistryNote = Pick<SocketAttachment, 'online' | 'phones' | 'troubles'>;

export class PhoneRegistry {
  readonly #home: string;
  readonly #store: Store;
  /** A household has few phones: a list is as quick as a map, and ten thousand homes feel its weight. */
  #records: readonly PhoneRecord[] = [];
  #online: readonly string[];
  #troubles: Readonly<Record<string, Trouble>>;
  #loading: Promise<void> | undefined;
  #loaded = false;
  #changing = 0;
  #lastChange: Promise<unknown> = Promise.resolve();

  /** `noted`: what a link that outlived the hub's last life knows. */
  constructor(home: string, store: Store, { online, phones, troubles = {} }: PhoneRegistryNote) {
    this.#home = home;
    this.#store = store;
    this.#online = online;
    this.#troubles = troubles;
    if (phones !== undefined) this.keep(phones);
  }

  /**
   * For a link to keep. Nobody but this hub changes what the store holds of phones, so that it stays true; a life that
   * ends in the middle of a change leaves a note without them, and the next one reads them.
   */
  get note(): PhoneRegistryNote {
    const isSure = this.#loaded && this.#changing === 0;
    const isSmall = isSure && JSON.stringify(this.#records).length <= notedChars;
    // Sentences that are too long for the note are told again when the agent next has something to tell of its phones.
    const areShort = JSON.stringify(this.#troubles).length <= notedChars;
    return {
      online: [...this.#online],
      phones: isSmall ? this.#records : undefined,
      troubles: areShort ? this.#troubles : undefined,
    };
  }

  /**
   * Has the store change phones, and takes in what it answers. One after the other, so that an older answer does not
   * take the place of a newer one. After a failure, which may have changed them, they are read again.
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

  /** Reads the phones from the store the first time; a failure is tried again by the next who asks. */
  async load(): Promise<void> {
    while (!this.#loaded) {
      this.#loading ??= this.#read().finally(() => {
        this.#loading = undefined;
      });
      await this.#loading;
    }
  }

  /** What is changed while they are read may or may not be in the answer: then they are read once more. */
  async #read(): Promise<void> {
    const lastChange = this.#lastChange;
    await lastChange;
    const records = await this.#store.phones.list(this.#home);
    if (lastChange === this.#lastChange && !this.#loaded) this.keep(records);
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

  /** Takes in what the agent says is wrong with its phones; answers whether that is news. The phones are known by now. */
  setTroubles(presences: readonly PhonePresence[]): boolean {
    const told = presences.flatMap(({ udn, trouble }) => {
      const id = this.byUdn(udn)?.id;
      return id === undefined || trouble === undefined ? [] : [[id, trouble] as const];
    });
    const before = this.#troubles;
    this.#troubles = Object.fromEntries(told);
    return JSON.stringify(before) !== JSON.stringify(this.#troubles);
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

  /** Changes with what people see of approvals: then the home is to be read again. A phone that is new tells itself. */
  get approvalState(): string {
    const told = this.#records.filter(({ approvedAs, changed }) => approvedAs !== undefined || changed !== undefined);
    return JSON.stringify(told.map(({ id, approved, changed, moved }) => [id, approved, changed, moved]));
  }

  /** As the agent is told them: an approval counts for the phone as it was seen when it was given. */
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

  /** The only phone that a send without a named phone can mean, if it is online. */
  onlyApprovedOnline(): PhoneRecord | undefined {
    const able = this.#records.filter((record) => record.approved && this.isOnline(record.id));
    return able.length === 1 ? able[0] : undefined;
  }

  /** The only phone that whoever names none can mean: of those that are online, or of all where none is. */
  onlyApproved(): PhoneRecord | undefined {
    const approved = this.#records.filter((record) => record.approved);
    if (approved.some(({ id }) => this.isOnline(id))) return this.onlyApprovedOnline();
    return approved.length === 1 ? approved[0] : undefined;
  }
}
