// Announcements about known phones: which are accepted, and which are probed first. Requirements S15, Z5, Z12, Z13, quirks 10, 11.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../fixtures/upnp/lan.ts';
import { httpAnswer, ok, RawDevice } from '../fixtures/upnp/raw-device.ts';
import { House } from './house.ts';

const target = 'urn:schemas-upnp-org:service:Messaging:2';
const ssdpPort = 20_000 + Math.floor(Math.random() * 20_000);
let house: House;
const others: RawDevice[] = [];
const mouths: Socket[] = [];

beforeEach(async () => {
  house = new House({}, { phoneUrl: undefined, ssdpPort });
  await house.start();
});
afterEach(async () => {
  await house.stop();
  for (const other of others.splice(0)) await other.stop();
  for (const mouth of mouths.splice(0)) await new Promise<void>((resolve) => mouth.close(() => resolve()));
});

/** A socket bound to one address of this machine; 127.0.0.1 for a name or nothing. */
async function mouthAt(address: string): Promise<Socket> {
  const mouth = createSocket('udp4');
  await new Promise<void>((resolve) => mouth.bind(0, address, resolve));
  mouth.setMulticastInterface('127.0.0.1');
  mouths.push(mouth);
  return mouth;
}

interface Said {
  readonly udn?: string;
  readonly bootId?: number;
  readonly target?: string;
  /** The sender's address; default the host of LOCATION. */
  readonly from?: string;
}

async function announce(nts: 'alive' | 'byebye', location: string, said: Said = {}): Promise<void> {
  const host = URL.parse(location)?.hostname ?? '127.0.0.1';
  const { udn = house.phone.udn, from = host, target: nt = target, bootId } = said;
  const mouth = await mouthAt(from);
  mouth.send(datagramOf(nts, location, udn, nt, bootId), ssdpPort, '239.255.255.250');
}

