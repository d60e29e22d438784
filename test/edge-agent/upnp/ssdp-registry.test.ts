// What the registry concludes from advertisements. Requirements D10–D20, D24, Z3, Z11, Z12, quirks 6–10, 15.
import { beforeEach, describe, expect, it } from 'vitest';
import { parseSsdp } from '../../../edge-agent/upnp/discovery/ssdp-message.ts';
import { SsdpRegistry } from '../../../edge-agent/upnp/discovery/ssdp-registry.ts';
import { type LocalInterface, objectionTo } from '../../../edge-agent/upnp/network/address.ts';

const lan: LocalInterface = {
  name: 'eth0',
  address: '10.0.0.1',
  family: 'IPv4',
  netmask: '255.255.0.0',
  prefixLength: 16,
  scopeId: undefined,
  internal: false,
};
const lan6: LocalInterface = {
  name: 'eth0',
  address: 'fe80::1',
  family: 'IPv6',
  netmask: 'ffff:ffff:ffff:ffff::',
  prefixLength: 64,
  scopeId: 3,
  internal: false,
};
const messaging = 'urn:schemas-upnp-org:service:Messaging:2';

let told: string[];
let registry: SsdpRegistry;
let nowMs: number;
let known: Set<string>;

beforeEach(() => {
  known = new Set();
  told = [];
  nowMs = 1000;
  registry = new SsdpRegistry({
    targets: [messaging],
    ignoreUdns: new Set(['uuid:ours']),
    objectionTo: (address) => objectionTo(address, [lan, lan6]),
    isKnown: (udn) => known.has(udn),
    events: {
      onFound: (found) => told.push(`found ${found.udn} ${found.location}`),
      onMoved: (moved) => told.push(`moved ${moved.location}`),
      onRebooted: (rebooted) => told.push(`rebooted ${rebooted.bootId} ${rebooted.location}`),
      onChanged: (changed) => told.push(`changed ${changed.configId}`),
      onGone: (udn, reason) => told.push(`gone ${udn} ${reason}`),
    },
  });
});

type Headers = Record<string, string | number | undefined>;

function hear(headers: Headers, from = '10.0.0.2', via = lan, startLine = 'NOTIFY * HTTP/1.1'): void {
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  const message = parseSsdp(Buffer.from(`${[startLine, ...lines].join('\r\n')}\r\n\r\n`));
  if (message !== undefined) registry.receive({ message, from, via }, nowMs);
}
const invent = (at: number, from: string) =>
  alive({ USN: `uuid:invented-${at}::x`, LOCATION: `http://${from}:${1024 + (at % 60_000)}/d` }, from);
const alive = (headers: Headers = {}, from?: string, via?: LocalInterface) =>
  hear(
    { NT: messaging, NTS: 'ssdp:alive', USN: `uuid:a::${messaging}`, LOCATION: 'http://10.0.0.2:80/d', ...headers },
    from,
    via,
  );
const byebye = (headers: Headers = {}, from?: string) =>
  hear({ NT: messaging, NTS: 'ssdp:byebye', USN: 'uuid:a::x', ...headers }, from);
const found = 'found uuid:a http://10.0.0.2/d';
const later = (ms: number) => {
  nowMs += ms;
  return registry.expire(nowMs).map((silent) => silent.udn);
};

