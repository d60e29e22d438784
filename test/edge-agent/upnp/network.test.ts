// HTTP to devices, over real sockets. Requirements S1, C1–C3, C15–C17, Z1–Z5, Z18, quirks 50–52.

import { describe, expect, it } from 'vitest';
import { LanNetwork } from '../../../edge-agent/upnp/network/network.ts';
import { failureOf, until, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer, ok, type RawDevice, type Reply, type SeenRequest } from '../../fixtures/upnp/raw-device.ts';

const lan = useLan();

const get = (url: string, more = {}) => lan.network.request({ method: 'GET', url, deadlineMs: 3000, ...more });

describe('a request', () => {
  it('keeps spelling and order of headers, and sends the length in bytes', async () => {
    const { seen, url } = await bound(() => ok('<a/>'));
    await lan.network.request({
      method: 'POST',
      url,
      headers: [
        ['SOAPACTION', '"x#y"'],
        ['Content-TYPE', 'text/xml'],
      ],
      body: 'é',
      deadlineMs: 3000,
    });
    const lines = seen[0]?.head.split('\r\n') ?? [];
    expect(lines.slice(0, 5)).toEqual([
      'POST /x HTTP/1.1',
      `HOST: ${new URL(url).host}`,
      'SOAPACTION: "x#y"',
      'Content-TYPE: text/xml',
      'CONTENT-LENGTH: 2',
    ]);
    expect(lines.join()).not.toMatch(/transfer-encoding/i);
  });

  it('returns status, headers by lower-case name, body and both addresses', async () => {
    const { url } = await bound(() => httpAnswer('418 Teapot', 'x', { SeRvEr: 'a', server: 'b' }));
    const answer = await get(url);
    expect(answer).toMatchObject({
      status: 418,
      complete: true,
      localAddress: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      url,
    });
    expect(answer.headers.get('server')).toBe('a');
    expect(answer.body.toString()).toBe('x');
  });

  it('reuses a connection unless the request is fresh', async () => {
    const { seen, url } = await bound(() => ok(''));
    await get(url);
    await get(url);
    await get(url, { fresh: true });
    await get(url, { fresh: true });
    expect(seen.map((request) => request.connection)).toEqual([0, 0, 1, 2]);
  });

  it('is retried when a kept connection was stale', async () => {
    let first = true;
    const { seen, url } = await bound((request) => {
      if (request.connection > 0 || first) {
        first = false;
        return ok('fine');
      }
      return (socket) => socket.destroy();
    });
    await get(url);
    expect((await get(url)).body.toString()).toBe('fine');
    expect(seen.map((request) => request.connection)).toEqual([0, 0, 1]);
  });

  it('is never retried when fresh, and fails with outcome unknown', async () => {
    const { seen, url } = await bound(() => (socket) => socket.destroy());
    const error = await failureOf(
      lan.network.request({ method: 'POST', url, body: 'x', deadlineMs: 3000, fresh: true }),
    );
    expect(error).toMatchObject({ kind: 'unreachable', outcome: 'unknown' });
    expect(seen).toHaveLength(1);
  });

  it('fails with not-done on a refused connection', async () => {
    const { url, device } = await bound(() => ok(''));
    await device.stop();
    expect(await failureOf(get(url))).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
  });

  it('calls beforeSend once connected, and sends nothing when it throws', async () => {
    const { seen, url, device } = await bound(() => ok(''));
    const told: number[] = [];
    await get(url, { beforeSend: () => told.push(seen.length) });
    expect(told).toEqual([0]);
    const reason = new Error('No room to write it down.');
    const post = { method: 'POST', url, body: 'x', deadlineMs: 3000, fresh: true };
    const beforeSend = () => {
      throw reason;
    };
    const heldBack = await failureOf(lan.network.request({ ...post, beforeSend }));
    expect(heldBack).toMatchObject({ outcome: 'not-done', cause: reason });
    await device.stop();
    expect(seen).toHaveLength(1);
    expect(await failureOf(get(url, { fresh: true, beforeSend: () => told.push(-1) }))).toMatchObject({
      outcome: 'not-done',
    });
    expect(told).toEqual([0]);
  });

  it('fails at its deadline, with outcome unknown once sent', async () => {
    const { url } = await bound(() => () => undefined);
    expect(await failureOf(get(url, { deadlineMs: 50 }))).toMatchObject({ kind: 'unreachable', outcome: 'unknown' });
  });

  it('fails on abort and when the network stops', async () => {
    const { seen, url } = await bound(() => () => undefined);
    const abort = new AbortController();
    const aborted = failureOf(get(url, { signal: abort.signal }));
    const stopped = failureOf(get(url));
    await until(() => seen.length === 2);
    abort.abort();
    expect(await aborted).toMatchObject({ kind: 'unreachable' });
    await lan.network.stop();
    expect(await stopped).toMatchObject({ kind: 'unreachable' });
    expect(await failureOf(get(url))).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
  });

  it('waits for its turn with a device and leaves the queue at the deadline', async () => {
    const waiting: (() => void)[] = [];
    const { seen, url } = await bound(() => new Promise((resolve) => waiting.push(() => resolve(ok('')))));
    const inTurn = (deadlineMs: number) =>
      lan.network.request({ method: 'POST', url, body: 'x', deadlineMs, inTurn: true });
    const first = inTurn(3000);
    const impatient = failureOf(inTurn(30));
    const third = inTurn(3000);
    expect(await impatient).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
    expect(seen).toHaveLength(1);
    waiting.shift()?.();
    await first;
    await until(() => waiting.length > 0);
    waiting.shift()?.();
    await third;
    expect(seen).toHaveLength(2);
  });

  it('is refused when the queue is full', async () => {
    const { url } = await bound(() => () => undefined);
    const outcomes = Array.from({ length: 80 }, () =>
      failureOf(lan.network.request({ method: 'POST', url, body: 'x', deadlineMs: 200, inTurn: true })),
    );
    const messages = (await Promise.all(outcomes)).map((error) => (error as Error).message);
    expect(messages.filter((message) => message.startsWith('Too many'))).toHaveLength(15);
  });
});