function datagramOf(nts: string, location: string, udn: string, nt = target, bootId?: number): string {
  const lines = ['NOTIFY * HTTP/1.1', `NT: ${nt}`, `NTS: ssdp:${nts}`, `USN: ${udn}::${nt}`, `LOCATION: ${location}`];
  if (bootId !== undefined) lines.push(`BOOTID.UPNP.ORG: ${bootId}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function answerOf(location: string, udn: string): string {
  return `HTTP/1.1 200 OK\r\nEXT:\r\nST: ${target}\r\nUSN: ${udn}::${target}\r\nLOCATION: ${location}\r\n\r\n`;
}

/** The socket from which the agent searches and on which it receives answers. */
async function searcherOfAgent(): Promise<RemoteInfo> {
  const ear = createSocket({ type: 'udp4', reuseAddr: true });
  mouths.push(ear);
  await new Promise<void>((resolve) => ear.bind(ssdpPort, resolve));
  ear.addMembership('239.255.255.250', '127.0.0.1');
  return await new Promise((resolve) => {
    ear.on('message', (datagram, sender) => {
      if (datagram.toString().startsWith('M-SEARCH')) resolve(sender);
    });
  });
}

const latest = () => house.cloud.frames.findLast((frame) => frame.type === 'phones')?.phones ?? [];
const described = (udn: string, services = '') =>
  ok(
    `<root><device><friendlyName>Other</friendlyName><UDN>${udn}</UDN><serviceList>${services}</serviceList></device></root>`,
  );
const service = `<service><serviceType>${target}</serviceType><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service>`;

/** Another machine on the LAN. */
async function another(services = service, udn: string = house.phone.udn): Promise<RawDevice> {
  const device = await new RawDevice(
    (request) => (request.method === 'GET' ? described(udn, services) : httpAnswer('500 No')),
    '127.0.0.2',
  ).start();
  others.push(device);
  return device;
}

async function known(): Promise<void> {
  await announce('alive', house.phone.location);
  await until(() => latest()[0]?.online === true && house.phone.subscribers === 1);
}

it('keeps a phone despite a goodbye from another address', async () => {
  await known();
  const asked = house.phone.descriptions;
  await announce('byebye', '');
  await until(() => house.phone.descriptions > asked);
  await announce('alive', house.phone.location);
  expect(latest()).toMatchObject([{ udn: house.phone.udn, online: true }]);
  expect(house.phone.subscribers).toBe(1);
});

it('survives a LOCATION with a zone, which URL cannot parse', async () => {
  const other = new House({}, { phoneUrl: 'http://[fe80::1%25lo]:9/d.xml' });
  await other.start();
  await until(() => other.lines.some((line) => line.includes('[fe80::1%lo]:9 cannot be read')));
  await other.stop();
});

it('reports a phone offline after a goodbye and an unanswered probe', async () => {
  await known();
  await house.phone.stop();
  await announce('byebye', '');
  await until(() => latest()[0]?.online === false);
});

it('reports a phone offline when it still answers at its goodbye and then leaves', async () => {
  await known();
  const asked = house.phone.descriptions;
  await announce('byebye', '');
  await until(() => house.phone.descriptions > asked);
  await house.phone.stop();
  await until(() => latest()[0]?.online === false);
});

it('reports a phone offline within 15 s without a goodbye, and online when it is back', async () => {
  await known();
  await house.phone.stop();
  await until(() => latest()[0]?.online === false);
  expect(house.lines.some((line) => line.includes('does not answer'))).toBe(true);
  house.phone.forgetSubscribers();
  await house.phone.start();
  await until(() => latest()[0]?.online === true && house.phone.subscribers === 1);
});

it('reports a frozen phone offline within 15 s, with an explanation', async () => {
  await known();
  house.phone.frozen = 'all';
  await until(() => latest()[0]?.online === false);
  await until(() => latest()[0]?.trouble?.detail.includes('does not answer') === true);
  house.phone.frozen = undefined;
  await until(() => latest()[0]?.online === true && latest()[0]?.trouble === undefined);
});

it('ends the explanation when an action is answered before the description', async () => {
  await known();
  house.phone.frozen = 'all';
  await until(() => latest()[0]?.trouble !== undefined);
  house.phone.frozen = 'description';
  await house.phone.notify('NewMessages', 'changed');
  await until(() => latest()[0]?.online === true);
  expect(latest()[0]).not.toHaveProperty('trouble');
}, 120_000);

it('resubscribes at once when a phone restarts silently at the same location', async () => {
  await known();
  await until(() => house.phone.descriptions > 1);
  house.phone.forgetSubscribers();
  await house.phone.stop();
  await house.phone.start();
  await until(() => house.phone.subscribers === 1);
});

it('resubscribes when a phone is announced again without BOOTID or a kept connection', async () => {
  house.phone.closesConnections = true;
  await known();
  house.phone.forgetSubscribers();
  await until(() => {
    void announce('alive', house.phone.location);
    return house.phone.subscribers === 1;
  });
});

it.each(['is announced', 'answers a search'] as const)('probes an offline phone again when it %s', async (how) => {
  await known();
  const socket = await mouthAt('127.0.0.1');
  const searcher = await searcherOfAgent();
  house.phone.react = () => 'silence';
  await house.phone.stop();
  await until(() => latest()[0]?.online === false);
  house.phone.react = () => undefined;
  await house.phone.start();
  const before = house.phone.descriptions;
  const { location, udn } = house.phone;
  if (how === 'is announced') socket.send(datagramOf('alive', location, udn), ssdpPort, '239.255.255.250');
  else socket.send(answerOf(location, udn), searcher.port, searcher.address);
  await until(() => house.phone.descriptions > before && latest()[0]?.online === true);
});

it('ignores an impostor with the UDN of a phone that still answers, with a warning', async () => {
  await known();
  const stranger = await another();
  await announce('alive', stranger.url('/d.xml'));
  await until(() => house.lines.some((line) => line.includes('claims to be the phone')));
  expect(stranger.seen.map(({ method }) => method)).toEqual(['GET']);
  expect(latest()).toMatchObject([{ address: new URL(house.phone.location).host, online: true }]);
  expect(house.phone.subscribers).toBe(1);
});

it('ignores an impostor that has the UDN only in its description', async () => {
  await known();
  const inner = `<device><UDN>${house.phone.udn}</UDN><serviceList>${service}</serviceList></device>`;
  const stranger = await another(`</serviceList><deviceList>${inner}</deviceList><serviceList>`, 'uuid:another');
  await announce('alive', stranger.url('/d.xml'), { udn: 'uuid:another' });
  await until(() => house.lines.some((line) => line.includes('claims to be the phone')));
  expect(stranger.seen.map(({ method }) => method)).toEqual(['GET']);
  expect(latest()).toMatchObject([{ udn: house.phone.udn, address: new URL(house.phone.location).host }]);
});

it('follows a phone to a new address when it no longer answers at the old one', async () => {
  await known();
  await house.phone.stop();
  const moved = await another();
  await announce('alive', moved.url('/d.xml'));
  await until(() => latest()[0]?.address === new URL(moved.url('/')).host);
  expect(latest()).toHaveLength(1);
});

it('ignores a device with a phone’s UDN but without Messaging (quirk 11)', async () => {
  await known();
  const group = await another('');
  await announce('alive', group.url('/d.xml'));
  await until(() => group.seen.length > 0);
  // Announced and read later, so the device without Messaging was judged before.
  await announce('alive', (await another(service, 'uuid:another')).url('/d.xml'), { udn: 'uuid:another' });
  await until(() => latest().length > 1);
  const address = new URL(house.phone.location).host;
  expect(latest()).toMatchObject([{ udn: house.phone.udn, address, online: true }, { udn: 'uuid:another' }]);
});

it('uses the UDN in the description, not the advertised one (quirk 10)', async () => {
  const odd = await another(service, 'uuid:iPod Dock');
  await announce('alive', odd.url('/d.xml'), { udn: 'uuid:announced' });
  await until(() => latest().length > 0);
  expect(latest()).toMatchObject([{ udn: 'uuid:iPod Dock' }]);
});

it('keeps an advertised UDN that the household has approved (quirk 10)', async () => {
  const odd = await another(service, 'uuid:iPod Dock');
  await house.cloud.until(() => house.cloud.frames.some(({ type }) => type === 'phones'));
  house.cloud.script.approve = ['uuid:announced'];
  house.cloud.send({ type: 'approvals', approved: ['uuid:announced'] });
  // Frames are handled in order, so the answer proves that the approval was handled too.
  await house.cloud.call('uuid:announced', 'GetMessagingCapabilities', {});
  await announce('alive', odd.url('/d.xml'), { udn: 'uuid:announced' });
  await until(() => latest().length > 0);
  expect(latest()).toMatchObject([{ udn: 'uuid:announced' }]);
});

it('lists a phone once despite a forged UDN for its location or its UDN in capitals', async () => {
  await known();
  await announce('alive', house.phone.location, { udn: 'uuid:invented' });
  await announce('alive', house.phone.location, { udn: house.phone.udn.toUpperCase() });
  await announce('alive', (await another(service, 'uuid:another')).url('/d.xml'), { udn: 'uuid:another' });
  await until(() => latest().length > 1);
  expect(latest().map(({ udn }) => udn)).toEqual([house.phone.udn, 'uuid:another']);
});

it('ignores a sender other than the host of LOCATION', async () => {
  const silent = await another(service, 'uuid:elsewhere');
  await announce('alive', silent.url('/d.xml'), { udn: 'uuid:elsewhere', from: '127.0.0.3' });
  await announce('alive', `http://localhost:${silent.port}/d.xml`, { udn: 'uuid:elsewhere', from: '127.0.0.3' });
  await known();
  await until(() => house.lines.some((line) => line.includes(`localhost:${silent.port} cannot be read`)));
  expect(silent.seen).toEqual([]);
});

