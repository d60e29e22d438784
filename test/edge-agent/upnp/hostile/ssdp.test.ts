// Hostile datagrams over real sockets. Requirements D9, Z10, Z11, Z19, Z20.
import { createSocket, type Socket } from 'node:dgram';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SsdpDiscovery } from '../../../../edge-agent/upnp/discovery/ssdp.ts';
import { until } from '../../../fixtures/upnp/lan.ts';

const target = 'urn:schemas-upnp-org:service:Messaging:2';
let discovery: SsdpDiscovery;
let enemy: Socket;
let port: number;
let found: string[];
let faults: string[];

beforeEach(async () => {
  found = [];
  faults = [];
  const probe = createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  port = probe.address().port;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  discovery = new SsdpDiscovery({
    interfaces: ['lo'],
    targets: [target],
    port,
    onFound: ({ udn }) => found.push(udn),
    onRebooted: () => undefined,
    onGone: () => undefined,
    onFault: (error) => faults.push(error.message),
  });
  await discovery.start();
  enemy = createSocket('udp4');
  await new Promise<void>((resolve) => enemy.bind(0, '127.0.0.1', resolve));
  enemy.setMulticastInterface('127.0.0.1');
});

afterEach(async () => {
  await discovery.stop();
  await new Promise<void>((resolve) => enemy.close(() => resolve()));
});

const send = (datagram: string | Uint8Array, to = '127.0.0.1') =>
  new Promise<void>((resolve, reject) =>
    enemy.send(datagram, port, to, (error) => (error === null ? resolve() : reject(error))),
  );
const good = `NOTIFY * HTTP/1.1\r\nNT: ${target}\r\nNTS: ssdp:alive\r\nUSN: uuid:good::x\r\nLOCATION: http://127.0.0.1:81/d\r\n\r\n`;

/** Expects that the next announcement is received and that no fault was reported. */
async function stillHears(): Promise<void> {
  await until(() => {
    enemy.send(good, port, '239.255.255.250');
    return found.includes('uuid:good');
  });
  expect(faults).toEqual([]);
}

const alive = (headers: string) => `NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\n${headers}\r\n\r\n`;

it.each<[string, string | Uint8Array]>([
  ['nothing', ''],
  ['a byte', 'x'],
  ['65,507 bytes', Buffer.alloc(65_507, 0x41)],
  ['65,507 bytes that begin well', Buffer.concat([Buffer.from(good.slice(0, -2)), Buffer.alloc(60_000, 0x41)])],
  ['NULs', Buffer.alloc(512)],
  ['invalid UTF-8', Buffer.concat([Buffer.from('NOTIFY * HTTP/1.1\r\nNT: '), Buffer.from([0xff, 0xfe, 0xc0, 0x80])])],
  ['five thousand headers', alive(Array.from({ length: 5000 }, (_, at) => `A${at}: b`).join('\r\n'))],
  ['a header of 60 KiB', alive(`X: ${'y'.repeat(60_000)}`)],
  ['no end of its headers', `NOTIFY * HTTP/1.1\r\nNT: ${target}`],
  ['a regular expression for ST', 'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: (((((((\r\n\r\n'],
  ['a regular expression for USN', alive(`NT: ${target}\r\nUSN: uuid:(((a+)+)+$::x\r\nLOCATION: http://127.0.0.1:1/`)],
  [
    'names of JavaScript',
    alive('__proto__: x\r\nconstructor: y\r\nNT: __proto__\r\nUSN: uuid:__proto__::x\r\nLOCATION: http://127.0.0.1:1/'),
  ],
  ['negative numbers', alive('CACHE-CONTROL: max-age=-1\r\nBOOTID.UPNP.ORG: -1\r\nUSN: uuid:n::x')],
  ['a location of 3 KiB', alive(`NT: ${target}\r\nUSN: uuid:l::x\r\nLOCATION: http://127.0.0.1/${'x'.repeat(3000)}`)],
  ['a location full of zones', alive(`NT: ${target}\r\nUSN: uuid:z::x\r\nLOCATION: http://[fe80::1%25%25%25]/`)],
  ['a folded header', alive('NT: a\r\n b\r\nUSN: uuid:f::x')],
  [
    'LOCATION twice',
    alive(`NT: ${target}\r\nUSN: uuid:d::x\r\nLOCATION: http://127.0.0.1:1/\r\nLOCATION: http://8.8.8.8/`),
  ],
  ['USN twice', alive(`NT: ${target}\r\nUSN: uuid:d::x\r\nUSN: uuid:e::x\r\nLOCATION: http://127.0.0.1:1/`)],
  ['CR alone as line end', good.replaceAll('\r\n', '\r').replace('uuid:good', 'uuid:cr')],
  ['LF alone as line end', good.replaceAll('\r\n', '\n').replace('uuid:good', 'uuid:lf')],
  [
    'an answer without a reason phrase',
    `HTTP/1.1 200\r\nST: ${target}\r\nUSN: uuid:r::x\r\nLOCATION: http://127.0.0.1:1/\r\n\r\n`,
  ],
  ['an answer of another status', `HTTP/1.1 404 No\r\nST: ${target}\r\nUSN: uuid:s::x\r\n\r\n`],
  ['a method in small letters', good.replace('NOTIFY', 'notify').replace('uuid:good', 'uuid:small')],
  [
    'Windows PNRP (quirk 1)',
    'HTTP/1.1 200 OK\r\nST: urn:Microsoft Windows Peer Name Resolution Protocol: V4:IPV6:LinkLocal\r\nUSN: [fe80:0000:0000:0000:0000:0000:0000:0001]:3540\r\nLocation:192.168.1.1\r\nAL: [fe80::1]:3540\r\nOPT:"http://schemas.upnp.org/upnp/1/0/"; ns=01\r\n01-NLS:b3d8\r\nCache-Control:max-age=14400',
  ],
])('still receives announcements after %s', async (_, datagram) => {
  await send(datagram);
  await stillHears();
});

