// Phones as the store keeps them, with what the household decided about each.
import type { PhoneEvidence, PhonePresence } from '../../protocol/frames.ts';
import type { Phone } from '../../protocol/model.ts';

/** A phone as the store keeps it; whether it is online now, only the hub knows. */
export type PhoneRecord = Omit<Phone, 'online'> & {
  epoch: number;
  /** What the household's approval counts for. Absent where it was given before this was kept. */
  approvedAs?: PhoneEvidence | undefined;
  /** As the agent saw it last. */
  seenAs?: PhoneEvidence | undefined;
};

export interface PhoneStore {
  /**
   * Keeps what the agent sees; a trusted phone is approved when it is first seen (rules/phone-rules.ts, which also
   * says when one is forgotten). Answers all phones of the home.
   */
  put(home: string, phones: readonly PhonePresence[]): Promise<PhoneRecord[]>;
  /** In the order in which they were first seen. */
  list(home: string): Promise<PhoneRecord[]>;
  /**
   * `change`: the id of the change that the household was shown, if one was. Undefined where there is no such phone.
   * @throws `conflict` where the phone has changed again since.
   */
  approve(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined>;
}