it('follows redirects and links of a phone only to that phone', async () => {
  const service8 = await another(service, 'uuid:local service');
  const guile = await new RawDevice(
    (request) =>
      request.path === '/d.xml'
        ? httpAnswer('302 Found', '', { LOCATION: service8.url('/secret') })
        : described('uuid:guile', service.replace('/c<', `${service8.url('/c')}<`)),
    '127.0.0.3',
  ).start();
  others.push(guile);
  await announce('alive', guile.url('/d.xml'), { udn: 'uuid:guile' });
  await announce('alive', guile.url('/other.xml'), { udn: 'uuid:guile' });
  await until(() => guile.seen.length >= 2);
  await known();
  expect(service8.seen).toEqual([]);
  expect(latest()).toMatchObject([{ udn: house.phone.udn }]);
});

it('survives a hundred forged announcements per second with rising BOOTIDs: no call fails, one renewal', async () => {
  await known();
  const subscribers = house.phone.subscribers;
  const calls: Promise<unknown>[] = [];
  const mouth = await mouthAt('127.0.0.1');
  for (let at = 0; at < 200; at++) {
    const bootId = at % 20 === 0 ? 2 ** 31 - 1 : 1000 + at;
    mouth.send(datagramOf('alive', house.phone.location, house.phone.udn, target, bootId), ssdpPort, '239.255.255.250');
    if (at % 8 === 0) calls.push(house.cloud.call(house.phone.udn, 'GetMessagingCapabilities', {}));
    // The rate of the flood is the input of this test.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ type: 'result' });
  expect(house.phone.renewals).toBeLessThanOrEqual(1);
  expect(house.phone.subscribers).toBe(subscribers);
});

it('finds a phone despite 256 forged UDNs at as many addresses', async () => {
  for (let at = 0; at < 256; at++) {
    const from = `127.0.${1 + (at >> 7)}.${1 + (at & 127)}`;
    await announce('alive', `http://${from}:9/d.xml`, { udn: `uuid:invented-${at}` });
    // The agent runs in this process, and a socket buffers only some hundred datagrams.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await known();
});

it('finds a phone despite forged UDNs at its address', async () => {
  await known();
  await house.phone.stop();
  await announce('byebye', '');
  await until(() => latest()[0]?.online === false);
  for (let at = 0; at < 64; at++) {
    await announce('alive', house.phone.location.replace('description', `${at}`), { udn: `uuid:invented-${at}` });
  }
  await house.phone.start();
  await announce('alive', house.phone.location, { target: 'upnp:rootdevice' });
  await until(() => latest()[0]?.online === true);
});

it('caps the unapproved phones of one machine', async () => {
  house.cloud.script.approve = [house.phone.udn];
  const crowd = await new RawDevice(
    ({ method, path }) => (method === 'GET' ? described(`uuid:crowd${path}`, service) : httpAnswer('500 No')),
    '127.0.0.4',
  ).start();
  others.push(crowd);
  for (let at = 0; at < 40; at++) await announce('alive', crowd.url(`/${at}`), { udn: `uuid:crowd/${at}` });
  await until(() => house.lines.some((line) => line.includes('more than 4 phones at 127.0.0.4')));
  await known();
  expect(latest()[0]).toMatchObject({ udn: house.phone.udn });
  expect(latest().length).toBeLessThanOrEqual(5);
});

it('uses a phone without the actions that it lists but refuses (quirk 26)', async () => {
  house.phone.react = ({ action }) =>
    action === 'GetMessagingCapabilities' || action === 'GetSessions' || action === 'GetNewMessages' ? 501 : undefined;
  house.phone.receive('still here');
  await known();
  const put = await house.cloud.until(() => house.cloud.events.find((event) => event.type === 'message.put'));
  expect(put).toMatchObject({ message: { body: 'still here' } });
});

it('retries a phone that announces itself before it can answer', async () => {
  let asked = 0;
  const slow = await new RawDevice((request) => {
    if (request.method !== 'GET') return httpAnswer('500 No');
    return asked++ === 0 ? httpAnswer('503 Not yet') : described('uuid:slow', service);
  }).start();
  others.push(slow);
  await announce('alive', slow.url('/d.xml'), { udn: 'uuid:slow' });
  await until(() => latest().some(({ udn }) => udn === 'uuid:slow'));
  expect(asked).toBeGreaterThanOrEqual(2);
});
