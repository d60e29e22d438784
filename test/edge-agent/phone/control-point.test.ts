// The hosted device seen by our own control point over loopback.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { callAction } from '../../../edge-agent/upnp/control/soap.ts';
import { readDescription } from '../../../edge-agent/upnp/description/description.ts';
import { type Advertisement, SsdpDiscovery } from '../../../edge-agent/upnp/discovery/ssdp.ts';
import { type GenaEvent, GenaSubscriber } from '../../../edge-agent/upnp/eventing/gena.ts';
import { LanNetwork } from '../../../edge-agent/upnp/network/network.ts';
import { nonna, type PhoneUnderTest, startPhone, until } from './phone-under-test.ts';

let home: PhoneUnderTest;
let network: LanNetwork;
let subscriber: GenaSubscriber;
beforeEach(async () => {
  home = await startPhone();
  network = new LanNetwork({ interfaces: ['lo'] });
  subscriber = new GenaSubscriber(network);
  await network.start();
  await subscriber.start();
});
afterEach(async () => {
  await subscriber.stop();
  await network.stop();
  await home.stop();
});

it('is found by either version, and its goodbye is reported', async () => {
  const found: Advertisement[] = [];
  const gone: string[] = [];
  const faults: Error[] = [];
  const discovery = new SsdpDiscovery({
    interfaces: ['lo'],
    targets: ['urn:schemas-upnp-org:service:Messaging:1'],
    port: home.ssdpPort,
    onFound: (advertisement) => found.push(advertisement),
    onRebooted: () => undefined,
    onGone: (udn, reason) => gone.push(`${udn} ${reason}`),
    onFault: (error) => faults.push(error),
  });
  await discovery.start();
  await until(() => found.length > 0);
  expect(found[0]).toMatchObject({ udn: home.phone.udn, location: home.phone.location, interfaceName: 'lo' });
  const { udn } = home.phone;
  await home.phone.stop();
  await until(() => gone.length > 0);
  expect(gone).toEqual([`${udn} byebye`]);
  await discovery.stop();
  expect(faults).toEqual([]);
});

it('can be described, called and subscribed to', async () => {
  const device = await readDescription(network, home.phone.location);
  const [service] = device.services;
  if (service?.eventSubUrl === undefined) throw new Error('The service has no eventing.');
  expect(service).toMatchObject({ name: 'Messaging', version: 2 });

  const events: GenaEvent[] = [];
  const subscription = await subscriber.subscribe({
    eventSubUrl: service.eventSubUrl,
    onEvent: (event) => events.push(event),
    onGap: () => undefined,
    onLapse: () => undefined,
  });
  await until(() => events.length > 0);
  const messageId = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Dinner at 8?' });
  await until(() => events.some(({ variables }) => variables.get('NewMessages')?.includes(messageId)));
  expect(events.map(({ seq }) => seq)).toEqual([0, 1]);

  const answer = await callAction(network, {
    controlUrl: service.controlUrl,
    serviceType: service.serviceType,
    action: 'ReadMessage',
    arguments: [['MessageID', messageId]],
    deadlineMs: 5000,
    repeatable: true,
  });
  expect(answer.get('MessageRequested')).toContain('Dinner at 8?');
  await subscription.cancel();
});
