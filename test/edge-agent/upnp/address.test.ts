// Validation of addresses and URLs. Requirements D13, D21, D22, S4, Z1, Z4.
import { describe, expect, it } from 'vitest';
import {
  interfaceOf,
  type LocalInterface,
  listInterfaces,
  objectionTo,
} from '../../../edge-agent/upnp/network/address.ts';
import {
  formatHttpUrl,
  hostHeader,
  parseHttpUrl,
  resolveHttpUrl,
  withZone,
} from '../../../edge-agent/upnp/network/http-url.ts';
import { canonicalAddress } from '../../../shared/ip-address.ts';

const lan: LocalInterface = {
  name: 'eth0',
  address: '192.168.1.10',
  family: 'IPv4',
  netmask: '255.255.255.0',
  prefixLength: 24,
  scopeId: undefined,
  internal: false,
};
const lan6: LocalInterface = {
  name: 'eth0',
  address: 'fe80::10',
  family: 'IPv6',
  netmask: 'ffff:ffff:ffff:ffff::',
  prefixLength: 64,
  scopeId: 2,
  internal: false,
};
const loopback: LocalInterface = {
  name: 'lo',
  address: '127.0.0.1',
  family: 'IPv4',
  netmask: '255.0.0.0',
  prefixLength: 8,
  scopeId: undefined,
  internal: true,
};

describe('addresses', () => {
  it.each([
    ['192.168.1.1', '192.168.1.1'],
    ['[FE80::0:1]', 'fe80::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.168.1.1', '192.168.1.1'],
    ['::ffff:c0a8:101', '192.168.1.1'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['0x7f.1', undefined],
    ['192.168.1', undefined],
    ['192.168.01.1', undefined],
    ['phone.local', undefined],
    ['', undefined],
  ])('canonicalises %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it('finds the interface whose prefix holds an address', () => {
    expect(interfaceOf('192.168.1.77', [lan, lan6])).toBe(lan);
    expect(interfaceOf('::ffff:192.168.1.77', [lan, lan6])).toBe(lan);
    expect(interfaceOf('fe80::dead:beef', [lan, lan6])).toBe(lan6);
    for (const far of ['192.168.2.1', '10.0.0.1', '2001:db8::1', '8.8.8.8', 'x'])
      expect(interfaceOf(far, [lan, lan6])).toBeUndefined();
  });

  it.each([
    ['192.168.1.77', undefined],
    ['::ffff:192.168.1.77', undefined],
    ['fe80::1', undefined],
    ['127.0.0.1', 'is not on a network of ours'],
    ['::1', 'is not on a network of ours'],
    ['::ffff:127.0.0.1', 'is not on a network of ours'],
    ['0.0.0.0', 'is the unspecified address'],
    ['::', 'is the unspecified address'],
    ['169.254.3.4', 'is link-local IPv4'],
    ['239.255.255.250', 'is a multicast address'],
    ['ff02::c', 'is a multicast address'],
    ['255.255.255.255', 'is a multicast address'],
    ['192.168.1.255', 'is a network or broadcast address'],
    ['192.168.1.0', 'is a network or broadcast address'],
    ['192.168.1.10', 'is our own'],
    ['fe80::10', 'is our own'],
    ['8.8.8.8', 'is not on a network of ours'],
    ['x', 'is no IP address'],
  ])('returns the objection to %s', (address, objection) => {
    expect(objectionTo(address, [lan, lan6])).toBe(objection);
  });

  it('accepts loopback only when lo is one of the interfaces', () => {
    expect(objectionTo('127.0.0.1', [loopback])).toBeUndefined();
    expect(objectionTo('127.0.0.1', [lan])).toBeDefined();
  });

  it('lists loopback only when it is named', () => {
    expect(listInterfaces([]).some((one) => one.internal)).toBe(false);
    expect(listInterfaces(['lo'])[0]).toMatchObject({
      name: 'lo',
      address: '127.0.0.1',
      prefixLength: 8,
      internal: true,
    });
    expect(listInterfaces(['no-such'])).toEqual([]);
  });
});

