// Stored phones, with the household's decision about each.
import type { PhoneEvidence, PhonePresence } from '../../protocol/frames.ts';
import type { Phone } from '../../protocol/model.ts';

/** A stored phone; only the hub knows whether it is online. */
export type PhoneRecord = Omit<Phone, 'online'> & {
  epoch: number;
  /** The evidence that the household approved. Absent where an earlier version stored the approval. */
  approvedAs?: PhoneEvidence | undefined;
  /** The evidence that the agent saw last. */
  seenAs?: PhoneEvidence | undefined;
};

export interface PhoneStore {
  /**
   * Stores the phones that the agent sees; a trusted phone is approved when it is first seen (rules/phone-rules.ts,
   * which also decides when to delete one). Returns all phones of the home.
   */
  put(home: string, phones: readonly PhonePresence[]): Promise<PhoneRecord[]>;
  /** Ordered by when each was first seen. */
  list(home: string): Promise<PhoneRecord[]>;
  /**
   * `change`: the id of the change that the household was shown, if any. Undefined where there is no such phone.
   * @throws GatewayError `conflict` where the phone has changed again since
   */
  approve(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined>;
}
