// Properties for any input: inverses, and parsers that throw only their own error and finish within a second.
// Requirements X14, Z20. fuzz.test.ts runs few cases, `npm run fuzz` many.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { z } from 'zod';
import { readDocument, writeDocument } from '../../edge-agent/messaging/documents.ts';
import {
  readActionAnswer,
  readActionRequest,
  readFault,
  writeActionAnswer,
  writeActionRequest,
  writeFault,
} from '../../edge-agent/upnp/control/soap-envelope.ts';
import { parseType } from '../../edge-agent/upnp/description/description.ts';
import { scpdIn } from '../../edge-agent/upnp/description/scpd.ts';
import { maxAgeMs, parseSsdp, udnOfUsn } from '../../edge-agent/upnp/discovery/ssdp-message.ts';
import { UpnpError } from '../../edge-agent/upnp/error.ts';
import { parseSeq, readPropertySet } from '../../edge-agent/upnp/eventing/gena-event.ts';
import { readBrokenHead } from '../../edge-agent/upnp/eventing/gena-salvage.ts';
import { searchOf } from '../../edge-agent/upnp/hosting/search-answer.ts';
import { readSubscribe } from '../../edge-agent/upnp/hosting/subscribe-request.ts';
import { formatHttpUrl, parseHttpUrl, resolveHttpUrl } from '../../edge-agent/upnp/network/http-url.ts';
import { decodeBytes } from '../../edge-agent/upnp/xml/byte-text.ts';
import { element, innerXml, parseXml, writeXml } from '../../edge-agent/upnp/xml/xml.ts';
import { isXmlText } from '../../edge-agent/upnp/xml/xml-text.ts';
import type { DocumentName } from '../../protocol/actions.ts';
import { decodeCloudFrame, decodeEdgeFrame, encodeFrame } from '../../protocol/codec.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { type CloudFrame, cloudFrameSchema, type EdgeFrame, edgeFrameSchema } from '../../protocol/frames.ts';
import { documentSchemas } from '../../protocol/phone-model.ts';
import { canonicalAddress } from '../../shared/ip-address.ts';
import { withinASecond } from '../fixtures/upnp/processor-time.ts';
import { arbitraryOf } from './from-schema.ts';
import { hostile } from './inputs.ts';

export interface Property {
  readonly name: string;
  /** Runs the cases; the same seed repeats them. */
  run(numRuns: number, seed: number): fc.RunDetails<unknown>;
}

function property<Value>(name: string, values: fc.Arbitrary<Value>, check: (value: Value) => void): Property {
  const timed = fc.property(values, (value) => withinASecond(() => check(value)));
  return { name, run: (numRuns, seed) => fc.check(timed, { numRuns, seed }) as fc.RunDetails<unknown> };
}

function inverse<Value>(name: string, values: fc.Arbitrary<Value>, there: (value: Value) => unknown): Property {
  return property(name, values, (value) => {
    const back = there(value);
    if (!isDeepStrictEqual(back, value)) throw new Error(`came back as ${JSON.stringify(back)}`);
  });
}

/** A parser may throw only its own typed error. */
function parser(
  name: string,
  inputs: fc.Arbitrary<Buffer>,
  parse: (input: Buffer) => unknown,
  own: typeof UpnpError | typeof GatewayError = UpnpError,
): Property {
  return property(name, inputs, (input) => {
    try {
      parse(input);
    } catch (error) {
      if (!(error instanceof own)) throw error;
    }
  });
}

const xmlText = fc.string({ unit: 'binary', maxLength: 60 }).filter(isXmlText);
/** For trimmed fields: no blanks at the ends; blank counts as absent. */
const trimmed = (maxLength: number) =>
  fc
    .string({ unit: 'binary', maxLength: Math.floor(maxLength / 2) - 2 })
    .filter(isXmlText)
    .map((text) => `x${text}x`);
const plain = (maxLength: number) => fc.string({ unit: 'binary', maxLength: Math.floor(maxLength / 2) });
/** JSON values: without −0 and without own prototypes. */
const framesOf = (schema: z.ZodType) =>
  arbitraryOf(schema, plain).map((frame) => JSON.parse(JSON.stringify(frame)) as unknown);
const context = { device: 'uuid:a', action: 'a property' };
const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';

/** Readers report truncation beside the document, and split a content type at a comma: some phones write lists so. */
const asWritten = (model: unknown): unknown =>
  JSON.parse(
    JSON.stringify(model, (name, value) => {
      if (name === 'truncated') return undefined;
      return name === 'contentTypes' ? value.map((type: string) => type.replaceAll(',', ';')) : value;
    }),
  );

const documents = Object.entries(documentSchemas).map(([name, schema]) =>
  inverse(`a ${name} survives its document`, arbitraryOf(schema, trimmed).map(asWritten), (model) =>
    readDocument(name as DocumentName, writeDocument(name as DocumentName, model as never), context),
  ),
);

