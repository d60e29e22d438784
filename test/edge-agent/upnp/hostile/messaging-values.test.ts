// Real-world and hostile message values on a round trip through document and SOAP.
// Requirements X1, X2, X7, X14, X15.
import { expect, it } from 'vitest';
import { readDocument, writeDocument } from '../../../../edge-agent/messaging/documents.ts';
import { readActionAnswer, writeActionAnswer } from '../../../../edge-agent/upnp/control/soap-envelope.ts';
import type { PhoneMessage } from '../../../../protocol/phone-model.ts';
import { sampleMessage } from '../../../fixtures/phone/sample-message.ts';

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';

function thereAndBack(message: PhoneMessage): PhoneMessage {
  const answer = writeActionAnswer(serviceType, 'ReadMessage', [
    ['MessageRequested', writeDocument('message', message)],
  ]);
  const written = readActionAnswer(answer, 'ReadMessage').get('MessageRequested') ?? '';
  return readDocument('message', written, { device: 'uuid:a', action: 'ReadMessage' });
}

it.each([
  '+4915112345678',
  '007',
  '00390110001',
  '1e5',
  '0x10',
  'true',
  'NaN',
  '*#06#',
  '12345',
  'a@b.example',
  'sip:ada@b.example;transport=tcp',
  'tel:+39-011-0001',
  'BANK',
  'Ü & Söhne <b>',
])('keeps the address %s unchanged', (address) => {
  const message = sampleMessage({ from: { address }, to: [{ address }, { address }] });
  expect(thereAndBack(message)).toEqual(message);
});

it.each<[string, string]>([
  ['70 characters of UCS-2', 'я'.repeat(70)],
  ['71 characters of UCS-2', 'я'.repeat(71)],
  ['160 characters', 'x'.repeat(160)],
  ['161 characters', 'x'.repeat(161)],
  ['the extension of GSM-7', '^{}\\[~]|€'],
  ['a family of emoji', '👨‍👩‍👧‍👦🏳️‍🌈'],
  ['right-to-left text', 'שלום عليكم'],
  ['what turns the direction of writing', '\u202eabc\u2066def\u2069'],
  ['a byte order mark inside', 'a\ufeffb'],
  ['CR, LF and both', 'a\rb\nc\r\nd'],
  ['blanks alone', '   '],
  ['blanks at its ends', '  a  '],
  ['a number', '1e5'],
  ['XML', '<message xmlns="urn:homeline:messaging:1"><messageID>1</messageID></message>'],
  ['a DOCTYPE', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>&b;'],
  ['the end of a CDATA section', 'a]]>b<![CDATA['],
  ['escaped XML', '&lt;b&gt; &amp;amp; &#13;'],
  ['an envelope’s end', '</s:Body></s:Envelope>'],
  ['names of JavaScript', '__proto__ constructor toString'],
  ['64 KiB', 'é'.repeat(65_536)],
  ['nothing', ''],
])('keeps a body of %s unchanged', (_, body) => {
  expect(thereAndBack(sampleMessage({ body })).body).toBe(body);
});

it('drops only characters that XML cannot hold', () => {
  expect(thereAndBack(sampleMessage({ body: 'a\0b\u0008c\ud800d\uffffe' })).body).toBe('abc\ufffdde');
});

it.each(['m-1', '007', '&<>"/', "a'b", 'x'.repeat(4096)])('keeps the identifier %s unchanged', (messageId) => {
  expect(thereAndBack(sampleMessage({ messageId })).messageId).toBe(messageId);
});

it.each([
  ['messageClass', 'Pigeon'],
  ['messageFolder', 'Attic'],
  ['messageStatus', 'Lost'],
  ['size', 'NOT_IMPLEMENTED'],
])('delivers a message although its %s is %s (quirk 27)', (name, value) => {
  const attachments = [{ name: 'a', contentType: 'image/png', sizeBytes: 7 }];
  const xml = writeDocument('message', sampleMessage({ body: 'still here', attachments }));
  const odd = xml.replace(new RegExp(`<${name}>[^<]*<`), `<${name}>${value}<`);
  expect(odd).not.toBe(xml);
  expect(readDocument('message', odd, { device: 'uuid:a', action: 'ReadMessage' }).body).toContain('still here');
});

it('parses empty lists as empty lists', () => {
  const context = { device: 'uuid:a', action: 'SearchMessages' };
  for (const name of ['messageList', 'newMessages', 'sessionsList', 'fileInfoList'] as const) {
    expect(readDocument(name, writeDocument(name, []), context)).toEqual([]);
  }
});
