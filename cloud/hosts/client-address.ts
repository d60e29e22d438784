// The client's address on the Node host, also behind proxies.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { networkOf, plainAddress } from './client-network.ts';

/** Parses addresses and networks (CIDR). @throws an error that names the first invalid one */
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
 * The peer, or behind trusted proxies the last address in X-Forwarded-For that is not a trusted proxy. Addresses before it
 * may be forged by the client.
 */
export function clientAddress(incoming: IncomingMessage, proxies: BlockList): string {
  const peer = plainAddress(incoming.socket.remoteAddress ?? '');
  const forwarded = incoming.headers['x-forwarded-for'];
  if (forwarded === undefined || !isIn(proxies, peer)) return networkOf(peer);
  const way = [forwarded].flat().join(',').split(',').map(withoutPort).reverse();
  let nearest = peer;
  for (const address of way) {
    if (isIP(address) === 0) break;
    nearest = address;
    if (!isIn(proxies, address)) break;
  }
  return networkOf(nearest);
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
  return plainAddress(address);
}
