// Events that Node's HTTP parser refuses, as raw bytes on a socket. Requirements E19, E20, Z8, Z18.
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type GenaEvent, GenaSubscriber } from '../../../edge-agent/upnp/eventing/gena.ts';
import { until, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer } from '../../fixtures/upnp/raw-device.ts';

const lan = useLan();
let subscriber: GenaSubscriber;
let events: GenaEvent[];
let callback: URL;

beforeEach(async () => {
  events = [];
  const device = await lan.device(() => httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-1800' }));
  subscriber = new GenaSubscriber(lan.network);
  await subscriber.start();
  await subscriber.subscribe({
    eventSubUrl: device.url('/'),
    onEvent: (event) => events.push(event),
    onGap() {},
    onLapse() {},
  });
  callback = new URL(/CALLBACK: <(.*)>/.exec(device.seen[0]?.head ?? '')?.[1] ?? '');
});
afterEach(() => subscriber.stop());

function send(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(callback.port), callback.hostname, () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
  });
}

const body = '<p><property><A>1</A></property></p>';
const notify = (headers: string, path = callback.pathname) =>
  `NOTIFY ${path} HTTP/1.1\r\nHOST: ${callback.host}\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\nSID: uuid:s\r\nSEQ: 0\r\n${headers}\r\n`;
const whole = () => `${notify(`CONTENT-LENGTH: ${body.length}\r\n`)}${body}`;

it.each<[string, () => string]>([
  [
    'the quoted transfer coding of the specification’s example (E20)',
    () => `${notify('TRANSFER-ENCODING: "chunked"\r\n')}24\r\n${body}\r\n0\r\n\r\n`,
  ],
  ['LF alone as line end (quirk 50)', () => whole().replaceAll('\r\n', '\n')],
  ['LF alone after some lines', () => whole().replace('upnp:event\r\n', 'upnp:event\n')],
  ['a blank before a colon (quirk 51)', () => whole().replace('SEQ:', 'SEQ :')],
  ['a line without colon (quirk 51)', () => whole().replace('SEQ:', 'nonsense\r\nSEQ:')],
])('accepts an event with %s as a hint', async (_, bytes) => {
  expect(await send(bytes())).toBe('HTTP/1.1 200 OK');
  await until(() => events.length > 0);
  expect(events).toEqual([{ seq: 0, variables: new Map() }]);
});

it.each<[string, () => string]>([
  ['an unknown token', () => notify('X : y\r\n', `/${'x'.repeat(22)}`)],
  ['another SID', () => notify('X : y\r\n').replace('uuid:s', 'uuid:t')],
  ['an Origin', () => notify('X : y\r\nOrigin: http://evil.example\r\n')],
  ['a name in Host', () => notify('X : y\r\n').replace(callback.host, 'rebound.example')],
  ['another method', () => notify('X : y\r\n').replace('NOTIFY', 'POST')],
  ['both CONTENT-LENGTH and TRANSFER-ENCODING', () => notify('CONTENT-LENGTH: 1\r\nTRANSFER-ENCODING: "chunked"\r\n')],
  ['an unfinished head', () => notify('X : y\r\n').slice(0, -2)],
  ['a thousand headers', () => notify(`X : y\r\n${'A: b\r\n'.repeat(1000)}`)],
])('refuses a broken event with %s', async (_, bytes) => {
  expect(await send(bytes())).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(events).toEqual([]);
});
