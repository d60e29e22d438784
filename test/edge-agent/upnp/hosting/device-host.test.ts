// The HTTP side of a hosted device: access rules and documents. Requirements H15, H19, H20, H24, Z8, Z9.
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDescription } from '../../../../edge-agent/upnp/description/description.ts';
import { LanNetwork } from '../../../../edge-agent/upnp/network/network.ts';
import { parseXml, textOf } from '../../../../edge-agent/upnp/xml/xml.ts';
import { exchangeRaw, type HostedLamp, hostLamp, lampUdn, statusOf } from './lamp.ts';

let hosted: HostedLamp;
beforeEach(async () => {
  hosted = await hostLamp({
    fileAt: (path) => (path === '/files/a' ? { contentType: 'image/png', body: Buffer.from('png') } : undefined),
  });
});
afterEach(() => hosted.host.stop());

const get = (headers: string, version = '1.1') =>
  exchangeRaw(hosted.port, `GET /device.xml HTTP/${version}\r\n${headers}Connection: close\r\n\r\n`);

describe('documents', () => {
  it('are parsed by our own control point', async () => {
    const network = new LanNetwork({ interfaces: ['lo'] });
    await network.start();
    const device = await readDescription(network, hosted.url('/device.xml'));
    await network.stop();
    expect(device).toMatchObject({
      udn: lampUdn,
      friendlyName: 'Lamp & <shade>',
      services: [
        {
          serviceType: 'urn:schemas-upnp-org:service:SwitchPower:2',
          controlUrl: hosted.url('/power/control'),
          eventSubUrl: hosted.url('/power/event'),
          scpdUrl: hosted.url('/power/scpd.xml'),
        },
      ],
    });
  });

  it('have namespace, versions, configId and relative URLs, and no URLBase (H20)', async () => {
    const text = await (await fetch(hosted.url('/device.xml'))).text();
    const root = parseXml(text, { root: 'root' });
    expect(root.namespace).toBe('urn:schemas-upnp-org:device-1-0');
    expect(root.attributes.get('configId')).toBe(String(hosted.host.configId));
    expect(text).not.toContain('URLBase');
    expect(text).toContain('<SCPDURL>/power/scpd.xml</SCPDURL>');
    const scpd = await (await fetch(hosted.url('/power/scpd.xml'))).text();
    expect(scpd).not.toContain('retval');
    expect(textOf(parseXml(scpd, { root: 'scpd' }).children[0] ?? parseXml('<a/>'), 'major')).toBe('1');
  });

  it('answer HEAD with the length but no body', async () => {
    const answer = await fetch(hosted.url('/device.xml'), { method: 'HEAD' });
    expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(500);
    expect(await answer.text()).toBe('');
  });

  it('answer HTTP/1.0 unchunked and close the connection (H19)', async () => {
    const answer = await get(`Host: 127.0.0.1:${hosted.port}\r\n`, '1.0');
    expect(statusOf(answer)).toBe(200);
    expect(answer).toMatch(/content-length: \d+/i);
    expect(answer).not.toMatch(/transfer-encoding/i);
    expect(answer).toMatch(/connection: close/i);
  });

  it('are served beside files with nosniff', async () => {
    const answer = await fetch(hosted.url('/files/a'));
    expect(await answer.text()).toBe('png');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await fetch(hosted.url('/files/b'))).status).toBe(404);
  });

  it('answer 405 with the allowed methods', async () => {
    const answer = await fetch(hosted.url('/power/control'));
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
  });

  it('change configId only when their content changes', async () => {
    const same = await hostLamp();
    expect(same.host.configId).toBe(hosted.host.configId);
    await same.host.stop();
  });
});

