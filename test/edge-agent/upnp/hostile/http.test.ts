// Hostile devices over real sockets. Requirements S1, C8, Z1–Z5, Z15, Z20.
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { callAction } from '../../../../edge-agent/upnp/control/soap.ts';
import { readDescription, readScpd } from '../../../../edge-agent/upnp/description/description.ts';
import { failureOf, useLan } from '../../../fixtures/upnp/lan.ts';
import { httpAnswer, ok, type Reply } from '../../../fixtures/upnp/raw-device.ts';

const lan = useLan();
const call = (controlUrl: string, deadlineMs = 3000) =>
  callAction(lan.network, {
    controlUrl,
    serviceType: 'urn:a:service:B:1',
    action: 'C',
    arguments: [],
    deadlineMs,
    repeatable: true,
  });

/** Writes a piece repeatedly until the socket closes. */
const dripping = (first: string, piece: string | Buffer, everyMs: number) => (socket: Socket) => {
  socket.write(first);
  const timer = setInterval(() => socket.write(piece), everyMs);
  socket.on('close', () => clearInterval(timer));
};
/** Writes as much as the reader takes. */
const endless = (first: string, piece: Buffer) => (socket: Socket) => {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  socket.write(first);
  more();
};

it.each<[string, Reply]>([
  ['a head that never ends', dripping('HTTP/1.1 200 OK\r\n', 'X: y\r\n', 5)],
  ['a body of a byte now and then', dripping('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n', ' ', 5)],
  ['chunks of a byte now and then', dripping('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n', 5)],
  ['no answer', () => undefined],
  ['100 Continue for ever', dripping('', 'HTTP/1.1 100 Continue\r\n\r\n', 5)],
])('fails at the deadline on %s', async (_, reply) => {
  const device = await lan.device(() => reply);
  expect(await failureOf(call(device.url('/'), 150))).toMatchObject({ kind: 'unreachable', outcome: 'unknown' });
});

it.each<[string, Reply]>([
  ['a body without end', endless('HTTP/1.1 200 OK\r\n\r\n', Buffer.alloc(65_536, 0x20))],
  [
    'chunks without end',
    endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', Buffer.from(`8000\r\n${' '.repeat(0x8000)}\r\n`)),
  ],
  ['a head without end', endless('HTTP/1.1 200 OK\r\n', Buffer.from(`X: ${'y'.repeat(8000)}\r\n`))],
])('stops reading %s', async (_, reply) => {
  const device = await lan.device(() => reply);
  expect(await failureOf(call(device.url('/')))).toMatchObject({ kind: 'malformed' });
  expect(await failureOf(readDescription(lan.network, device.url('/')))).toMatchObject({ kind: 'malformed' });
});

it('does not decompress an unrequested encoding', async () => {
  const device = await lan.device(() => ok(Buffer.from('1f8b0800000000000003', 'hex'), { 'CONTENT-ENCODING': 'gzip' }));
  expect(await failureOf(call(device.url('/')))).toMatchObject({ kind: 'malformed' });
});

it.each([
  ['an entity bomb', `<!DOCTYPE r [<!ENTITY a "${'x'.repeat(1000)}">${'<!ENTITY b "&a;&a;&a;&a;">'}]><r>&b;</r>`],
  ['an external entity', '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><root>&a;</root>'],
  ['an external subset', '<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><root/>'],
  ['a DOCTYPE inside', '<root><!DOCTYPE r [<!ENTITY a "b">]><device/></root>'],
  ['depth', '<root>'.repeat(50_000)],
  ['width', `<root>${'<a/>'.repeat(60_000)}</root>`],
  ['many attributes', `<root ${Array.from({ length: 20_000 }, (_, at) => `a${at}="1"`).join(' ')}`],
  ['unclosed quotes', `<root a="${'<'.repeat(100_000)}`],
  ['unclosed tags', '<a '.repeat(50_000)],
  ['unclosed comments', '<!-- '.repeat(50_000)],
  ['ampersands', `<root>${'&'.repeat(200_000)}`],
  ['unclosed declarations', '<?xml '.repeat(40_000)],
  ['closing tags', '</root>'.repeat(30_000)],
  ['blanks inside', `<root>x${' '.repeat(250_000)}y`],
  ['blanks in a tag', `<root${' '.repeat(250_000)}`],
  ['a long name', `<${'a'.repeat(250_000)}`],
])('survives a description made of %s', async (_, body) => {
  const device = await lan.device(() => ok(body));
  expect(await failureOf(readDescription(lan.network, device.url('/')))).toMatchObject({ name: 'UpnpError' });
  expect(await readScpd(lan.network, device.url('/'))).toBeUndefined();
  expect(await failureOf(call(device.url('/')))).toMatchObject({ name: 'UpnpError' });
});

it('skips a service whose type is 256 KiB of blanks', async () => {
  const type = `urn:a:service:x${' '.repeat(250_000)}y`;
  const service = `<service><serviceType>${type}</serviceType><controlURL>/c</controlURL></service>`;
  const device = await lan.device(() => ok(`<root><device><serviceList>${service}</serviceList></device></root>`));
  expect((await readDescription(lan.network, device.url('/'))).services).toEqual([]);
});

it('parses 512 KiB of references', async () => {
  const inner = '&amp;'.repeat(100_000);
  const device = await lan.device(() =>
    ok(`<s:Envelope xmlns:s="s"><s:Body><CResponse><R>${inner}</R></CResponse></s:Body></s:Envelope>`),
  );
  expect((await call(device.url('/'))).get('R')).toBe('&'.repeat(100_000));
});

it('does not follow a redirect to loopback or another host', async () => {
  const bait = await lan.device(() => ok('<root/>'));
  const targets = [
    bait.url('/').replace('127.0.0.1', '127.0.0.2'),
    bait.url('/').replace('127.0.0.1', 'localhost'),
    'http://[::1]/',
    '//8.8.8.8/',
    'http:\\\\8.8.8.8',
  ];
  for (const LOCATION of targets) {
    const device = await lan.device(() => httpAnswer('302 Found', '', { LOCATION }));
    expect(await failureOf(readDescription(lan.network, device.url('/')))).toMatchObject({ kind: 'refused' });
  }
  expect(bait.seen).toEqual([]);
});
