// Whether a phone that came back is the one that the household approved. Pure, and the same for every adapter.
import { hash } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import type { PhoneEvidence, PhonePresence } from '../../../protocol/frames.ts';
import type { PhoneRecord } from '../phone-store.ts';

/** `moved`: the same host by its name or its network card, elsewhere or described otherwise: a notice is enough. */
export type Likeness = 'same' | 'moved' | 'other';

/** What the agent saw of a phone; of agents that tell nothing but an address, its host. */
export function presenceEvidenceOf({ evidence, address }: Pick<PhonePresence, 'evidence' | 'address'>): PhoneEvidence {
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
  const seen = presenceEvidenceOf(presence);
  const time = new Date(nowMs).toISOString();
  const change = { from: placeIn(approvedAs), to: placeIn(seen), time };
  switch (likenessOf(approvedAs, seen)) {
    case 'same':
      return { approved: true, approvedAs: { ...approvedAs, ...seen }, ...(current.moved && { moved: current.moved }) };
    case 'moved':
      return { approved: true, approvedAs: { ...approvedAs, ...seen }, moved: change };
    case 'other': {
      const isTold = current.changed?.to === change.to;
      const told = isTold && current.changed ? current.changed : change;
      return { approved: false, approvedAs, changed: { ...told, id: changeId(seen) } };
    }
  }
}

/**
 * People's word on a phone: it counts for the phone as it was seen last. `change`: the id of the change that they were
 * shown. Throws `conflict` where the phone was seen as yet another since.
 */
export function decide(phone: PhoneRecord, approved: boolean, change?: string): PhoneRecord {
  if (change !== undefined && change !== changeId(seenOf(phone))) {
    throw new GatewayError(
      'conflict',
      `The phone has changed again since you were asked: it is now at ${placeIn(seenOf(phone))}. Nothing was approved. Look at it once more, and approve it if it is yours.`,
    );
  }
  const { approvedAs: _, changed: __, moved: ___, ...rest } = phone;
  return { ...rest, approved, ...(approved && { approvedAs: seenOf(phone) }) };
}

function seenOf({ seenAs, address }: PhoneRecord): PhoneEvidence {
  return seenAs ?? { address: hostOf(address) };
}

/** Says nothing of what it stands for, and is the same for the same evidence. */
function changeId({ address, host, digest, hardware }: PhoneEvidence): string {
  return `c_${hash('sha256', JSON.stringify([address, host, digest, hardware]), 'hex').slice(0, 32)}`;
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