describe('the Host header (H15)', () => {
  it.each([
    ['the address and port', (port: number) => `Host: 127.0.0.1:${port}\r\n`, 200],
    ['the same in capitals and blanks', (port: number) => `HOST:   127.0.0.1:${port}  \r\n`, 200],
    ['nothing', () => '', 400],
    ['an empty one', () => 'Host:\r\n', 400],
    ['a name', (port: number) => `Host: localhost:${port}\r\n`, 400],
    ["an attacker's name", (port: number) => `Host: rebind.example:${port}\r\n`, 400],
    ['another address', (port: number) => `Host: 127.0.0.2:${port}\r\n`, 400],
    ['another port', (port: number) => `Host: 127.0.0.1:${port + 1}\r\n`, 400],
    ['no port, which is 80', () => 'Host: 127.0.0.1\r\n', 400],
    ['an address in another spelling', (port: number) => `Host: 0x7f.1:${port}\r\n`, 400],
    ['the decimal number', (port: number) => `Host: 2130706433:${port}\r\n`, 400],
    ['an IPv6 literal with a zone', (port: number) => `Host: [fe80::01%eth0]:${port}\r\n`, 400],
    ['an unclosed bracket', (port: number) => `Host: [127.0.0.1:${port}\r\n`, 400],
    ['a user before the address', (port: number) => `Host: a@127.0.0.1:${port}\r\n`, 400],
  ])('with %s', async (_, header, status) => {
    expect(statusOf(await get(header(hosted.port)))).toBe(status);
  });

  it('is checked for an absolute request line too', async () => {
    const host = `127.0.0.1:${hosted.port}`;
    const ask = (line: string) => exchangeRaw(hosted.port, `${line}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(statusOf(await ask(`GET http://${host}/device.xml HTTP/1.1`))).toBe(200);
  });
});

describe('browsers (Z8)', () => {
  it.each(['Origin: http://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site'])(
    'are refused by %s',
    async (header) => {
      const answer = await get(`Host: 127.0.0.1:${hosted.port}\r\n${header}\r\n`);
      expect(statusOf(answer)).toBe(403);
      expect(answer).not.toMatch(/access-control/i);
    },
  );
});

describe('peers', () => {
  it('are disconnected when not allowed (Z14)', async () => {
    const closed = await hostLamp({ allows: () => false });
    expect(await exchangeRaw(closed.port, `GET /device.xml HTTP/1.1\r\nHost: 127.0.0.1:${closed.port}\r\n\r\n`)).toBe(
      '',
    );
    await closed.host.stop();
  });

  it('cannot connect to an address that the server is not bound to (Z9)', async () => {
    await expect(fetch(`http://127.0.0.2:${hosted.port}/device.xml`)).rejects.toThrow();
  });
});

describe('hostile requests', () => {
  const good = () => fetch(hosted.url('/device.xml')).then((answer) => answer.status);

  it.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a header of 16 KiB', `GET / HTTP/1.1\r\nX: ${'x'.repeat(16_384)}\r\n\r\n`],
    [
      'length and chunks at once',
      'POST /power/control HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a bad chunk size', 'POST /power/control HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a negative length', 'POST /power/control HTTP/1.1\r\nHost: H\r\nContent-Length: -1\r\n\r\n'],
    ['a path that climbs', 'GET /../../etc/passwd HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['a method named like an object', '__proto__ /device.xml HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['NUL bytes', '\0\0\0\0\r\n\r\n'],
  ])('with %s are refused, and the next one is served', async (_, bytes) => {
    const answer = await exchangeRaw(hosted.port, bytes.replaceAll('Host: H', `Host: 127.0.0.1:${hosted.port}`));
    expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
    expect(statusOf(answer)).toBeLessThan(500);
    expect(await good()).toBe(200);
  });

  it('with a body over the cap are refused before its end', async () => {
    const status = await new Promise<number | undefined>((resolve) => {
      const post = request(hosted.url('/power/control'), {
        method: 'POST',
        headers: { 'Content-Length': 64 * 1024 * 1024 },
      });
      post.on('response', (response) => resolve(response.statusCode));
      post.on('error', () => resolve(undefined));
      post.write(Buffer.alloc(2 * 1024 * 1024));
    });
    expect([413, undefined]).toContain(status);
    expect(await good()).toBe(200);
  });

  it('that break off leave the device serving', async () => {
    await exchangeRaw(
      hosted.port,
      `POST /power/control HTTP/1.1\r\nHost: 127.0.0.1:${hosted.port}\r\nContent-Length: 99\r\n\r\n<s:`,
      50,
    );
    expect(await good()).toBe(200);
    expect(hosted.lamp.invoked).toEqual([]);
    expect(hosted.faults).toEqual([]);
  });

  it('that never end their headers are cut off (slow loris, H24)', async () => {
    const answer = await exchangeRaw(hosted.port, 'GET /device.xml HTTP/1.1\r\nX: ', 9000);
    expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
  });

  it('from many connections at once leave connections for later peers', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, () => exchangeRaw(hosted.port, 'GET', 100)));
    expect(answers.length).toBe(300);
    expect(await good()).toBe(200);
  });
});
