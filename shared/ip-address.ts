// IP addresses as text, and what kind of network each belongs to. Kinds: IANA IPv4 and IPv6 Special-Purpose Address Registries.

/** What a canonical address is for; `public` is every address that the whole Internet may route. */
export type AddressKind =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'unspecified'
  /** Documentation, benchmarks, transition mechanisms, and what nobody has been given. */
  | 'reserved';

/**
 * The canonical form of an IP literal (RFC 5952): brackets and zone dropped, IPv6 compressed, IPv4 mapped into IPv6
 * unwrapped. Undefined when it is no IP literal in its usual form: decimal, octal and hexadecimal IPv4 are none.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (parseIPv4(bare) !== undefined) return bare;
  const bits = parseIPv6(bare);
  if (bits === undefined) return undefined;
  return bits >> 32n === 0xffffn ? formatIPv4(bits & 0xffff_ffffn) : formatIPv6(bits);
}

/** Whether a canonical address is of IPv4. */
export function isIPv4Address(canonical: string): boolean {
  return !canonical.includes(':');
}

/** A canonical address as one number of 32 or 128 bits, so that prefixes are compared by shifting. */
export function addressBits(canonical: string): bigint {
  return parseIPv4(canonical) ?? parseIPv6(canonical) ?? 0n;
}

/** The kind of a canonical address; of an IPv6 address that carries an IPv4 one to a translator, that one's kind. */
export function addressKind(canonical: string): AddressKind {
  const bits = addressBits(canonical);
  if (isIPv4Address(canonical)) return kindIn(rangesOfIPv4, bits, 32n) ?? 'public';
  // NAT64 (RFC 6052) and 6to4 (RFC 3056).
  if (bits >> 32n === 0x64_ff9bn << 64n) return addressKind(formatIPv4(bits & 0xffff_ffffn));
  if (bits >> 112n === 0x2002n) return addressKind(formatIPv4((bits >> 80n) & 0xffff_ffffn));
  // Only 2000::/3 has been given to anybody.
  return kindIn(rangesOfIPv6, bits, 128n) ?? (bits >> 125n === 1n ? 'public' : 'reserved');
}

type Range = readonly [prefix: string, length: bigint, kind: AddressKind];

const rangesOfIPv4: readonly Range[] = [
  ['0.0.0.0', 32n, 'unspecified'],
  ['0.0.0.0', 8n, 'reserved'],
  ['10.0.0.0', 8n, 'private'],
  // Shared by the customers of a carrier (RFC 6598).
  ['100.64.0.0', 10n, 'private'],
  ['127.0.0.0', 8n, 'loopback'],
  ['169.254.0.0', 16n, 'link-local'],
  ['172.16.0.0', 12n, 'private'],
  ['192.0.0.0', 24n, 'reserved'],
  ['192.0.2.0', 24n, 'reserved'],
  ['192.88.99.0', 24n, 'reserved'],
  ['192.168.0.0', 16n, 'private'],
  ['198.18.0.0', 15n, 'reserved'],
  ['198.51.100.0', 24n, 'reserved'],
  ['203.0.113.0', 24n, 'reserved'],
  ['224.0.0.0', 4n, 'multicast'],
  ['240.0.0.0', 4n, 'reserved'],
];

const rangesOfIPv6: readonly Range[] = [
  ['::', 128n, 'unspecified'],
  ['::1', 128n, 'loopback'],
  // Protocol assignments, among them Teredo, which carries an IPv4 address that is not to be seen.
  ['2001::', 23n, 'reserved'],
  ['2001:db8::', 32n, 'reserved'],
  ['3fff::', 20n, 'reserved'],
  ['fc00::', 7n, 'private'],
  ['fe80::', 10n, 'link-local'],
  // Site-local: deprecated, but private where it is still in use (RFC 3879).
  ['fec0::', 10n, 'private'],
  ['ff00::', 8n, 'multicast'],
];

function kindIn(ranges: readonly Range[], bits: bigint, width: bigint): AddressKind | undefined {
  return ranges.find(([prefix, length]) => bits >> (width - length) === addressBits(prefix) >> (width - length))?.[2];
}

function parseIPv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function parseIPv6(text: string): bigint | undefined {
  // The last 32 bits may be written as IPv4 (RFC 4291 §2.2).
  const dotted = /^(.*:)([\d.]*\.[\d.]*)$/.exec(text);
  const tail = dotted === null ? undefined : parseIPv4(dotted[2] ?? '');
  if (dotted !== null && tail === undefined) return undefined;
  const plain =
    tail === undefined ? text : `${dotted?.[1]}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  const [head = '', rest, ...more] = plain.split('::');
  if (more.length > 0) return undefined;
  const front = groupsOf(head);
  const back = groupsOf(rest ?? '');
  const missing = 8 - front.length - back.length;
  // `::` stands for at least one group.
  if (rest === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...front, ...Array<string>(missing).fill('0'), ...back];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function formatIPv4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.');
}

/** RFC 5952: the first of the longest runs of zero groups is left out, where it has at least two. */
function formatIPv6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bits >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  let best = { from: 0, length: 1 };
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (groups[from + length] === '0') length++;
    if (length > best.length) best = { from, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.from).join(':')}::${groups.slice(best.from + best.length).join(':')}`;
}