describe('http URLs', () => {
  it.each([
    ['http://192.168.1.2:49152/d.xml', { host: '192.168.1.2', address: '192.168.1.2', port: 49152, path: '/d.xml' }],
    ['http://192.168.1.2', { port: 80, path: '/' }],
    ['HTTP://phone.local/a?b=c#d', { host: 'phone.local', address: undefined, path: '/a?b=c' }],
    ['http://[fe80::1]:80/', { host: 'fe80::1', address: 'fe80::1', zone: undefined }],
    ['http://[fe80::1%25eth0]:81/x', { host: 'fe80::1', zone: 'eth0', port: 81 }],
    ['http://[fe80::1%eth0]/x', { host: 'fe80::1', zone: 'eth0' }],
    ['http://[::ffff:192.168.1.2]/', { address: '192.168.1.2' }],
    ['http://0x7f.1/', { address: '127.0.0.1' }],
    ['http://0177.0.0.1/', { address: '127.0.0.1' }],
    ['http://１２７.0.0.1/', { address: '127.0.0.1' }],
  ])('parses %s', (text, parts) => {
    expect(parseHttpUrl(text)).toMatchObject(parts);
  });

  it.each([
    '',
    '10.0.0.1/d.xml',
    'http:/10.0.0.1/',
    'http:10.0.0.1',
    '//10.0.0.1/',
    'https://10.0.0.1/',
    'ftp://10.0.0.1/',
    'urn:x',
    'http://user@10.0.0.1/',
    'http://a:b@10.0.0.1/',
    'http://10.0.0.1:0/',
    'http://10.0.0.1:99999/',
    'http://fe80::1/',
    'http://[fe80::1/',
    'http://10.0.0.1/\r\nX: y',
    'http://\\\\h\\x',
    'http:///x',
    `http://10.0.0.1/${'x'.repeat(8192)}`,
    '192.168.1.1',
  ])('refuses %j', (text) => {
    expect(parseHttpUrl(text)).toBeUndefined();
  });

  it('keeps the zone in the text and out of the Host header', () => {
    const url = parseHttpUrl('http://[fe80::1%25eth0]:8080/x');
    expect(url && formatHttpUrl(url)).toBe('http://[fe80::1%25eth0]:8080/x');
    expect(url && hostHeader(url)).toBe('[fe80::1]:8080');
  });

  it('gives a link-local address the zone of the interface it was received on, ignoring any other', () => {
    expect(withZone('http://[fe80::1]:80/x', 2)).toBe('http://[fe80::1%252]/x');
    expect(withZone('http://[fe80::1%25eth1]/x', 2)).toBe('http://[fe80::1%252]/x');
    expect(withZone('http://10.0.0.1/x', 2)).toBe('http://10.0.0.1/x');
  });

  it.each([
    ['/control', 'http://10.0.0.1:81/control'],
    ['control', 'http://10.0.0.1:81/a/control'],
    ['_urn:schemas-upnp-org:x_control', 'http://10.0.0.1:81/a/_urn:schemas-upnp-org:x_control'],
    ['http://10.0.0.1:99/c', 'http://10.0.0.1:99/c'],
    ['a b', 'http://10.0.0.1:81/a/a%20b'],
    ['//10.0.0.2/c', undefined],
    ['\\\\10.0.0.2\\c', undefined],
    ['http://10.0.0.2/c', undefined],
    ['urn:x', undefined],
    ['javascript:alert(1)', undefined],
    ['', undefined],
    ['http://', undefined],
  ])('resolves %s against its document, never to another host', (reference, expected) => {
    const base = parseHttpUrl('http://10.0.0.1:81/a/d.xml');
    const url = base && resolveHttpUrl(reference, base);
    expect(url && formatHttpUrl(url)).toBe(expected);
  });
});