it.each(['0', '-1', '2147483648', '9223372036854775808', '1800, no-cache', '"1800"', 'abc', '3.5', ''])(
  'still receives announcements after max-age, BOOTID and MX of %s',
  async (number) => {
    const numbers = `CACHE-CONTROL: max-age=${number}\r\nBOOTID.UPNP.ORG: ${number}\r\nNEXTBOOTID.UPNP.ORG: ${number}\r\nCONFIGID.UPNP.ORG: ${number}\r\nSEARCHPORT.UPNP.ORG: ${number}\r\nMX: ${number}`;
    const one = `NT: ${target}\r\nUSN: uuid:n::x\r\nLOCATION: http://127.0.0.1:81/d\r\n${numbers}`;
    await send(alive(one));
    await send(alive(one).replace('ssdp:alive', 'ssdp:update'));
    await send(`M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nST: ssdp:all\r\n${numbers}\r\n\r\n`);
    await stillHears();
  },
);

it('keeps memory bounded in a flood of forged devices, locations, updates and goodbyes', async () => {
  const say = (text: string) => discovery.receive(Buffer.from(text), { address: '127.0.0.1', port: 1900 });
  say(good);
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 100_000; at++) {
    say(good.replace('uuid:good', `uuid:invented-${at}`));
    if (at % 10 === 0) say(good.replace('/d', `/${at}`));
    if (at % 20 === 0) say(good.replace('ssdp:alive', 'ssdp:update'));
    if (at % 100 === 0) say(good.replace('ssdp:alive', 'ssdp:byebye').replace('uuid:good', `uuid:invented-${at}`));
  }
  // 16 devices per sender with 8 locations each: some hundred kilobytes, plus uncollected garbage.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  expect(found.length).toBeLessThan(100_000);
  for (let flap = 0; flap < 1000; flap++) {
    say(good.replace('ssdp:alive', 'ssdp:byebye'));
    say(good);
  }
  await stillHears();
}, 60_000);

it('still receives announcements after ten thousand random datagrams', async () => {
  const samples = fc.sample(fc.uint8Array({ maxLength: 600 }), 10_000);
  for (const [at, sample] of samples.entries()) {
    const datagram = at % 2 === 0 ? sample : Buffer.concat([Buffer.from('NOTIFY * HTTP/1.1\r\nUSN: uuid:'), sample]);
    discovery.receive(datagram, { address: '127.0.0.1', port: 1900 });
    if (at % 50 === 0) await send(datagram);
  }
  await stillHears();
});

it.each([0, 1, 1900, 65_535])('never answers a datagram from source port %s', async (source) => {
  discovery.receive(Buffer.from(good), { address: '127.0.0.1', port: source });
  expect(found).toEqual(['uuid:good']);
  discovery.receive(Buffer.from('M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n'), {
    address: '127.0.0.1',
    port: source,
  });
  await stillHears();
});

it.each(['8.8.8.8', '255.255.255.255', '239.255.255.250', '0.0.0.0', 'fe80::1%eth0', 'fe80::1', '', 'nonsense'])(
  'ignores a datagram from "%s"',
  (address) => {
    discovery.receive(Buffer.from(good), { address, port: 5000 });
    expect(found).toEqual([]);
  },
);
