// The agent's list of phones: stored, then answered with the approvals, then told to the watchers.
import type { CloudFrame, EdgeFrame, FrameOf, PhonePresence } from '../../protocol/frames.ts';
import type { Store, Write } from '../store/store.ts';
import type { AgentCounts } from './link.ts';
import type { PhoneRegistry } from './phone-registry.ts';

type PhonesFrame = FrameOf<EdgeFrame, 'phones'>;

export interface PhonesIntakeHome {
  readonly id: string;
  readonly phoneRegistry: PhoneRegistry;
  commit(writes: readonly Write[], onStored?: () => void): Promise<unknown>;
  phonesChanged(): void;
  /** The events for watchers who were shown the home as away although no event said so. */
  corrections(): Write[];
}

export interface PhonesIntakeTunnel {
  readonly isOpen: boolean;
  readonly counts: AgentCounts;
  /** Whether the agent's token allows it to approve phones. */
  readonly mayApprove: boolean;
  send(frame: CloudFrame): void;
  keepPhoneRegistry(): void;
  /** The phones of this frame are stored and registered. */
  notePhones(frame: PhonesFrame): void;
}

export class PhonesIntake {
  readonly #tunnel: PhonesIntakeTunnel;
  readonly #home: PhonesIntakeHome;
  readonly #store: Store;

  constructor(tunnel: PhonesIntakeTunnel, home: PhonesIntakeHome, store: Store) {
    this.#tunnel = tunnel;
    this.#home = home;
    this.#store = store;
  }

  /** @throws GatewayError `store-unavailable`; the same frame may be taken again then */
  async take(frame: PhonesFrame): Promise<void> {
    const { phoneRegistry } = this.#home;
    await phoneRegistry.load();
    const approvalsBefore = phoneRegistry.approvalState;
    const seen = phoneRegistry.change(
      () => this.#store.phones.put(this.#home.id, this.#believed(frame.phones)),
      (records) => phoneRegistry.keep(records),
    );
    this.#tunnel.keepPhoneRegistry();
    await seen;
    if (!this.#tunnel.isOpen) return;
    const before = new Set(phoneRegistry.online);
    phoneRegistry.setOnline(
      frame.phones.flatMap((phone) => (phone.online ? (phoneRegistry.byUdn(phone.udn)?.id ?? []) : [])),
    );
    const haveTroublesChanged = phoneRegistry.setTroubles(frame.phones);
    const countsBefore = this.#tunnel.counts;
    this.#tunnel.notePhones(frame);
    const haveCountsChanged = areDifferent(countsBefore, this.#tunnel.counts);
    this.#tunnel.send(phoneRegistry.approvals);
    const changed = phoneRegistry.phones.filter((phone) => phone.online !== before.has(phone.id));
    // The others too: a phone that was reported online may have gone while the home was away for a moment.
    const unchanged = phoneRegistry.phones.filter((phone) => phone.online === before.has(phone.id));
    const corrections = this.#home.corrections();
    const haveApprovalsChanged = approvalsBefore !== phoneRegistry.approvalState;
    const isNews = corrections.length === 0 && (haveCountsChanged || haveTroublesChanged || haveApprovalsChanged);
    await this.#home.commit([
      ...[...changed, ...unchanged].map((phone) => ({ type: 'phone.status', phone }) as const),
      ...(isNews ? [{ type: 'home.updated' } as const] : corrections),
    ]);
    this.#home.phonesChanged();
  }

  /** Approval needs `phones:approve`, which the maker of the agent's token may not have. */
  #believed(phones: readonly PhonePresence[]): readonly PhonePresence[] {
    if (this.#tunnel.mayApprove) return phones;
    return phones.map((phone) => ({ ...phone, trusted: false }));
  }
}

/** A count that is absent is as good as 0. */
function areDifferent(one: AgentCounts, other: AgentCounts): boolean {
  const names = Object.keys({ ...one, ...other }) as (keyof AgentCounts)[];
  return names.some((name) => (one[name] ?? 0) !== (other[name] ?? 0));
}
