// Applies a write to a home's phones: seen, online, deleted.
import type { PhonePresence } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { nextUlid } from '../../../shared/ulid.ts';
import type { PhoneRecord } from '../phone-store.ts';
import type { WriteOf } from '../store.ts';
import type { Change } from './change.ts';
import { approvalOf, presenceEvidenceOf } from './phone-approval.ts';

/** The phone goes online or offline. `wasOnline`: the last state that watchers know. */
export function setPhoneStatus(wasOnline: boolean, write: WriteOf<'phone.status'>): Change<boolean> | undefined {
  const { online } = write.phone;
  if (online === wasOnline) return undefined;
  return { next: online, event: { type: online ? 'phone.online' : 'phone.offline', data: write.phone } };
}

/** The home's phones, by id, after the agent reported these, and the phones to delete. */
export function showPhones(
  known: readonly PhoneRecord[],
  shown: readonly PhonePresence[],
  nowMs: number,
): { phones: PhoneRecord[]; forgotten: PhoneRecord[] } {
  const byUdn = new Map(known.map((phone) => [phone.udn, phone]));
  for (const presence of shown) byUdn.set(presence.udn, seePhone(inOrder(byUdn.values()), presence, nowMs));
  const all = inOrder(byUdn.values());
  const forgotten = phonesToForget(all, shown);
  return { phones: all.filter((phone) => !forgotten.includes(phone)), forgotten };
}

/** Orders phones by when each was first seen. */
export function inOrder(phones: Iterable<PhoneRecord>): PhoneRecord[] {
  return [...phones].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/**
 * The phone with the agent's report. Only people change an approval; a trusted phone starts approved, unless the number
 * of approved phones is at the cap of an agent. `known`: the home's phones by id; a new phone's id follows the last.
 */
function seePhone(known: readonly PhoneRecord[], presence: PhonePresence, nowMs: number): PhoneRecord {
  const current = known.find((phone) => phone.udn === presence.udn);
  const { udn, name, deviceType, address, epoch, trusted } = presence;
  const capabilities = presence.capabilities ?? current?.capabilities;
  const seenAs = presenceEvidenceOf(presence);
  const isTrusted = trusted && known.filter((phone) => phone.approved).length < limits.phones;
  const approval =
    current === undefined
      ? { approved: isTrusted, ...(isTrusted && { approvedAs: seenAs }) }
      : approvalOf(current, presence, nowMs);
  return {
    id: current?.id ?? `p_${nextUlid(known.at(-1)?.id.slice(2) ?? '', nowMs)}`,
    udn,
    name,
    deviceType,
    ...approval,
    seenAs,
    address,
    ...(capabilities !== undefined && { capabilities }),
    epoch,
  };
}

/**
 * The phones to delete, so that a home keeps at most as many as an agent can report: the oldest that are neither
 * approved nor seen. A stranger on the LAN can invent any number of names.
 */
function phonesToForget(known: readonly PhoneRecord[], seen: readonly PhonePresence[]): PhoneRecord[] {
  const strangers = known.filter(
    (phone) => !phone.approved && phone.changed === undefined && !seen.some(({ udn }) => udn === phone.udn),
  );
  return strangers.slice(0, Math.max(0, known.length - limits.phones));
}
