// What answers for a stranger’s attempts. A household has a /64 of IPv6, and changes its address within it as it likes.

/** IPv4 as it is, of IPv6 the first 64 bits; what is neither stays as it is. */
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
