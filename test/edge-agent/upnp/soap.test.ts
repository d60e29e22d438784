// Actions and their envelopes. Requirements C1–C18, X11, X14, quirks 29–34.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callAction } from '../../../edge-agent/upnp/control/soap.ts';
import {
  argumentOf,
  readActionAnswer,
  readActionRequest,
  readFault,
  writeActionAnswer,
  writeActionRequest,
  writeFault,
} from '../../../edge-agent/upnp/control/soap-envelope.ts';
import { isXmlText } from '../../../edge-agent/upnp/xml/xml-text.ts';
import { failureOf, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer, ok } from '../../fixtures/upnp/raw-device.ts';

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';
const envelope = (body: string) =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`;
const answerWith = (argument: string) =>
  envelope(`<u:GetXResponse xmlns:u="${serviceType}">${argument}</u:GetXResponse>`);

describe('the envelope', () => {
  it('of a request prefixes envelope and action but not arguments', () => {
    expect(
      writeActionRequest(serviceType, 'SendMessage', [
        ['To', 'a"b'],
        ['Body', '<&>\r'],
      ]),
    ).toBe(
      '<?xml version="1.0" encoding="utf-8"?>' +
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
        `<s:Body><u:SendMessage xmlns:u="${serviceType}"><To>a"b</To><Body>&lt;&amp;&gt;&#13;</Body></u:SendMessage></s:Body></s:Envelope>`,
    );
  });

  it('round-trips any arguments in order', () => {
    const name = fc.stringMatching(/^[A-Za-z_]\w{0,12}$/).filter((text) => text !== '__proto__');
    const args = fc.uniqueArray(fc.tuple(name, fc.string({ unit: 'binary' }).filter(isXmlText)), {
      selector: ([key]) => key,
      maxLength: 8,
    });
    fc.assert(
      fc.property(args, (list) => {
        expect(readActionRequest(writeActionRequest(serviceType, 'DoIt', list))).toEqual({
          action: 'DoIt',
          serviceType,
          arguments: list,
        });
        expect([...readActionAnswer(writeActionAnswer(serviceType, 'DoIt', list), 'DoIt')]).toEqual(list);
      }),
    );
  });

  it('round-trips a fault', () => {
    expect(readFault(writeFault(701, 'No such <message>'))).toEqual({ code: 701, description: 'No such <message>' });
  });

  it('keeps repeated and unknown arguments of a request for the service to judge', () => {
    const source = envelope(`<u:A xmlns:u="${serviceType}"><x>1</x><x>2</x><Y/></u:A>`);
    expect(readActionRequest(source).arguments).toEqual([
      ['x', '1'],
      ['x', '2'],
      ['Y', ''],
    ]);
  });

  it.each([
    ['another prefix', '<m:GetXResponse xmlns:m="u"><R>v</R></m:GetXResponse>'],
    ['no namespace', '<GetXResponse><R>v</R></GetXResponse>'],
    ['an undeclared prefix', '<u:GetXResponse><R>v</R></u:GetXResponse>'],
    [
      'the serviceId for a namespace (quirk 29)',
      '<u:GetXResponse xmlns:u="urn:upnp-org:serviceId:X"><R>v</R></u:GetXResponse>',
    ],
    ['prefixed arguments', `<u:GetXResponse xmlns:u="${serviceType}"><u:R>v</u:R></u:GetXResponse>`],
    ['unknown arguments', '<u:GetXResponse><Extra>1</Extra><R>v</R></u:GetXResponse>'],
    ['an argument twice', '<u:GetXResponse><R>v</R><R>w</R></u:GetXResponse>'],
    ['a lower-case response', '<u:getxresponse><R>v</R></u:getxresponse>'],
  ])('of an answer is found with %s', (_, body) => {
    expect(readActionAnswer(envelope(body), 'GetX').get('R')).toBe('v');
  });

  it('looks arguments up in any case (quirk 30)', () => {
    const values = readActionAnswer(answerWith('<MESSAGELIST>v</MESSAGELIST>'), 'GetX');
    expect([argumentOf(values, 'MessageList'), argumentOf(values, 'Other')]).toEqual(['v', undefined]);
  });

  it.each([
    ['escaped once', '&lt;m&gt;a &amp;amp; b&lt;/m&gt;'],
    ['in CDATA', '<![CDATA[<m>a &amp; b</m>]]>'],
    ['as child elements', '<m>a &amp; b</m>'],
    ['with its declaration (quirk 32)', '<?xml version="1.0"?><m>a &amp; b</m>'],
  ])('returns the same text for an inner document %s', (_, written) => {
    expect(readActionAnswer(answerWith(`<R>${written}</R>`), 'GetX').get('R')).toBe('<m>a &amp; b</m>');
  });

  it('tolerates a bare ampersand (quirk 31)', () => {
    expect(readActionAnswer(answerWith('<R>R&B</R>'), 'GetX').get('R')).toBe('R&B');
  });

  it.each([
    ['a web page (quirk 34)', '<!DOCTYPE html><html><body>Login</body></html>'],
    ['a cut-off end (quirk 31)', answerWith('<R>v</R>').slice(0, -3)],
    ['no body', '<s:Envelope xmlns:s="x"></s:Envelope>'],
    ['another response', envelope('<u:OtherResponse/>')],
    ['nothing', ''],
  ])('of an answer is malformed with %s, with outcome unknown', (_, source) => {
    expect(() => readActionAnswer(source, 'GetX')).toThrow(
      expect.objectContaining({ kind: 'malformed', outcome: 'unknown' }),
    );
  });

  it.each([
    [
      'without detail',
      '<s:Fault><faultstring>Broken</faultstring></s:Fault>',
      { code: undefined, description: 'Broken' },
    ],
    [
      'without prefix',
      '<Fault><detail><UPnPError><errorCode> 402 </errorCode></UPnPError></detail></Fault>',
      { code: 402, description: '' },
    ],
    [
      'with a non-numeric code',
      '<Fault><detail><UPnPError><errorCode>x</errorCode></UPnPError></detail></Fault>',
      { code: undefined, description: '' },
    ],
    [
      'with another prefix and depth',
      '<s:Fault><d:detail xmlns:d="d"><x><e:UPnPError xmlns:e="e"><e:errorCode>801</e:errorCode></e:UPnPError></x></d:detail></s:Fault>',
      { code: 801, description: '' },
    ],
  ])('of a fault is parsed %s', (_, fault, expected) => {
    expect(readFault(envelope(fault))).toEqual(expected);
  });
});

