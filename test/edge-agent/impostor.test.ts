// An approved phone is off and another device takes its UDN: no command reaches the impostor before the cloud says whom
// the approval covers, and nothing from it leaves the home.
import { createSocket, type Socket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { macAddressOf } from '../../edge-agent/phone-evidence.ts';
import { until } from '../fixtures/upnp/lan.ts';
import { httpAnswer, ok, RawDevice } from '../fixtures/upnp/raw-device.ts';
import { House } from './house.ts';

const target = 'urn:schemas-upnp-org:service:Messaging:2';
const ssdpPort = 20_000 + Math.floor(Math.random() * 20_000);
let house: House;
let impostor: RawDevice;
/** One socket per address, because the announcer must be the sender. */
let mouths: Record<string, Socket> = {};

beforeEach(async () => {
  house = new House({}, { phoneUrl: undefined, ssdpPort });
  await house.start();
  for (const address of ['127.0.0.1', '127.0.0.2']) {
    const mouth = createSocket('udp4');
    await new Promise<void>((resolve) => mouth.bind(0, address, resolve));
    mouth.setMulticastInterface('127.0.0.1');
    mouths[address] = mouth;
  }
  const service = `<service><serviceType>${target}</serviceType><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service>`;
  const description = `<root><device><friendlyName>Kitchen</friendlyName><UDN>${house.phone.udn}</UDN><serviceList>${service}</serviceList></device></root>`;
  impostor = await new RawDevice(
    ({ method }) => (method === 'GET' ? ok(description) : httpAnswer('500 No')),
    '127.0.0.2',
  ).start();
});
afterEach(async () => {
  await house.stop();
  await impostor.stop();
  for (const mouth of Object.values(mouths)) await new Promise<void>((resolve) => mouth.close(() => resolve()));
  mouths = {};
});

function announce(location: string): void {
  const lines = ['NOTIFY * HTTP/1.1', `NT: ${target}`, 'NTS: ssdp:alive', `USN: ${house.phone.udn}::${target}`];
  mouths[new URL(location).hostname]?.send(
    `${[...lines, `LOCATION: ${location}`].join('\r\n')}\r\n\r\n`,
    ssdpPort,
    '239.255.255.250',
  );
}

const latest = () => house.cloud.frames.findLast((frame) => frame.type === 'phones')?.phones[0];
const failure = () => house.cloud.frames.find((frame) => frame.type === 'failure');
const actions = () => impostor.seen.filter(({ method }) => method === 'POST');

it('gets no message although an earlier approval names its UDN', async () => {
  announce(house.phone.location);
  await until(() => latest()?.online === true && house.phone.subscribers === 1);
  const evidence = latest()?.evidence;
  expect(evidence).toMatchObject({ address: '127.0.0.1', digest: expect.stringMatching(/^.{20,64}$/) });
  if (evidence === undefined) throw new Error('The agent tells no evidence.');
  // The household approved the real phone; the cloud's approval is still in flight.
  house.cloud.script.evidence = { [house.phone.udn]: evidence };
  house.cloud.send({ type: 'approvals', approved: [house.phone.udn], evidence: house.cloud.script.evidence });
  await house.phone.stop();
  announce(impostor.url('/d.xml'));
  await until(() => latest()?.evidence?.address === '127.0.0.2');
  const before = actions().filter(({ body }) => body.includes('SearchMessages')).length;
  house.cloud.call(house.phone.udn, 'SendMessage', { MessageToSend: '<message/>' }, { form: 'text' });
  await until(() => failure() !== undefined);
  expect(failure()).toMatchObject({ code: 'phone-offline' });
  expect(actions().filter(({ body }) => body.includes('SendMessage'))).toEqual([]);
  expect(actions().filter(({ body }) => body.includes('SearchMessages'))).toHaveLength(before);
  // The household approves this device.
  const now = latest()?.evidence;
  if (now === undefined) throw new Error('The agent tells no evidence.');
  house.cloud.send({ type: 'approvals', approved: [house.phone.udn], evidence: { [house.phone.udn]: now } });
  await until(() => actions().some(({ body }) => body.includes('SearchMessages')));
});

it('is told apart from the phone by its MAC address when the system knows it', () => {
  const table = join(house.folder, 'arp');
  writeFileSync(
    table,
    [
      'IP address       HW type     Flags       HW address            Mask     Device',
      '192.168.1.2      0x1         0x2         02:42:ac:11:00:02     *        eth0',
      '192.168.1.20     0x1         0x2         02:42:ac:11:00:20     *        eth0',
      '192.168.1.30     0x1         0x0         00:00:00:00:00:00     *        eth0',
    ].join('\n'),
  );
  expect(macAddressOf('192.168.1.20', table)).toBe('02:42:ac:11:00:20');
  expect(macAddressOf('192.168.1.2', table)).toBe('02:42:ac:11:00:02');
  expect(macAddressOf('192.168.1.30', table)).toBeUndefined();
  expect(macAddressOf('192.168.1.4', table)).toBeUndefined();
  expect(macAddressOf('192.168.1.2', join(house.folder, 'none'))).toBeUndefined();
  expect(macAddressOf('fe80::42:acff:fe11:2', table)).toBe('02:42:ac:11:00:02');
});
