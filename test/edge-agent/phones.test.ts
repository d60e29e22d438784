// What is believed of announcements about phones that are known. Requirements S15, Z5, Z12, Z13, quirks 10, 11.
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../fixtures/upnp/lan.ts';
import { httpAnswer, ok, RawDevice } from '../fixtures/upnp/raw-device.ts';
import { House } from './house.ts';

const target = 'urn:schemas-upnp-org:service:Messaging:2';
const ssdpPort = 20_000 + Math.floor(Math.random() * 20_000);
let house: House;
let mouth: Socket;
const others: RawDevice[] = [];

beforeEach(async () => {
  house = new House({}, { phoneUrl: undefined, ssdpPort });
  await house.start();
  mouth = createSocket('udp4');
  await new Promise<void>((resolve) => mouth.bind(0, '127.0.0.1', resolve));
  mouth.setMulticastInterface('127.0.0.1');
});
afterEach(async () => {
  await house.stop();
  for (const other of others.splice(0)) await other.stop();
  await new Promise<void>((resolve) => mouth.close(() => resolve()));
});

function announce(nts: 'alive' | 'byebye', location: string, udn: string = house.phone.udn): void {
  const lines = ['NOTIFY * HTTP/1.1', `NT: ${target}`, `NTS: ssdp:${nts}`, `USN: ${udn}::${target}`];
  mouth.send(`${[...lines, `LOCATION: ${location}`].join('\r\n')}\r\n\r\n`, ssdpPort, '239.255.255.250');
}

const latest = () => house.cloud.frames.findLast((frame) => frame.type === 'phones')?.phones ?? [];
const described = (udn: string, services = '') =>
  ok(
    `<root><device><friendlyName>Other</friendlyName><UDN>${udn}</UDN><serviceList>${services}</serviceList></device></root>`,
  );
const service = `<service><serviceType>${target}</serviceType><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service>`;

/** Another machine of the LAN. */
async function another(services = service, udn: string = house.phone.udn): Promise<RawDevice> {
  const device = await new RawDevice(
    (request) => (request.method === 'GET' ? described(udn, services) : httpAnswer('500 No')),
    '127.0.0.2',
  ).start();
  others.push(device);
  return device;
}

async function known(): Promise<void> {
  announce('alive', house.phone.location);
  await until(() => latest()[0]?.online === true && house.phone.subscribers === 1);
}

it('a phone is not given up for a goodbye that somebody else said', async () => {
  await known();
  const asked = house.phone.descriptions;
  announce('byebye', '');
  await until(() => house.phone.descriptions > asked);
  announce('alive', house.phone.location);
  expect(latest()).toMatchObject([{ udn: house.phone.udn, online: true }]);
  expect(house.phone.subscribers).toBe(1);
});

it('a place with a zone, which URL cannot read, ends nothing', async () => {
  const other = new House({}, { phoneUrl: 'http://[fe80::1%25lo]:9/d.xml' });
  await other.start();
  await until(() => other.lines.some((line) => line.includes('[fe80::1%lo]:9 cannot be asked what it is')));
  await other.stop();
});

it('a phone that said goodbye and does not answer is offline', async () => {
  await known();
  await house.phone.stop();
  announce('byebye', '');
  await until(() => latest()[0]?.online === false);
});

it('a stranger with the name of a phone that still answers is left out, with a notice', async () => {
  await known();
  const stranger = await another();
  announce('alive', stranger.url('/d.xml'));
  await until(() => house.lines.some((line) => line.includes('claims to be the phone')));
  expect(stranger.seen.map(({ method }) => method)).toEqual(['GET']);
  expect(latest()).toMatchObject([{ address: new URL(house.phone.location).host, online: true }]);
  expect(house.phone.subscribers).toBe(1);
});

it('a stranger that hides the name of a phone in its own description is left out too', async () => {
  await known();
  const inner = `<device><UDN>${house.phone.udn}</UDN><serviceList>${service}</serviceList></device>`;
  const stranger = await another(`</serviceList><deviceList>${inner}</deviceList><serviceList>`, 'uuid:another');
  announce('alive', stranger.url('/d.xml'), 'uuid:another');
  await until(() => house.lines.some((line) => line.includes('claims to be the phone')));
  expect(stranger.seen.map(({ method }) => method)).toEqual(['GET']);
  expect(latest()).toMatchObject([{ udn: house.phone.udn, address: new URL(house.phone.location).host }]);
});

it('a phone is followed to a new address when it answers at the old one no more', async () => {
  await known();
  await house.phone.stop();
  const moved = await another();
  announce('alive', moved.url('/d.xml'));
  await until(() => latest()[0]?.address === new URL(moved.url('/')).host);
  expect(latest()).toHaveLength(1);
});

it('a device that shares the name of a phone but has no messages does not take its place (quirk 11)', async () => {
  await known();
  const group = await another('');
  announce('alive', group.url('/d.xml'));
  await until(() => group.seen.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(latest()).toMatchObject([{ address: new URL(house.phone.location).host, online: true }]);
});

it('a phone is called by the name in its announcements, whatever its description says (quirk 10)', async () => {
  const odd = await another(service, 'uuid:iPod Dock');
  announce('alive', odd.url('/d.xml'), 'uuid:announced');
  await until(() => latest().length > 0);
  expect(latest()).toMatchObject([{ udn: 'uuid:announced' }]);
});

it('a phone that refuses actions which it lists is used without them (quirk 26)', async () => {
  house.phone.react = ({ action }) =>
    action === 'GetMessagingCapabilities' || action === 'GetSessions' || action === 'GetNewMessages' ? 501 : undefined;
  house.phone.receive('still here');
  await known();
  const put = await house.cloud.until(() => house.cloud.events.find((event) => event.type === 'message.put'));
  expect(put).toMatchObject({ message: { body: 'still here' } });
});

it('a phone that announces itself before it can answer is asked again', async () => {
  let asked = 0;
  const slow = await new RawDevice((request) => {
    if (request.method !== 'GET') return httpAnswer('500 No');
    return asked++ === 0 ? httpAnswer('503 Not yet') : described('uuid:slow', service);
  }).start();
  others.push(slow);
  announce('alive', slow.url('/d.xml'), 'uuid:slow');
  await until(() => latest().some(({ udn }) => udn === 'uuid:slow'));
  expect(asked).toBeGreaterThanOrEqual(2);
});