describe('an odd answer', () => {
  it.each([
    ['line ends of LF only', 'HTTP/1.1 200 OK\nContent-Length: 4\n\n<a/>'],
    ['a control character in a header', 'HTTP/1.1 200 OK\r\nX: a\u0001b\r\nContent-Length: 4\r\n\r\n<a/>'],
  ])('is read with the lenient parser: %s (quirk 50)', async (_, answer) => {
    const { seen, url } = await bound(() => answer);
    expect((await get(url)).body.toString()).toBe('<a/>');
    expect((await get(url)).body.toString()).toBe('<a/>');
    // The quirk is remembered, and connections to such a device are never reused.
    expect(seen.map((request) => request.connection)).toEqual([0, 1, 2]);
  });

  it('makes the outcome of a fresh request unknown, without a retry', async () => {
    const { seen, url } = await bound(() => 'HTTP/1.1 200 OK\nContent-Length: 4\n\n<a/>');
    const post = () => lan.network.request({ method: 'POST', url, body: 'x', deadlineMs: 3000, fresh: true });
    expect(await failureOf(post())).toMatchObject({ kind: 'malformed', outcome: 'unknown' });
    expect(seen).toHaveLength(1);
    expect((await post()).body.toString()).toBe('<a/>');
  });

  it('is a clear error when the lenient parser fails too (quirk 51)', async () => {
    const { url } = await bound(() => 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n<a/>');
    expect(await failureOf(get(url))).toMatchObject({ kind: 'malformed' });
  });

  it('that ends early is returned as incomplete (quirk 52)', async () => {
    const { url } = await bound(() => (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n<a/>'));
    expect(await get(url)).toMatchObject({ complete: false, body: Buffer.from('<a/>') });
  });

  it('that is not HTTP is an error', async () => {
    const { url } = await bound(() => 'SSH-2.0-OpenSSH_9.6\r\n');
    expect(await failureOf(get(url))).toMatchObject({ kind: 'malformed' });
  });
});

describe('redirects', () => {
  it('are followed on the same host, and the answer has the final URL', async () => {
    const { url, device } = await bound((request) =>
      request.path === '/y' ? ok('<a/>') : httpAnswer('302 Found', '', { LOCATION: '/y' }),
    );
    expect(await get(url)).toMatchObject({ status: 200, url: device.url('/y') });
  });

  it.each([
    ['another address of ours', 'http://127.0.0.2:1/'],
    ['a name', 'http://localhost/'],
    ['another scheme', 'file:///etc/passwd'],
    ['nonsense', 'http://'],
  ])('to %s are not followed', async (_, location) => {
    const { seen, url } = await bound(() => httpAnswer('301 Moved', '', { LOCATION: location }));
    expect((await get(url)).status).toBe(301);
    expect(seen).toHaveLength(1);
  });

  it('are not followed in a loop or for methods other than GET', async () => {
    const { seen, url } = await bound(() => httpAnswer('307 Again', '', { LOCATION: '/x' }));
    expect((await get(url)).status).toBe(307);
    expect(seen).toHaveLength(3);
    expect((await lan.network.request({ method: 'POST', url, deadlineMs: 3000 })).status).toBe(307);
    expect(seen).toHaveLength(4);
  });
});

describe('allowed addresses', () => {
  it.each([
    'http://192.0.2.99:81/',
    'http://8.8.8.8/',
    'http://[::1]:81/',
    'http://0.0.0.0:81/',
    'http://239.255.255.250:81/',
    'http://169.254.1.1:81/',
    'https://127.0.0.1/',
    'http://a:b@127.0.0.1:81/',
    'http://127.0.0.1:22/',
    'http://127.0.0.1:0/',
    'file:///etc/passwd',
    'nonsense',
  ])('exclude %s', async (url) => {
    expect(await failureOf(get(url))).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
  });

  it('exclude loopback in any spelling unless lo is named', async () => {
    const elsewhere = new LanNetwork({ interfaces: ['no-such-interface'] });
    await elsewhere.start();
    const { seen, url } = await bound(() => ok(''));
    const { port } = new URL(url);
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '0177.0.0.1',
      '2130706433',
      '１２７.0.0.1',
      '[::ffff:127.0.0.1]',
      'localhost',
    ]) {
      const asked = elsewhere.request({ method: 'GET', url: `http://${host}:${port}/`, deadlineMs: 1000 });
      expect(await failureOf(asked)).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
    }
    await elsewhere.stop();
    expect(seen).toHaveLength(0);
  });

  it('include only the peer when it is known', async () => {
    const { url } = await bound(() => ok(''));
    expect((await get(url, { peer: '127.0.0.1' })).status).toBe(200);
    expect(await failureOf(get(url, { peer: '127.0.0.2' }))).toMatchObject({ outcome: 'not-done' });
  });

  it('are limited to the interface where the device was discovered, by name and by address', async () => {
    const { url, seen } = await bound(() => ok(''));
    expect((await get(url, { interfaceName: 'lo' })).status).toBe(200);
    const elsewhere = { interfaceName: 'lan0' };
    for (const target of [url, url.replace('127.0.0.1', 'localhost')]) {
      expect(await failureOf(get(target, elsewhere))).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
    }
    expect(seen).toHaveLength(1);
  });

  it('pin a name to its checked address (DNS rebinding)', async () => {
    const { url, seen } = await bound(() => ok(''));
    const answers = [['127.0.0.1'], ['8.8.8.8'], []];
    const rebinding = new LanNetwork({ interfaces: ['lo'], lookup: async () => answers.shift() ?? [] });
    await rebinding.start();
    const ask = () =>
      rebinding.request({ method: 'GET', url: url.replace('127.0.0.1', 'phone.local'), deadlineMs: 1000 });
    expect((await ask()).remoteAddress).toBe('127.0.0.1');
    expect(seen[0]?.head).toContain('HOST: phone.local:');
    expect(await failureOf(ask())).toMatchObject({ outcome: 'not-done' });
    expect(await failureOf(ask())).toMatchObject({ outcome: 'not-done' });
    await rebinding.stop();
    expect(seen).toHaveLength(1);
  });

  it('fail at the deadline when a name never resolves', async () => {
    const silent = new LanNetwork({ interfaces: ['lo'], lookup: () => new Promise(() => undefined) });
    await silent.start();
    const asked = silent.request({ method: 'GET', url: 'http://phone.local/', deadlineMs: 30 });
    expect(await failureOf(asked)).toMatchObject({ kind: 'unreachable', outcome: 'not-done' });
    await silent.stop();
  });
});

async function bound(
  answer: (request: SeenRequest) => Reply | Promise<Reply>,
): Promise<{ device: RawDevice; seen: SeenRequest[]; url: string }> {
  const device = await lan.device(answer);
  return { device, seen: device.seen, url: device.url('/x') };
}
