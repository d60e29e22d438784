// IP addresses: canonical form, prefixes, and which ones a peer may have. Requirements D13, Z1, Z3, Z4.
import { isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';

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

/**
 * The canonical form of an IP literal: no brackets or zone, IPv6 compressed, IPv4-mapped IPv6 unwrapped.
 * Undefined for anything else, hexadecimal and octal IPv4 included.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (isIPv4(bare)) return bare;
  if (isIP(bare) !== 6) return undefined;
  const compressed = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (mapped === null) return compressed;
  const bits = Number.parseInt(mapped[1] ?? '', 16) * 0x10000 + Number.parseInt(mapped[2] ?? '', 16);
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.');
}

/** An address as one number, so that prefixes can be compared by shifting. */
function bitsOf(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  const all = tail === undefined ? front : [...front, ...Array(8 - front.length - back.length).fill('0'), ...back];
  return all.reduce((bits: bigint, group: string) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** Whether a canonical address lies in the prefix of an interface. */
function sharesPrefix(address: string, of: LocalInterface): boolean {
  const width = isIPv4(address) ? 32 : 128;
  const own = canonicalAddress(of.address);
  if (own === undefined || isIPv4(own) !== isIPv4(address)) return false;
  const shift = BigInt(width - of.prefixLength);
  return bitsOf(own) >> shift === bitsOf(address) >> shift;
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
  if (canonical === '0.0.0.0' || canonical === '::') return 'is the unspecified address';
  if (isMulticast(canonical)) return 'is a multicast address';
  if (canonical.startsWith('169.254.')) return 'is link-local IPv4';
  const via = interfaceOf(canonical, interfaces);
  if (via === undefined) return 'is not on a network of ours';
  if (via.internal) return undefined;
  if (interfaces.some((one) => canonicalAddress(one.address) === canonical)) return 'is our own';
  if (isIPv4(canonical) && via.prefixLength < 31 && isEndOfPrefix(canonical, via.prefixLength))
    return 'is a network or broadcast address';
  return undefined;
}

function isMulticast(canonical: string): boolean {
  return isIPv4(canonical) ? Number(canonical.split('.')[0]) >= 224 : canonical.startsWith('ff');
}

function isEndOfPrefix(ipv4: string, prefixLength: number): boolean {
  const hosts = (1n << BigInt(32 - prefixLength)) - 1n;
  const host = bitsOf(ipv4) & hosts;
  return host === 0n || host === hosts;
}
