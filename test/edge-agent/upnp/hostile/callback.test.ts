// The callback server against hostile clients. Requirements E16, Z8, Z18, Z20.
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type GenaEvent, GenaSubscriber } from '../../../../edge-agent/upnp/eventing/gena.ts';
import { until, useLan } from '../../../fixtures/upnp/lan.ts';
import { httpAnswer } from '../../../fixtures/upnp/raw-device.ts';

const lan = useLan();
let subscriber: GenaSubscriber;
let events: GenaEvent[];
let callback: URL;
const sockets: Socket[] = [];

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

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await subscriber.stop();
});

/** Sends raw bytes; resolves to what comes back until the server closes or has answered. */
function raw(bytes: string | Buffer, from?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({
      port: Number(callback.port),
      host: callback.hostname,
      ...(from !== undefined && { localAddress: from }),
    });
    sockets.push(socket);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n\r\n')) resolve(answer);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', () => resolve(answer));
    socket.write(bytes);
  });
}

const head = (more = '', path = callback.pathname) =>
  `NOTIFY ${path} HTTP/1.1\r\nHOST: ${callback.host}\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\nSID: uuid:s\r\nSEQ: ${events.length}\r\n${more}\r\n`;
const body = '<p><property><A>1</A></property></p>';

async function stillTakesEvents(): Promise<void> {
  const before = events.length;
  expect(await raw(`${head(`CONTENT-LENGTH: ${body.length}\r\n`)}${body}`)).toMatch(/^HTTP\/1\.1 200 /);
  await until(() => events.length === before + 1);
}

it.each<[string, () => string]>([
  ['nonsense', () => '\0\x01\x02 nonsense\r\n\r\n'],
  ['another method', () => head().replace('NOTIFY', 'GET')],
  ['an unknown method', () => head().replace('NOTIFY', 'M-POST')],
  ['a body with two lengths', () => `${head('CONTENT-LENGTH: 1\r\nCONTENT-LENGTH: 2\r\n')}ab`],
  ['a length and chunks', () => `${head('CONTENT-LENGTH: 1\r\nTRANSFER-ENCODING: chunked\r\n')}0\r\n\r\n`],
  ['a broken chunk', () => `${head('TRANSFER-ENCODING: chunked\r\n')}zz\r\n`],
  ['a negative length', () => head('CONTENT-LENGTH: -1\r\n')],
  ['a header of 64 KiB', () => head(`X: ${'y'.repeat(65_536)}\r\n`)],
  ['a path of 64 KiB', () => head('', `/${'x'.repeat(65_536)}`)],
  ['a path that climbs', () => head('', '/../../etc/passwd')],
  ['an absolute path', () => head('', 'http://10.0.0.1/')],
  ['a path of JavaScript', () => head('', '/__proto__')],
  ['no path', () => 'NOTIFY\r\n\r\n'],
])('still accepts events after %s', async (_, bytes) => {
  const answer = await raw(bytes());
  expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
  expect(events).toEqual([]);
  await stillTakesEvents();
});

it('accepts an event without Host', async () => {
  const bytes = `${head(`CONTENT-LENGTH: ${body.length}\r\n`)}${body}`.replace(/HOST: .*\r\n/, '');
  expect(await raw(bytes)).toMatch(/^HTTP\/1\.1 200 /);
  await until(() => events.length === 1);
});

it('accepts events while other clients never finish, and still stops', async () => {
  for (let at = 0; at < 30; at++) void raw(head('CONTENT-LENGTH: 1000\r\n'));
  for (let at = 0; at < 30; at++) void raw('NOTIFY / HT');
  await stillTakesEvents();
});

it('accepts events while one peer holds all the connections it may have', async () => {
  for (let at = 0; at < 150; at++) void raw(head('CONTENT-LENGTH: 1000\r\n'), '127.0.0.2');
  for (let at = 0; at < 150; at++) void raw('NOTIFY / HT', '127.0.0.2');
  await stillTakesEvents();
});

it('accepts an event after a body that never ends', async () => {
  const socket = connect(Number(callback.port), callback.hostname);
  sockets.push(socket);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => undefined);
  socket.write(head('TRANSFER-ENCODING: chunked\r\n'));
  const more = () => {
    while (!socket.destroyed && socket.write(`8000\r\n${' '.repeat(0x8000)}\r\n`));
  };
  socket.on('drain', more);
  more();
  await closed;
  expect(events).toEqual([]);
  await stillTakesEvents();
});