describe('a device', () => {
  it('is reported once, by announcement or by answer', () => {
    alive();
    alive();
    hear({ ST: messaging, USN: 'uuid:a::y', LOCATION: 'http://10.0.0.2:80/d' }, undefined, lan, 'HTTP/1.1 200 OK');
    hear({ ST: messaging, USN: 'uuid:b::y', LOCATION: 'http://10.0.0.3:80/d' }, '10.0.0.3', lan, 'HTTP/1.1 200 OK');
    expect(told).toEqual([found, 'found uuid:b http://10.0.0.3/d']);
  });

  it('is the same in any case of its UDN', () => {
    alive();
    alive({ USN: 'UUID:A::x' });
    expect(told).toEqual([found]);
  });

  it.each([
    ['another version of the target', { NT: 'urn:schemas-upnp-org:service:Messaging:1' }],
    ['a higher version', { NT: 'urn:schemas-upnp-org:service:Messaging:9' }],
    ['another case of the target', { NT: messaging.toLowerCase() }],
  ])('is found by %s', (_, headers) => {
    alive(headers);
    expect(told).toHaveLength(1);
  });

  it.each([
    ['a target that is of no interest', { NT: 'urn:schemas-upnp-org:service:ContentDirectory:1' }],
    ['no target', { NT: undefined }],
    ['a UDN of our own', { USN: 'uuid:ours::x' }],
    ['no UDN (quirk 1)', { USN: '[fe80::1]:3540' }],
    ['no USN', { USN: undefined }],
    ['an unknown NTS', { NTS: 'ssdp:other' }],
    ['no LOCATION', { LOCATION: undefined }],
    ['an empty LOCATION (quirk 4)', { LOCATION: '' }],
    ['a relative LOCATION', { LOCATION: '10.0.0.2/d' }],
    ['loopback in LOCATION (quirk 6)', { LOCATION: 'http://[::1]:1900/d' }],
    ['loopback in disguise', { LOCATION: 'http://0x7f.1/d' }],
    ['automatic IPv4 in LOCATION (quirk 7)', { LOCATION: 'http://169.254.1.2/d' }],
    ['no brackets around IPv6 (quirk 8)', { LOCATION: 'http://fe80::2/d' }],
    ['LOCATION on another network', { LOCATION: 'http://192.168.7.7/d' }],
    ['LOCATION at our own address', { LOCATION: 'http://10.0.0.1/d' }],
    ['multicast in LOCATION', { LOCATION: 'http://239.1.2.3/d' }],
    ['https in LOCATION', { LOCATION: 'https://10.0.0.2/d' }],
  ])('is ignored with %s', (_, headers) => {
    alive(headers);
    expect(told).toEqual([]);
  });

  it('is ignored when advertised by another host', () => {
    alive({ LOCATION: 'http://10.0.7.7/d' });
    alive({ LOCATION: 'http://[fe80::2]/d' });
    expect(told).toEqual([]);
  });

  it('has the zone of the receiving interface, whatever zone it claims', () => {
    alive({ LOCATION: 'http://[fe80::2%25eth7]:80/d' }, 'fe80::2', lan6);
    expect(told).toEqual(['found uuid:a http://[fe80::2%253]/d']);
  });

  it('has the zone of the interface in its link-local LOCATION', () => {
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    expect(told).toEqual(['found uuid:a http://[fe80::2%253]/d']);
  });

  it('on IPv4 and IPv6, or on two networks, is one device (D15)', () => {
    alive();
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    alive({ SERVER: 'another', DATE: 'now', HOST: 'x' });
    expect(told).toEqual([found]);
  });
});

describe('moving', () => {
  it('is concluded from a new LOCATION of the same IP version, after a missed goodbye', () => {
    alive();
    alive({ LOCATION: 'http://10.0.0.9/d' }, '10.0.0.9');
    expect(told).toEqual([found, 'moved http://10.0.0.9/d']);
  });

  it('does not alternate between two announced locations (quirk 9)', () => {
    for (let round = 0; round < 5; round++) {
      alive({ LOCATION: 'http://10.0.0.2:49152/d' });
      alive({ LOCATION: 'http://10.0.0.2:49154/d' });
    }
    expect(told).toEqual(['found uuid:a http://10.0.0.2:49152/d', 'moved http://10.0.0.2:49154/d']);
  });

  it('is also reported when the other LOCATION expires', () => {
    alive({ 'CACHE-CONTROL': 'max-age=60' });
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    later(66_000);
    expect(told).toEqual([found, 'moved http://[fe80::2%253]/d']);
  });

  it('keeps locations bounded when one device claims two thousand', () => {
    for (let at = 0; at < 2000; at++) alive({ LOCATION: `http://10.0.0.2:80/${at}` });
    expect(told.length).toBeLessThanOrEqual(9);
  });
});

describe('rebooting', () => {
  it('is a changed BOOTID, compared as a number', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    alive({ 'BOOTID.UPNP.ORG': '009' });
    alive({ 'BOOTID.UPNP.ORG': 10 });
    expect(told).toEqual([found, 'rebooted 10 http://10.0.0.2/d']);
  });

  it('is not concluded from a missing, first or non-numeric BOOTID', () => {
    alive();
    alive({ 'BOOTID.UPNP.ORG': 9 });
    for (const id of [9, undefined, 'abc', -1, 2 ** 31]) alive({ 'BOOTID.UPNP.ORG': id });
    expect(told).toEqual([found]);
  });

  it('is reported after a forged maximum and after a clock that went back', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    for (const id of [2 ** 31 - 1, 9, 10, 3]) alive({ 'BOOTID.UPNP.ORG': id });
    expect(told.slice(1).map((line) => line.split(' ')[1])).toEqual(['2147483647', '9', '10', '3']);
  });

  it('is judged per location', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    alive({ 'BOOTID.UPNP.ORG': 2 ** 31 - 1, LOCATION: 'http://10.0.0.66/d' }, '10.0.0.66');
    alive({ 'BOOTID.UPNP.ORG': 10 });
    expect(told.at(-1)).toBe('rebooted 10 http://10.0.0.2/d');
  });

  it('at a new LOCATION is reported once, with that LOCATION', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    alive({ 'BOOTID.UPNP.ORG': 10, LOCATION: 'http://10.0.0.9/d' }, '10.0.0.9');
    expect(told).toEqual([found, 'rebooted 10 http://10.0.0.9/d']);
  });

  it('is not concluded from ssdp:update nor from its BOOTID afterwards (D17)', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    hear({ NT: messaging, NTS: 'ssdp:update', USN: 'uuid:a::x', 'BOOTID.UPNP.ORG': 9, 'NEXTBOOTID.UPNP.ORG': 12 });
    alive({ 'BOOTID.UPNP.ORG': 12 });
    hear({ NT: messaging, NTS: 'ssdp:update', USN: 'uuid:a::x', 'NEXTBOOTID.UPNP.ORG': 3 });
    alive({ 'BOOTID.UPNP.ORG': 12 });
    expect(told).toEqual([found]);
    alive({ 'BOOTID.UPNP.ORG': 13 });
    expect(told).toHaveLength(2);
  });
});

