// Quirks of real devices that span several chapters, as raw bytes on sockets. Quirks 22, 38, 42, 50, 52.
import { request as httpRequest } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { callAction } from '../../../edge-agent/upnp/control/soap.ts';
import { writeActionAnswer } from '../../../edge-agent/upnp/control/soap-envelope.ts';
import { readDescription } from '../../../edge-agent/upnp/description/description.ts';
import { GenaSubscriber } from '../../../edge-agent/upnp/eventing/gena.ts';
import { failureOf, until, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer, ok, type Reply } from '../../fixtures/upnp/raw-device.ts';

const lan = useLan();
const subscribers: GenaSubscriber[] = [];
afterEach(async () => {
  for (const subscriber of subscribers.splice(0)) await subscriber.stop();
});

async function startSubscriber(): Promise<GenaSubscriber> {
  const subscriber = new GenaSubscriber(lan.network);
  subscribers.push(subscriber);
  await subscriber.start();
  return subscriber;
}

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';
const call = (controlUrl: string, repeatable = true) =>
  callAction(lan.network, { controlUrl, serviceType, action: 'A', arguments: [], deadlineMs: 3000, repeatable });
const answer = writeActionAnswer(serviceType, 'A', [['R', 'v']]);
const service = `<service><serviceType>${serviceType}</serviceType><controlURL>/c</controlURL></service>`;
const description = (more = '') =>
  `<root><device><UDN>uuid:1</UDN>${more}<serviceList>${service}</serviceList></device></root>`;

const lying =
  (body: string, length: number): Reply =>
  (socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body}`);

it('accepts an answer shorter than its length when its XML is complete (quirk 52)', async () => {
  const device = await lan.device((request) =>
    request.method === 'GET' ? lying(description(), 9999) : lying(answer, answer.length + 100),
  );
  expect((await call(device.url('/'))).get('R')).toBe('v');
  expect((await call(device.url('/'), false)).get('R')).toBe('v');
  expect((await readDescription(lan.network, device.url('/d.xml'))).udn).toBe('uuid:1');
});

it('rejects an answer whose XML breaks off (quirk 52)', async () => {
  const device = await lan.device(() => lying(answer.slice(0, -30), answer.length));
  expect(await failureOf(call(device.url('/')))).toMatchObject({ kind: 'malformed', outcome: 'unknown' });
});

it('accepts LF line ends in every chapter, and retries only the first time (quirk 50)', async () => {
  const bare = (body: string) =>
    `HTTP/1.1 200 OK\nSID: uuid:s\nTIMEOUT: Second-300\nContent-Length: ${body.length}\n\n${body}`;
  const device = await lan.device((request) => {
    if (request.method === 'GET') return bare(description());
    return request.method === 'POST' ? bare(answer) : bare('');
  });
  expect((await readDescription(lan.network, device.url('/d.xml'))).udn).toBe('uuid:1');
  expect((await call(device.url('/'))).get('R')).toBe('v');
  expect((await call(device.url('/'), false)).get('R')).toBe('v');
  const subscriber = await startSubscriber();
  const request = { eventSubUrl: device.url('/e'), onEvent() {}, onGap() {}, onLapse() {} };
  expect((await subscriber.subscribe(request)).sid).toBe('uuid:s');
  expect(device.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST', 'POST', 'SUBSCRIBE']);
});

it('requests short subscriptions from a device that drops long ones (quirk 38)', async () => {
  const device = await lan.device(() => httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-540' }));
  const subscriber = await startSubscriber();
  const request = { eventSubUrl: device.url('/e'), timeoutSeconds: 540, onEvent() {}, onGap() {}, onLapse() {} };
  await subscriber.subscribe(request);
  expect(device.seen[0]?.head).toContain('TIMEOUT: Second-540');
});

it('can call a device from an event handler although it blocks until the event is answered (quirk 42)', async () => {
  let isAnswered: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => {
    isAnswered = resolve;
  });
  const device = await lan.device(async (request) => {
    if (request.method !== 'POST') return httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-1800' });
    await answered;
    return ok(answer);
  });
  const subscriber = await startSubscriber();
  const values: (string | undefined)[] = [];
  await subscriber.subscribe({
    eventSubUrl: device.url('/e'),
    onEvent: () => void call(device.url('/c')).then((out) => values.push(out.get('R'))),
    onGap() {},
    onLapse() {},
  });
  const callback = /CALLBACK: <(.*)>/.exec(device.seen[0]?.head ?? '')?.[1] ?? '';
  const headers = { NT: 'upnp:event', NTS: 'upnp:propchange', SID: 'uuid:s', SEQ: '0' };
  httpRequest(callback, { method: 'NOTIFY', headers, agent: false }, (response) => {
    response.resume();
    isAnswered();
  }).end();
  await until(() => values.length > 0);
  expect(values).toEqual(['v']);
});

it('tolerates URLs without scheme, with blanks or with colons (quirk 22)', async () => {
  const device = await lan.device(() =>
    ok(
      description('<presentationURL>www.netgear.com</presentationURL>').replace(
        '/c<',
        '_urn:schemas-upnp-org:service:Messaging_control a<',
      ),
    ),
  );
  const { presentationUrl, services } = await readDescription(lan.network, device.url('/d.xml'));
  expect(presentationUrl).toBe(device.url('/www.netgear.com'));
  expect(services[0]?.controlUrl).toBe(device.url('/_urn:schemas-upnp-org:service:Messaging_control%20a'));
});
