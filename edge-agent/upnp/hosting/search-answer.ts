// What a hosted device announces and which searches it answers: UPnP Device Architecture 2.0 §1.2.2 and §1.3.3.

import type { SsdpMessage } from '../discovery/ssdp-message.ts';
import type { HostedDevice } from './hosted-device.ts';

/** One announced target: NT (or ST) and USN. */
export interface Target {
  readonly type: string;
  readonly usn: string;
}

export interface Search {
  /** ST exactly as received: some control points drop an answer that differs in case (H6). */
  readonly target: string;
  /** The window over which to spread the answers; 0 for a unicast search. */
  readonly withinMs: number;
}

/** The targets of a device without embedded devices: 3 + k (H1). */
export function targetsOf(device: HostedDevice): Target[] {
  const types = ['upnp:rootdevice', device.deviceType, ...device.services.map((service) => service.serviceType)];
  return [
    { type: device.udn, usn: device.udn },
    ...[...new Set(types)].map((type) => ({ type, usn: `${device.udn}::${type}` })),
  ];
}

/**
 * Parses a search; undefined when it must be discarded silently (H3).
 * @param group the multicast group as HOST names it: a search with any other HOST is unicast
 */
export function searchOf(message: SsdpMessage, group: string): Search | undefined {
  const { headers } = message;
  const target = headers.get('ST');
  if (message.kind !== 'search' || !target || target.length > maxTargetChars) return undefined;
  if (headers.get('MAN')?.trim() !== '"ssdp:discover"') return undefined;
  const host = headers.get('HOST')?.trim();
  if (host === undefined) return undefined;
  if (host.replace(/:\d+$/, '').toUpperCase() !== group) return { target, withinMs: 0 };
  const mx = headers.get('MX')?.trim() ?? '';
  if (!/^\d{1,10}$/.test(mx) || Number(mx) < 1) return undefined;
  return { target, withinMs: Math.min(Number(mx), 5) * 1000 };
}

/** The targets that match a search; a lower version of a type is answered with that version (H6). */
export function matching(targets: readonly Target[], asked: string): Target[] {
  if (asked === 'ssdp:all') return [...targets];
  const [udn] = targets;
  if (udn === undefined) return [];
  if (asked.toLowerCase() === udn.type.toLowerCase()) return [{ type: asked, usn: udn.usn }];
  const wanted = versioned(asked);
  const serves = targets.some(({ type }) => {
    if (type === asked) return true;
    const own = versioned(type);
    return (
      own !== undefined &&
      wanted !== undefined &&
      own.name === wanted.name &&
      wanted.version >= 1 &&
      wanted.version <= own.version
    );
  });
  return serves ? [{ type: asked, usn: `${udn.usn}::${asked}` }] : [];
}

const maxTargetChars = 512;

function versioned(type: string): { name: string; version: number } | undefined {
  const at = type.lastIndexOf(':');
  const version = type.slice(at + 1);
  if (at < 0 || !type.startsWith('urn:') || !/^\d{1,9}$/.test(version)) return undefined;
  return { name: type.slice(0, at), version: Number(version) };
}
