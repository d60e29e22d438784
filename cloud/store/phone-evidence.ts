// Whether a phone that came back is the one that the household approved. Pure, and the same for every adapter.
import type { PhoneEvidence, PhonePresence } from '../../protocol/frames.ts';
import type { PhoneRecord } from './store.ts';

/** `moved`: the same host by its name or its network card, elsewhere or described otherwise: a notice is enough. */
export type Likeness = 'same' | 'moved' | 'other';

/** What the agent saw of a phone; of agents that tell nothing but an address, its host. */
export function evidenceOf({ evidence, address }: Pick<PhonePresence, 'evidence' | 'address'>): PhoneEvidence {
  return evidence ?? { address: hostOf(address) };
}

export function likenessOf(approved: PhoneEvidence, seen: PhoneEvidence): Likeness {
  const isSame = (name: 'digest' | 'hardware') =>
    approved[name] === undefined || seen[name] === undefined || approved[name] === seen[name];
  // A host that could not be looked up has its name alone.
  const hasBoth = approved.address !== undefined && seen.address !== undefined;
  const isSamePlace = hasBoth
    ? approved.address === seen.address
    : (approved.host ?? approved.address) === (seen.host ?? seen.address);
  if (isSamePlace && isSame('digest') && isSame('hardware')) return 'same';
  const isSameCard = approved.hardware !== undefined && approved.hardware === seen.hardware;
  const isSameName = approved.host !== undefined && approved.host === seen.host && !isAddress(approved.host);
  return isSameCard || isSameName ? 'moved' : 'other';
}

/** What of a phone's approval follows from how it was seen now. */
type Approval = Pick<PhoneRecord, 'approved' | 'approvedAs' | 'changed' | 'moved'>;

/**
 * An approval holds for the phone as it was approved. One that comes back as another is asked about, and is the approved
 * one again, without a question, when it is seen as it was.
 */
export function approvalOf(current: PhoneRecord, presence: PhonePresence, nowMs: number): Approval {
  const isKnown = current.approved || current.changed !== undefined;
  if (!isKnown) return { approved: false };
  // Approved by a version that kept no evidence: the address that it had then.
  const approvedAs = current.approvedAs ?? { address: hostOf(current.address) };
  const seen = evidenceOf(presence);
  const time = new Date(nowMs).toISOString();
  const change = { from: placeIn(approvedAs), to: placeIn(seen), time };
  switch (likenessOf(approvedAs, seen)) {
    case 'same':
      return { approved: true, approvedAs: { ...approvedAs, ...seen }, ...(current.moved && { moved: current.moved }) };
    case 'moved':
      return { approved: true, approvedAs: { ...approvedAs, ...seen }, moved: change };
    case 'other': {
      const isTold = current.changed?.to === change.to;
      return { approved: false, approvedAs, changed: isTold && current.changed ? current.changed : change };
    }
  }
}

/** People's word on a phone: it counts for the phone as it was seen last. */
export function decide(phone: PhoneRecord, approved: boolean): PhoneRecord {
  const { approvedAs: _, changed: __, moved: ___, ...rest } = phone;
  return { ...rest, approved, ...(approved && { approvedAs: phone.seenAs ?? { address: hostOf(phone.address) } }) };
}

function placeIn({ address, host }: PhoneEvidence): string {
  return address ?? host ?? '';
}

/** Of `192.168.1.20:49200` or `[fe80::1]:80`: a restart takes another port. */
function hostOf(address: string): string {
  return address
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}
