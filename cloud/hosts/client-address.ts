// The address that answers for a stranger’s attempts. A household has a /64 of IPv6 and changes within it as it likes.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Addresses and networks (CIDR); throws an error that names the first that is neither. */
export function networksOf(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address);
    const bits = prefix === undefined ? undefined : Number(prefix);
    const isPrefix = bits === undefined || (/^\d{1,3}$/.test(prefix ?? '') && bits <= (family === 4 ? 32 : 128));
    if (family === 0 || !isPrefix)
      throw new Error(`“${entry.slice(0, 60)}” is neither an address nor a network (CIDR)`);
    const kind = family === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, kind);
    else list.addSubnet(address, bits, kind);
  }
  return list;
}

/**
 * Who asks: the peer, or where that is a proxy of ours, the nearest address in X-Forwarded-For that is none. What stands
 * before it, the client may have written.
 */
export function clientAddress(incoming: IncomingMessage, proxies: BlockList): string {
  const peer = plain(incoming.socket.remoteAddress ?? '');
  const forwarded = incoming.headers['x-forwarded-for'];
  if (forwarded === undefined || !isIn(proxies, peer)) return addressKey(peer);
  const way = [forwarded].flat().join(',').split(',').map(withoutPort).reverse();
  let nearest = peer;
  for (const address of way) {
    if (isIP(address) === 0) break;
    nearest = address;
    if (!isIn(proxies, address)) break;
  }
  return addressKey(nearest);
}

/** IPv4 as it is, of IPv6 the first 64 bits. */
export function addressKey(address: string): string {
  const bare = plain(address);
  if (isIP(bare) !== 6) return bare;
  // The URL parser writes an address in its one canonical form (RFC 5952).
  const canonical = URL.parse(`http://[${bare.split('%')[0]}]`)?.hostname.slice(1, -1) ?? bare;
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill('0'), ...after];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function plain(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** `[2001:db8::1]:4711` and `192.0.2.1:4711`, as some proxies write them. */
function withoutPort(entry: string): string {
  const text = entry.trim();
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1];
  const address = bracketed ?? (/^[\d.]+:\d+$/.test(text) ? text.replace(/:\d+$/, '') : text);
  return plain(address);
}
