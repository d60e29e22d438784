// The unit of rate limits for strangers: a household has a /64 of IPv6 and may change its address within it at any time.

/** An IPv4 address as it is, the first 64 bits of an IPv6 address, any other text as it is. */
export function networkOf(address: string): string {
  const bare = plainAddress(address);
  if (!bare.includes(':')) return bare;
  // The URL parser writes an address in its one canonical form (RFC 5952).
  const canonical = URL.parse(`http://[${bare.split('%')[0]}]`)?.hostname.slice(1, -1);
  if (canonical === undefined) return bare;
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}

/** An IPv4 address that a socket of both families writes as IPv6. */
export function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/.test(address) ? address.slice(7) : address;
}
