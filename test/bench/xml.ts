// The speed of reading and writing SOAP, and of fast-xml-parser alone on the same bytes: `node test/bench/xml.ts`.
// Ours does more: it refuses DOCTYPE, checks well-formedness, keeps order, resolves namespaces and coerces nothing.
import { XMLBuilder, XMLParser } from 'fast-xml-parser';
import { readActionAnswer, writeActionAnswer } from '../../edge-agent/upnp/control/soap-envelope.ts';
import { element, parseXml, writeXml } from '../../edge-agent/upnp/xml/xml.ts';

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';
const rounds = 7;
const roundMs = 250;

const message = (at: number) =>
  element('message', [
    element('messageID', `m-${at}`),
    element('messageClass', 'SMS'),
    element('messageFolder', 'Received'),
    element('sender', [element('address', `+39011000${at}`)]),
    element('recipients', [element('recipient', [element('address', '+390119999')], { role: 'to' })]),
    element('content', 'Dinner at 8? Bread & wine', { type: 'text/plain' }),
  ]);
const list = writeXml(
  element(
    'messageList',
    Array.from({ length: 20 }, (_, at) => message(at)),
    { xmlns: 'urn:homeline:messaging:1' },
  ),
);

const documents = {
  'short answer': writeActionAnswer(serviceType, 'GetSessions', [['SessionsList', 's-4']]),
  'answer with 20 messages': writeActionAnswer(serviceType, 'SearchMessages', [['MessageList', list]]),
  'message list of 20': list,
};

/** Operations per second: the median of the rounds. */
function perSecond(operation: () => unknown): number {
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAtMs = performance.now();
    let count = 0;
    while (performance.now() - startedAtMs < roundMs) {
      operation();
      count++;
    }
    rates.push((count * 1000) / (performance.now() - startedAtMs));
  }
  return Math.round(rates.sort((a, b) => a - b)[rounds >> 1] ?? 0);
}

function report(what: string, document: string, bytes: number, ours: () => unknown, bare: () => unknown): void {
  const [oursPerSecond, barePerSecond] = [perSecond(ours), perSecond(bare)];
  const ratio = Number((oursPerSecond / barePerSecond).toFixed(2));
  console.log(JSON.stringify({ what, document, bytes, oursPerSecond, barePerSecond, ratio }));
}

for (const [name, xml] of Object.entries(documents)) {
  const action = /<u:(\w+)Response/.exec(xml)?.[1];
  const parser = new XMLParser();
  report(
    'parse',
    name,
    xml.length,
    () => (action === undefined ? parseXml(xml) : readActionAnswer(xml, action)),
    () => parser.parse(xml),
  );
}

const builder = new XMLBuilder({ ignoreAttributes: false });
for (const [name, value] of [
  ['short answer', 's-4'],
  ['answer with 20 messages', list],
] as const) {
  const written = writeActionAnswer(serviceType, 'GetSessions', [['SessionsList', value]]);
  const tree = new XMLParser({ ignoreAttributes: false, parseTagValue: false }).parse(written) as unknown;
  report(
    'write',
    name,
    written.length,
    () => writeActionAnswer(serviceType, 'GetSessions', [['SessionsList', value]]),
    () => builder.build(tree),
  );
}
