// The service's side of control. Requirements H16–H19, H22.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readActionAnswer, readFault, writeActionRequest } from '../../../../edge-agent/upnp/control/soap-envelope.ts';
import { UpnpError } from '../../../../edge-agent/upnp/error.ts';
import { readRequestedAction } from '../../../../edge-agent/upnp/hosting/soap-service.ts';
import { type HostedLamp, hostLamp, makeLamp } from './lamp.ts';

const type = 'urn:schemas-upnp-org:service:SwitchPower:2';
const olderType = 'urn:schemas-upnp-org:service:SwitchPower:1';

let hosted: HostedLamp;
beforeEach(async () => {
  hosted = await hostLamp();
});
afterEach(() => hosted.host.stop());

async function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) {
  const answer = await fetch(hosted.url('/power/control'), { method: 'POST', headers, body });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, fault: readFault(text)?.code };
}

const ask = (action: string, args: [string, string][], soapAction = `"${type}#${action}"`) =>
  post(writeActionRequest(type, action, args), { SOAPACTION: soapAction });
const setOn: [string, string][] = [
  ['Power', 'on'],
  ['By', 'me'],
];

describe('an action', () => {
  it('runs and returns every out argument in table order', async () => {
    const answer = await ask('GetPower', []);
    expect(answer.status).toBe(200);
    expect([...readActionAnswer(answer.text, 'GetPower')]).toEqual([
      ['Power', 'off'],
      ['Level', '7'],
    ]);
    expect(answer.headers.get('content-type')).toBe('text/xml; charset="utf-8"');
    expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.text)));
    expect(answer.headers.get('ext')).toBe('');
    expect(answer.headers.get('server')).toContain('UPnP/1.1');
  });

  it('is answered in the requested version', async () => {
    const answer = await post(writeActionRequest(olderType, 'GetPower', []), { SOAPACTION: `"${olderType}#GetPower"` });
    expect(answer.text).toContain(`xmlns:u="${olderType}"`);
  });

  it.each([
    ['without quotes', `${type}#GetPower`],
    ['with blanks around', `  "${type}#GetPower"  `],
  ])('is found with SOAPACTION %s (H16)', async (_, header) => {
    expect((await ask('GetPower', [], header)).status).toBe(200);
  });

  it('accepts its arguments in any order', async () => {
    expect((await ask('SetPower', setOn.toReversed())).status).toBe(200);
    expect(hosted.lamp.power).toBe('on');
  });

  it('is parsed in UTF-16 and with a byte order mark', async () => {
    const text = writeActionRequest(type, 'GetPower', []);
    const headers = { SOAPACTION: `"${type}#GetPower"` };
    expect((await post(`\uFEFF${text}`, headers)).status).toBe(200);
    const utf16 = Buffer.from(`\uFEFF${text.replace('utf-8', 'utf-16')}`, 'utf16le');
    expect((await post(new Uint8Array(utf16), headers)).status).toBe(200);
  });
});

describe('a fault', () => {
  it('has the prescribed form (H17)', async () => {
    const answer = await ask('Break', [['How', 'refused']]);
    expect(answer.status).toBe(500);
    expect(answer.text).toContain('<faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>');
    expect(answer.text).toContain('<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>712</errorCode>');
    expect(readFault(answer.text)?.description).toBe('No <bulb>');
  });

  it('reveals nothing of an internal error (H18)', async () => {
    const answer = await ask('Break', [['How', 'badly']]);
    expect(answer.fault).toBe(501);
    expect(answer.text).not.toContain('secret');
  });

  it.each([
    ['an unknown action', 'Explode', [], undefined, 401],
    ['an action named like an object', 'toString', [], undefined, 401],
    ['QueryStateVariable (H22)', 'QueryStateVariable', [['varName', 'Status']], undefined, 401],
    ['no SOAPACTION', 'GetPower', [], '', 401],
    ['another action in the header', 'GetPower', [], `"${type}#SetPower"`, 401],
    ['a later version', 'GetPower', [], '"urn:schemas-upnp-org:service:SwitchPower:3#GetPower"', 401],
    ['version 0', 'GetPower', [], '"urn:schemas-upnp-org:service:SwitchPower:0#GetPower"', 401],
    ['another service', 'GetPower', [], '"urn:schemas-upnp-org:service:Dimming:1#GetPower"', 401],
    ['a missing argument', 'SetPower', [['Power', 'on']], undefined, 402],
    ['an unknown argument', 'SetPower', [...setOn, ['Why', '']], undefined, 402],
    ['a repeated argument', 'SetPower', [...setOn, ['By', 'you']], undefined, 402],
    [
      'an argument in another case',
      'SetPower',
      [
        ['POWER', 'on'],
        ['By', 'me'],
      ],
      undefined,
      402,
    ],
    ['an argument named like an object', 'SetPower', [...setOn, ['constructor', '']], undefined, 402],
    [
      'a value that is not allowed',
      'SetPower',
      [
        ['Power', 'dim'],
        ['By', 'me'],
      ],
      undefined,
      601,
    ],
  ] as [string, string, [string, string][], string | undefined, number][])(
    'answers %s',
    async (_, action, args, header, code) => {
      const answer = await ask(action, args, header);
      expect([answer.status, answer.fault]).toEqual([500, code]);
      expect(hosted.lamp.invoked).toEqual([]);
    },
  );

  it.each([
    ['nothing', ''],
    ['no XML', 'GetPower'],
    ['another document', '<html/>'],
    ['an empty body', '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'],
    ['a DOCTYPE', `<!DOCTYPE x [<!ENTITY a "b">]>${writeActionRequest(type, 'GetPower', [])}`],
    ['a deep nest', '<a>'.repeat(5000)],
  ])('answers %s', async (_, body) => {
    const answer = await post(body, { SOAPACTION: `"${type}#GetPower"` });
    expect(answer.status).toBe(500);
    expect([401, 402]).toContain(answer.fault);
  });
});

it('throws only UpnpError for any bytes', () => {
  const lamp = makeLamp();
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(anyBytes, fc.string(), (body, header) => {
      try {
        readRequestedAction(lamp, header.length % 2 ? header : `"${type}#GetPower"`, body);
      } catch (error) {
        expect(error).toBeInstanceOf(UpnpError);
      }
    }),
  );
});