it('reports a changed description when CONFIGID changes at the same LOCATION', () => {
  for (const id of [1, 1, undefined, 2, 2, 1]) alive({ 'CONFIGID.UPNP.ORG': id });
  expect(told).toEqual([found, 'changed 2', 'changed 1']);
});

describe('leaving', () => {
  it('by a goodbye for one target covers the whole device', () => {
    alive();
    byebye({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice' });
    byebye();
    expect(told).toEqual([found, 'gone uuid:a byebye']);
  });

  it('is not accepted from another address', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    byebye({}, '10.0.0.66');
    expect(told).toEqual([found]);
  });

  it('is accepted with any BOOTID because the caller only probes', () => {
    alive({ 'BOOTID.UPNP.ORG': 2 ** 31 - 1 });
    byebye({ 'BOOTID.UPNP.ORG': 8 });
    expect(told).toEqual([found, 'gone uuid:a byebye']);
  });

  it('without goodbye is reported after expiry and an unanswered probe', () => {
    alive({ 'CACHE-CONTROL': 'max-age=100' });
    expect(later(99_000)).toEqual([]);
    expect(later(2000)).toEqual(['uuid:a']);
    expect(later(1000)).toEqual([]);
    expect(told).toEqual([found]);
    later(5000);
    expect(told).toEqual([found, 'gone uuid:a expired']);
    expect(registry.size).toBe(0);
  });

  it('is not concluded while any of its advertisements is valid (D11, quirk 15)', () => {
    alive({ 'CACHE-CONTROL': 'max-age=100' });
    later(90_000);
    alive({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice', 'CACHE-CONTROL': 'max-age=100' });
    later(90_000);
    expect(later(20_000)).toEqual(['uuid:a']);
    alive();
    later(20_000);
    expect(told).toEqual([found]);
  });

  it('lets any announcement find it again, with its second location still known', () => {
    alive();
    alive({ LOCATION: 'http://10.0.0.2:81/d' });
    byebye();
    alive({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice' });
    alive({ LOCATION: 'http://10.0.0.2:81/d' });
    expect(told).toEqual([found, 'moved http://10.0.0.2:81/d', 'gone uuid:a byebye', found]);
  });

  it('frees the entry when the device does not return', () => {
    alive({ 'CACHE-CONTROL': 'max-age=60' });
    byebye();
    later(61_000);
    expect(registry.size).toBe(0);
    expect(told).toEqual([found, 'gone uuid:a byebye']);
  });
});

describe('a flood', () => {
  it('of forged devices is bounded per sender and in total', () => {
    for (let at = 0; at < 20_000; at++) alive({ USN: `uuid:${at}::x` });
    expect(registry.size).toBe(16);
    for (let at = 0; at < 4000; at++) invent(at, `10.0.${1 + (at >> 7)}.${1 + (at & 127)}`);
    expect(registry.size).toBe(256);
  });

  it('does not evict known devices', () => {
    known.add('uuid:a');
    alive();
    for (let at = 0; at < 4000; at++) invent(at, `10.0.${1 + (at >> 7)}.${1 + (at & 127)}`);
    byebye();
    expect(told.at(-1)).toBe('gone uuid:a byebye');
  });

  it('of 256 forged names does not hide an honest device', () => {
    for (let at = 0; at < 256; at++) invent(at, `10.0.${1 + (at >> 7)}.${1 + (at & 127)}`);
    expect(registry.size).toBe(256);
    alive();
    expect(told.at(-1)).toBe(found);
  });

  it('from the address of a known device does not hide it, whichever of its announcements arrives', () => {
    known.add('uuid:a');
    for (let at = 0; at < 5000; at++) invent(at, '10.0.0.2');
    alive({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice' });
    expect(told.at(-1)).toBe(found);
  });

  it('reports a bounded number of devices per second', () => {
    for (let at = 0; at < 5000; at++) invent(at, '10.0.0.2');
    expect(told.filter((line) => line.startsWith('found')).length).toBeLessThan(600);
    nowMs += 1000;
    for (let at = 0; at < 5000; at++) invent(at, '10.0.0.2');
    expect(told.filter((line) => line.startsWith('found')).length).toBeLessThan(700);
  });
});
