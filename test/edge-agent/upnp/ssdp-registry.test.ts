// What is concluded from what devices say. Requirements D10–D20, D24, Z3, Z11, Z12, quirks 6–10, 15.
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

beforeEach(() => {
  told = [];
  nowMs = 1000;
  registry = new SsdpRegistry({
    targets: [messaging],
    ignoreUdns: new Set(['uuid:ours']),
    objectionTo: (address) => objectionTo(address, [lan, lan6]),
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
  if (message !== undefined) registry.hear({ message, from, via }, nowMs);
}
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
  it('is found once, by announcement or by answer', () => {
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
  ])('is not one with %s', (_, headers) => {
    alive(headers);
    expect(told).toEqual([]);
  });

  it('may be at another on-link address than the one that spoke for it', () => {
    alive({ LOCATION: 'http://10.0.7.7/d' });
    expect(told).toHaveLength(1);
  });

  it('has the zone of the interface in its link-local LOCATION', () => {
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    expect(told).toEqual(['found uuid:a http://[fe80::2%253]/d']);
  });

  it('on IPv4 and IPv6, or two networks, is one (D15)', () => {
    alive();
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    alive({ SERVER: 'another', DATE: 'now', HOST: 'x' });
    expect(told).toEqual([found]);
  });
});

describe('moving', () => {
  it('is a new LOCATION of the same IP version, in place of a goodbye that was missed', () => {
    alive();
    alive({ LOCATION: 'http://10.0.0.9/d' }, '10.0.0.9');
    expect(told).toEqual([found, 'moved http://10.0.0.9/d']);
  });

  it('does not go back and forth between two that are both announced (quirk 9)', () => {
    for (let round = 0; round < 5; round++) {
      alive({ LOCATION: 'http://10.0.0.2:49152/d' });
      alive({ LOCATION: 'http://10.0.0.2:49154/d' });
    }
    expect(told).toEqual(['found uuid:a http://10.0.0.2:49152/d', 'moved http://10.0.0.2:49154/d']);
  });

  it('is also what remains when the other LOCATION lapses', () => {
    alive({ 'CACHE-CONTROL': 'max-age=60' });
    alive({ LOCATION: 'http://[fe80::2]:80/d' }, 'fe80::2', lan6);
    later(66_000);
    expect(told).toEqual([found, 'moved http://[fe80::2%253]/d']);
  });

  it('stays bounded when one device claims ten thousand places', () => {
    for (let at = 0; at < 10_000; at++) alive({ LOCATION: `http://10.0.0.2:80/${at}` });
    expect(told.length).toBeLessThanOrEqual(8);
  });
});

describe('rebooting', () => {
  it('is a higher BOOTID, compared as a number', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    alive({ 'BOOTID.UPNP.ORG': '009' });
    alive({ 'BOOTID.UPNP.ORG': 10 });
    expect(told).toEqual([found, 'rebooted 10 http://10.0.0.2/d']);
  });

  it('is not a lower one, nor one that is absent, new or no number', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    for (const id of [8, 0, undefined, 'abc', -1, 2 ** 31]) alive({ 'BOOTID.UPNP.ORG': id });
    expect(told).toEqual([found]);
  });

  it('at a new LOCATION is told once, with that LOCATION', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    alive({ 'BOOTID.UPNP.ORG': 10, LOCATION: 'http://10.0.0.9/d' });
    expect(told).toEqual([found, 'rebooted 10 http://10.0.0.9/d']);
  });

  it('is not what ssdp:update announces, not even when its BOOTID is used afterwards (D17)', () => {
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

it('another CONFIGID means another description, though LOCATION is the same', () => {
  for (const id of [1, 1, undefined, 2, 2, 1]) alive({ 'CONFIGID.UPNP.ORG': id });
  expect(told).toEqual([found, 'changed 2', 'changed 1']);
});

describe('leaving', () => {
  it('of any part is leaving of the whole', () => {
    alive();
    byebye({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice' });
    byebye();
    expect(told).toEqual([found, 'gone uuid:a byebye']);
  });

  it('is not believed from elsewhere, or from before the last reboot', () => {
    alive({ 'BOOTID.UPNP.ORG': 9 });
    byebye({}, '10.0.0.66');
    byebye({ 'BOOTID.UPNP.ORG': 8 });
    expect(told).toEqual([found]);
    byebye({ 'BOOTID.UPNP.ORG': 9 });
    expect(told).toHaveLength(2);
  });

  it('without goodbye is noticed when the time is over and it does not answer either', () => {
    alive({ 'CACHE-CONTROL': 'max-age=100' });
    expect(later(99_000)).toEqual([]);
    expect(later(2000)).toEqual(['uuid:a']);
    expect(later(1000)).toEqual([]);
    expect(told).toEqual([found]);
    later(5000);
    expect(told).toEqual([found, 'gone uuid:a expired']);
    expect(registry.size).toBe(0);
  });

  it('is not concluded while any of its advertisements is heard (D11, quirk 15)', () => {
    alive({ 'CACHE-CONTROL': 'max-age=100' });
    later(90_000);
    alive({ NT: 'upnp:rootdevice', USN: 'uuid:a::upnp:rootdevice', 'CACHE-CONTROL': 'max-age=100' });
    later(90_000);
    expect(later(20_000)).toEqual(['uuid:a']);
    alive();
    later(20_000);
    expect(told).toEqual([found]);
  });

  it('lets it be found again', () => {
    alive();
    byebye();
    alive();
    expect(told).toEqual([found, 'gone uuid:a byebye', found]);
  });
});

describe('a flood', () => {
  it('of invented devices stays bounded, by sender and in all', () => {
    for (let at = 0; at < 100_000; at++) alive({ USN: `uuid:${at}::x` });
    expect(registry.size).toBe(16);
    for (let at = 0; at < 10_000; at++) alive({ USN: `uuid:z${at}::x` }, `10.0.${at >> 8}.${at & 255}`);
    expect(registry.size).toBe(256);
  });

  it('does not push out who is known', () => {
    alive();
    for (let at = 0; at < 10_000; at++) alive({ USN: `uuid:z${at}::x` }, `10.0.${at >> 8}.${at & 255}`);
    byebye();
    expect(told.at(-1)).toBe('gone uuid:a byebye');
  });
});
