// This machine's networks, and which addresses a peer may have there. Requirements D13, Z1, Z3, Z4.
import { networkInterfaces } from 'node:os';
import { addressBits, addressKind, canonicalAddress, isIPv4Address } from '../../../shared/ip-address.ts';

export interface LocalInterface {
  name: string;
  address: string;
  family: 'IPv4' | 'IPv6';
  netmask: string;
  prefixLength: number;
  /** The zone of a link-local IPv6 address: its interface index; undefined otherwise. */
  scopeId: number | undefined;
  internal: boolean;
}

/**
 * This machine's addresses on the named interfaces; with no names, on all but loopback. Skips link-local IPv4, which a
 * machine assigns itself when DHCP fails.
 */
export function listInterfaces(names: readonly string[]): LocalInterface[] {
  const found: LocalInterface[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, family, netmask, cidr, internal, ...rest } of addresses ?? []) {
      if (names.length === 0 ? internal : !names.includes(name)) continue;
      if (address.startsWith('169.254.')) continue;
      const scopeId = 'scopeid' in rest && rest.scopeid ? rest.scopeid : undefined;
      found.push({ name, address, family, netmask, prefixLength: Number(cidr?.split('/')[1] ?? 0), scopeId, internal });
    }
  }
  return found;
}

/** Whether a canonical address lies in the prefix of an interface. */
function sharesPrefix(address: string, of: LocalInterface): boolean {
  const width = isIPv4Address(address) ? 32 : 128;
  const own = canonicalAddress(of.address);
  if (own === undefined || isIPv4Address(own) !== isIPv4Address(address)) return false;
  const shift = BigInt(width - of.prefixLength);
  return addressBits(own) >> shift === addressBits(address) >> shift;
}

/** The interface whose prefix holds the address, so that no router is needed to reach it. */
export function interfaceOf(address: string, interfaces: readonly LocalInterface[]): LocalInterface | undefined {
  const canonical = canonicalAddress(address);
  return canonical === undefined ? undefined : interfaces.find((one) => sharesPrefix(canonical, one));
}

/** Why a peer's address must not be used; undefined when it may be. Loopback is on-link only when `lo` was requested. */
export function objectionTo(address: string, interfaces: readonly LocalInterface[]): string | undefined {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return 'is no IP address';
  const kind = addressKind(canonical);
  if (kind === 'unspecified') return 'is the unspecified address';
  if (kind === 'multicast' || isBeyondUnicast(canonical)) return 'is a multicast address';
  if (kind === 'link-local' && isIPv4Address(canonical)) return 'is link-local IPv4';
  const via = interfaceOf(canonical, interfaces);
  if (via === undefined) return 'is not on a network of ours';
  if (via.internal) return undefined;
  if (interfaces.some((one) => canonicalAddress(one.address) === canonical)) return 'is our own';
  if (isIPv4Address(canonical) && via.prefixLength < 31 && isEndOfPrefix(canonical, via.prefixLength))
    return 'is a network or broadcast address';
  return undefined;
}

/** 224.0.0.0 and above: multicast, and what nobody has been given. */
function isBeyondUnicast(canonical: string): boolean {
  return isIPv4Address(canonical) && addressBits(canonical) >> 29n === 7n;
}

function isEndOfPrefix(ipv4: string, prefixLength: number): boolean {
  const hosts = (1n << BigInt(32 - prefixLength)) - 1n;
  const host = addressBits(ipv4) & hosts;
  return host === 0n || host === hosts;
}
