// Decides whether a phone that is seen again is the one that the household approved. Pure; shared by the adapters.
import { hash } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import type { PhoneEvidence, PhonePresence } from '../../../protocol/frames.ts';
import type { PhoneRecord } from '../phone-store.ts';

/**
 * `moved`: the same host by name or network card, at another address or with another description: a notice suffices.
 */
export type Likeness = 'same' | 'moved' | 'other';

/** The evidence that the agent saw; for agents that report an address only, its host. */
export function presenceEvidenceOf({ evidence, address }: Pick<PhonePresence, 'evidence' | 'address'>): PhoneEvidence {
  return evidence ?? { address: hostOf(address) };
}

export function likenessOf(approved: PhoneEvidence, seen: PhoneEvidence): Likeness {
  const isSame = (name: 'digest' | 'hardware') =>
    approved[name] === undefined || seen[name] === undefined || approved[name] === seen[name];
  // A host that could not be resolved has its name alone.
  const hasBoth = approved.address !== undefined && seen.address !== undefined;
  const isSamePlace = hasBoth
    ? approved.address === seen.address
    : (approved.host ?? approved.address) === (seen.host ?? seen.address);
  if (isSamePlace && isSame('digest') && isSame('hardware')) return 'same';
  const isSameCard = approved.hardware !== undefined && approved.hardware === seen.hardware;
  const isSameName = approved.host !== undefined && approved.host === seen.host && !isAddress(approved.host);
  return isSameCard || isSameName ? 'moved' : 'other';
}

/** The phone's approval after the present evidence. */
type Approval = Pick<PhoneRecord, 'approved' | 'approvedAs' | 'changed' | 'moved'>;

/**
 * An approval holds for the evidence that was approved. Other evidence leads to a question; when the approved evidence
 * is seen again, the approval holds again without one.
 */
export function approvalOf(current: PhoneRecord, presence: PhonePresence, nowMs: number): Approval {
  const isKnown = current.approved || current.changed !== undefined;
  if (!isKnown) return { approved: false };
  // An earlier version stored no evidence with the approval: use the address of that time.
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
 * Stores people's decision about a phone, for the evidence seen last. `change`: the id of the change that they were
 * shown.
 * @throws GatewayError `conflict` where the evidence has changed again since
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

/** A digest: it reveals nothing, and the same evidence gives the same id. */
function changeId({ address, host, digest, hardware }: PhoneEvidence): string {
  return `c_${hash('sha256', JSON.stringify([address, host, digest, hardware]), 'hex').slice(0, 32)}`;
}

function placeIn({ address, host }: PhoneEvidence): string {
  return address ?? host ?? '';
}

/** The host of `192.168.1.20:49200` or `[fe80::1]:80`, without the port, which changes with a restart. */
function hostOf(address: string): string {
  return address
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}