const envelopes = hostile(
  writeActionRequest(serviceType, 'A', [['R', '<m>1</m>']]),
  writeActionAnswer(serviceType, 'A', [['R', 'R&B']]),
  writeFault(701, 'No such message'),
);
const description = writeXml(
  element('scpd', [element('actionList', [element('action', [element('name', 'A'), element('argumentList')])])]),
);
const subscribe =
  'SUBSCRIBE /e HTTP/1.1\r\nCALLBACK: <http://127.0.0.1:1/>\r\nNT: upnp:event\r\nTIMEOUT: Second-1800\r\n\r\n';
const ssdp = [
  `NOTIFY * HTTP/1.1\r\nNT: ${serviceType}\r\nNTS: ssdp:alive\r\nUSN: uuid:a::x\r\nLOCATION: http://10.0.0.1/d\r\nCACHE-CONTROL: max-age=1800\r\n\r\n`,
  'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n',
];

export const properties: readonly Property[] = [
  inverse('any text of XML characters survives writing and parsing', fc.tuple(xmlText, xmlText), ([text, value]) => {
    const read = parseXml(writeXml(element('a', [element('b', text, { c: value })]), { declaration: true }))
      .children[0];
    return [read?.text, read?.attributes.get('c')];
  }),
  inverse('any text of XML characters survives as an argument', xmlText, (text) =>
    readActionAnswer(writeActionAnswer(serviceType, 'A', [['R', text]]), 'A').get('R'),
  ),
  ...documents,
  inverse('any frame of an agent survives encoding', framesOf(edgeFrameSchema), (frame) =>
    decodeEdgeFrame(encodeFrame(frame as EdgeFrame)),
  ),
  inverse('any frame of the cloud survives encoding', framesOf(cloudFrameSchema), (frame) =>
    decodeCloudFrame(encodeFrame(frame as CloudFrame)),
  ),
  inverse(
    'any http URL that is taken is written so that it is taken as the same',
    hostile('http://[fe80::1%25eth0]:81/x', 'http://10.0.0.1/').map((bytes) => parseHttpUrl(bytes.toString())),
    (url) => url && parseHttpUrl(formatHttpUrl(url)),
  ),
  parser('SSDP is read or dropped', hostile(...ssdp), (input) => {
    const message = parseSsdp(input);
    if (message === undefined) return;
    searchOf(message, '239.255.255.250');
    maxAgeMs(message.headers);
    udnOfUsn(message.headers.get('USN'));
  }),
  parser('XML is read or refused', envelopes, (input) => parseXml(input)),
  parser('XML is read leniently or refused, and what is read can be written', envelopes, (input) =>
    parseXml(`<r>${innerXml(parseXml(input, { lenient: true }))}</r>`),
  ),
  parser('bytes are read as characters', envelopes, (input) => decodeBytes(input, input.toString('latin1', 0, 12))),
  parser('an answer is read or refused', envelopes, (input) => readActionAnswer(input, 'A')),
  parser('a request is read or refused', envelopes, (input) => readActionRequest(input)),
  parser('a fault is read or there is none', envelopes, (input) => readFault(input)),
  parser('a service description is read', hostile(description), (input) => scpdIn(parseXml(input, { lenient: true }))),
  parser('an event is read, if only as a hint', hostile('<p><property><A>1</A></property></p>'), (input) =>
    readPropertySet(input, undefined),
  ),
  parser('headers are read or refused', hostile(subscribe), (input) => {
    const text = input.toString('latin1');
    const head = readBrokenHead(Object.assign(new Error(), { code: 'HPE_CR_EXPECTED', rawPacket: input }));
    readSubscribe(
      { callback: text, nt: 'upnp:event', ...(head?.headers as object) },
      { peer: '127.0.0.1', isOurs: () => false },
    );
    parseSeq(text);
    parseType(text);
    canonicalAddress(text);
  }),
  parser('a link is resolved or left out', hostile('../control', 'http://10.0.0.1/c', '//host/x'), (input) => {
    const base = parseHttpUrl('http://10.0.0.1:81/a/d.xml');
    const url = base && resolveHttpUrl(input.toString(), base);
    if (url && url.host !== '10.0.0.1') throw new Error(`left its host for ${url.host}`);
  }),
  ...Object.keys(documentSchemas).map((name) =>
    parser(
      `a ${name} is read or refused`,
      hostile('<message xmlns="urn:homeline:messaging:1"><messageID>1</messageID><content>x</content></message>'),
      (input) => readDocument(name as DocumentName, input.toString(), context),
      GatewayError,
    ),
  ),
  parser(
    'a frame is read or refused',
    hostile('{"type":"ack","seq":1}', '{"type":"error","code":"a","detail":"b"}'),
    decodeBoth,
    GatewayError,
  ),
];

function decodeBoth(input: Buffer): void {
  const text = input.toString();
  try {
    decodeCloudFrame(text);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    decodeEdgeFrame(text);
  }
}
