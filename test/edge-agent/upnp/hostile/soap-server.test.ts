// Hostile control requests to a hosted device, as raw bytes on a socket. Requirements H15, H16, H18, H19, H24.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeActionRequest } from '../../../../edge-agent/upnp/control/soap-envelope.ts';
import { exchangeRaw, type HostedLamp, hostLamp, statusOf } from '../hosting/lamp.ts';

const type = 'urn:schemas-upnp-org:service:SwitchPower:2';
const body = writeActionRequest(type, 'GetPower', []);
let hosted: HostedLamp;
beforeEach(async () => {
  hosted = await hostLamp();
});
afterEach(() => hosted.host.stop());

const request = (more = '', content = body, action = `SOAPACTION: "${type}#GetPower"\r\n`) =>
  `POST /power/control HTTP/1.1\r\nHost: 127.0.0.1:${hosted.port}\r\n${action}Content-Length: ${Buffer.byteLength(content)}\r\n${more}\r\n${content}`;
const ask = (bytes: string) => exchangeRaw(hosted.port, bytes);
const closing = 'Connection: close\r\n';

async function stillServes(): Promise<void> {
  const answer = await ask(request(closing));
  expect(statusOf(answer)).toBe(200);
  expect(answer).toContain('<Power>');
  expect(hosted.faults).toEqual([]);
}

const setPower = (args: string) =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:SetPower xmlns:u="${type}">${args}</u:SetPower></s:Body></s:Envelope>`;

it.each<[string, () => string]>([
  ['no SOAPACTION', () => request(closing, body, '')],
  ['an empty SOAPACTION', () => request(closing, body, 'SOAPACTION:\r\n')],
  ['a SOAPACTION of 7 KiB', () => request(closing, body, `SOAPACTION: "${'x'.repeat(7000)}"\r\n`)],
  ['a SOAPACTION of brackets', () => request(closing, body, 'SOAPACTION: ((((\r\n')],
  ['an empty body', () => request(closing, '')],
  ['blanks for a body', () => request(closing, ' '.repeat(1000))],
  ['an entity bomb', () => request(closing, `<!DOCTYPE a [<!ENTITY b "c">]>${body}`)],
  ['arguments missing', () => request(closing, setPower(''), `SOAPACTION: "${type}#SetPower"\r\n`)],
  [
    'an argument twice',
    () => request(closing, setPower('<Power>on</Power><Power>off</Power><By/>'), `SOAPACTION: "${type}#SetPower"\r\n`),
  ],
  [
    'ten thousand arguments',
    () => request(closing, setPower('<A/>'.repeat(10_000)), `SOAPACTION: "${type}#SetPower"\r\n`),
  ],
  [
    'a value of half a megabyte',
    () =>
      request(closing, setPower(`<Power>${'x'.repeat(500_000)}</Power><By/>`), `SOAPACTION: "${type}#SetPower"\r\n`),
  ],
  ['a body with characters that XML forbids', () => request(closing, '\u0001<\u0002')],
])('answers a fault to %s and serves the next request', async (_, bytes) => {
  const answer = await ask(bytes());
  expect(statusOf(answer)).toBe(500);
  expect(answer).toMatch(/<errorCode>(401|402|60\d)<\/errorCode>/);
  expect(hosted.lamp.invoked).toEqual([]);
  await stillServes();
});

it.each<[string, () => string]>([
  ['length and chunks at once', () => request('Transfer-Encoding: chunked\r\n')],
  ['chunks of an invalid size', () => chunked('zz\r\nabc\r\n0\r\n\r\n')],
  ['chunks of a negative size', () => chunked('-1\r\nabc\r\n0\r\n\r\n')],
  ['chunks of an endless size', () => chunked('ffffffffffffffffff\r\nabc\r\n')],
  ['two lengths', () => request('Content-Length: 1\r\n')],
  ['a non-numeric length', () => request().replace(/Content-Length: \d+/, 'Content-Length: abc')],
  ['two hosts', () => request('Host: evil.example\r\n')],
  ['no host', () => request().replace(/Host: .*\r\n/, '')],
  ['a name for a host', () => request().replace(/Host: .*\r\n/, 'Host: evil.example\r\n')],
  ['another port', () => request().replace(/Host: .*\r\n/, 'Host: 127.0.0.1:1\r\n')],
  ['an Origin', () => request('Origin: http://evil.example\r\n')],
])('refuses %s before it reads the action', async (_, bytes) => {
  const answer = await ask(bytes());
  expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
  expect(statusOf(answer)).toBeLessThan(500);
  expect(hosted.lamp.invoked).toEqual([]);
  await stillServes();
});

function chunked(content: string): string {
  return request('', '').replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked') + content;
}

describe('unusual but valid requests', () => {
  it('accepts a chunked request', async () => {
    const answer = await ask(chunked(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`));
    expect(statusOf(answer)).toBe(200);
  });

  it('accepts Expect: 100-continue', async () => {
    const answer = await ask(request(`Expect: 100-continue\r\n${closing}`));
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });

  it('answers pipelined requests in order', async () => {
    const answer = await ask(request() + request('', '') + request(closing));
    expect(answer.match(/HTTP\/1\.1 (\d{3})/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 500', 'HTTP/1.1 200']);
  });

  it('accepts HTTP/1.0', async () => {
    expect(statusOf(await ask(request().replace('HTTP/1.1', 'HTTP/1.0')))).toBe(200);
  });

  it('uses the first of two SOAPACTION headers', async () => {
    const twice = `SOAPACTION: "${type}#GetPower"\r\nSOAPACTION: "${type}#Break"\r\n`;
    await ask(request(closing, body, twice));
    expect(hosted.lamp.invoked).not.toContain('Break');
    await stillServes();
  });
});
