import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guardedAddress, publicOnly } from '../../shared/address-guard.ts';
import { type AddressKind, addressKind, canonicalAddress } from '../../shared/ip-address.ts';

describe('the canonical form', () => {
  it.each([
    ['192.168.1.1', '192.168.1.1'],
    ['[FE80::0:1]', 'fe80::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.168.1.1', '192.168.1.1'],
    ['::FFFF:c0a8:101', '192.168.1.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::8.8.8.8', '64:ff9b::808:808'],
    ['::', '::'],
  ])('of %s is %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each([
    '0x7f.1',
    '0x7f000001',
    '2130706433',
    '127.1',
    '0177.0.0.1',
    '192.168.01.1',
    '192.168.1',
    '192.168.1.256',
    '1.2.3.4.5',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.4:5',
    '1.2.3.4::',
    ' 1.2.3.4',
    'phone.local',
    '',
  ])('does not exist for %j', (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
  });

  it('is that of Node and of WHATWG URLs, for all addresses and for what only looks like one', () => {
    const likely = fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '::', '.', '255', '1.2.3.4'), maxLength: 16 });
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), likely), (text) => {
        const canonical = canonicalAddress(text);
        expect(canonical !== undefined).toBe(isIP(text) !== 0);
        if (canonical === undefined || !text.includes(':')) return;
        const { hostname } = new URL(`http://[${text}]`);
        if (canonical.includes(':')) expect(`[${canonical}]`).toBe(hostname);
        else expect(new URL(`http://[::ffff:${canonical}]`).hostname).toBe(hostname);
      }),
      { numRuns: 2000 },
    );
  });
});

const kinds: Record<AddressKind, string[]> = {
  public: [
    '8.8.8.8',
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00::1',
    '64:ff9b::8.8.8.8',
    '2002:808:808::1',
  ],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    'fd00::1',
    'fec0::1',
    '::ffff:192.168.1.1',
    '64:ff9b::10.0.0.1',
    '2002:a00:1::1',
  ],
  loopback: ['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'],
  // The metadata services of the large providers are at 169.254.169.254 and fd00:ec2::254.
  'link-local': ['169.254.169.254', 'fe80::1', 'febf::1', '::ffff:169.254.169.254', '64:ff9b::169.254.169.254'],
  multicast: ['224.0.0.1', '239.255.255.250', 'ff02::c'],
  unspecified: ['0.0.0.0', '::', '::ffff:0.0.0.0', '64:ff9b::'],
  reserved: [
    '0.1.2.3',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '240.0.0.1',
    '255.255.255.255',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b:1::10.0.0.1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
  ],
};

describe('the kind of an address', () => {
  it.each(Object.entries(kinds).flatMap(([kind, all]) => all.map((text) => [text, kind])))('%s is %s', (text, kind) => {
    expect(addressKind(canonicalAddress(text) ?? '')).toBe(kind);
  });
});

describe('the guard', () => {
  it.each([
    [['8.8.8.8'], { address: '8.8.8.8' }],
    [['::ffff:8.8.8.8'], { address: '8.8.8.8' }],
    [['10.0.0.1', '8.8.8.8'], { address: '8.8.8.8' }],
    [['10.0.0.1'], { objection: 'is private, not a public address' }],
    [['8.8.8.8.example'], { objection: 'is no IP address' }],
    [[], { objection: 'leads to no address' }],
  ])('of the public Internet answers %j with %j', (candidates, expected) => {
    expect(guardedAddress(candidates, publicOnly)).toEqual(expected);
  });

  it('takes the rule of its caller', () => {
    const onlyTwins = (address: string) => (address === '192.168.1.2' ? undefined : 'is not the twin');
    expect(guardedAddress(['192.168.1.3', '192.168.1.2'], onlyTwins)).toEqual({ address: '192.168.1.2' });
    expect(guardedAddress(['192.168.1.3'], onlyTwins)).toEqual({ objection: 'is not the twin' });
  });

  it.each(['http://2130706433/', 'http://0x7f.1/', 'http://0177.0.0.1/', 'http://127.1/', 'http://[::ffff:7f00:1]/'])(
    'sees loopback in %s, which a URL spells out',
    (url) => {
      expect(guardedAddress([new URL(url).hostname], publicOnly)).toEqual({
        objection: 'is loopback, not a public address',
      });
    },
  );
});