describe('a call', () => {
  const lan = useLan();
  const call = (controlUrl: string, more = {}) =>
    callAction(lan.network, {
      controlUrl,
      serviceType,
      action: 'GetX',
      arguments: [['In', 'ä']],
      deadlineMs: 3000,
      repeatable: true,
      ...more,
    });

  it('is a POST with headers in the case that devices expect', async () => {
    const device = await lan.device(() => ok(answerWith('<R>v</R>')));
    expect(await call(device.url('/control'))).toEqual(new Map([['R', 'v']]));
    const body = writeActionRequest(serviceType, 'GetX', [['In', 'ä']]);
    expect(device.seen[0]?.head.split('\r\n').slice(0, 5)).toEqual([
      'POST /control HTTP/1.1',
      `HOST: 127.0.0.1:${device.port}`,
      'CONTENT-TYPE: text/xml; charset="utf-8"',
      `SOAPACTION: "${serviceType}#GetX"`,
      `CONTENT-LENGTH: ${Buffer.byteLength(body)}`,
    ]);
    expect(device.seen[0]?.body).toBe(body);
  });

  it('uses a kept connection only when repeatable', async () => {
    const device = await lan.device(() => ok(answerWith('')));
    await call(device.url('/'));
    await call(device.url('/'));
    await call(device.url('/'), { repeatable: false });
    expect(device.seen.map((request) => request.connection)).toEqual([0, 0, 1]);
  });

  it('waits for the previous call to the device', async () => {
    let busy = 0;
    let most = 0;
    const device = await lan.device(async () => {
      most = Math.max(most, ++busy);
      // Time for a second call, which must not come.
      await new Promise((resolve) => setTimeout(resolve, 5));
      busy--;
      return ok(answerWith(''));
    });
    await Promise.all(Array.from({ length: 6 }, (_, at) => call(device.url('/'), { repeatable: at % 2 === 0 })));
    expect(most).toBe(1);
  });

  it('tries M-POST after 405, with the action in its header namespace', async () => {
    const device = await lan.device((request) =>
      request.method === 'M-POST' ? ok(answerWith('<R>v</R>')) : httpAnswer('405 No'),
    );
    expect((await call(device.url('/'))).get('R')).toBe('v');
    expect(device.seen[1]?.head).toContain('MAN: "http://schemas.xmlsoap.org/soap/envelope/"; ns=01\r\n');
    expect(device.seen[1]?.head).toContain(`01-SOAPACTION: "${serviceType}#GetX"\r\n`);
  });

  it.each(['500 Internal Server Error', '200 OK', '400 Bad'])(
    'reports a fault that came with %s (quirk 33)',
    async (status) => {
      const device = await lan.device(() => httpAnswer(status, writeFault(714, 'No such entry')));
      expect(await failureOf(call(device.url('/')))).toMatchObject({
        kind: 'refused',
        outcome: 'answered',
        upnpCode: 714,
        upnpDescription: 'No such entry',
      });
    },
  );

  it.each([
    ['404 Not Found', 'answered'],
    ['501 Not Implemented', 'unknown'],
    ['510 Not Extended', 'unknown'],
    ['500 Internal Server Error', 'unknown'],
  ])('fails on %s without a body', async (status, outcome) => {
    const device = await lan.device(() => httpAnswer(status));
    expect(await failureOf(call(device.url('/')))).toMatchObject({
      kind: 'refused',
      outcome,
      httpStatus: Number(status.slice(0, 3)),
    });
    expect(device.seen).toHaveLength(1);
  });

  it('reads an answer of any content type in its charset', async () => {
    const plain = await lan.device(() => ok(answerWith('<R>v</R>'), { 'CONTENT-TYPE': 'text/plain' }));
    expect((await call(plain.url('/'))).get('R')).toBe('v');
    const greek = await lan.device(() =>
      ok(Buffer.from(answerWith('<R>\xe1</R>'), 'latin1'), { 'CONTENT-TYPE': 'text/xml; charset=iso-8859-7' }),
    );
    expect((await call(greek.url('/'))).get('R')).toBe('α');
  });

  it('is retried on a broken connection only when repeatable', async () => {
    const device = await lan.device(() => (socket) => socket.destroy());
    expect(await failureOf(call(device.url('/'), { repeatable: false }))).toMatchObject({
      kind: 'unreachable',
      outcome: 'unknown',
    });
    expect(device.seen).toHaveLength(1);
  });

  it('is not sent to an address other than the device’s, nor with an invalid service type', async () => {
    const device = await lan.device(() => ok(answerWith('')));
    expect(await failureOf(call(device.url('/'), { peer: '127.0.0.9' }))).toMatchObject({ outcome: 'not-done' });
    expect(await failureOf(call(device.url('/'), { serviceType: 'a\r\nX: y' }))).toMatchObject({ outcome: 'not-done' });
    expect(device.seen).toHaveLength(0);
  });
});
