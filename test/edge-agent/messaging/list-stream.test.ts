// Streaming a phone's message list over a real connection: complete, broken, escaped, endless, slow.
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CallOptions, PhoneControlPoint } from '../../../edge-agent/messaging/control-point.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { MessageListStream, readMessageList } from '../../../edge-agent/messaging/list-stream.ts';
import type { ListRead, MessageEntry } from '../../../edge-agent/messaging/message-list.ts';
import { fullSearch } from '../../../edge-agent/messaging/pending-sync.ts';
import { LanNetwork } from '../../../edge-agent/upnp/network/network.ts';
import { escapeText } from '../../../edge-agent/upnp/xml/xml.ts';
import { limits } from '../../../protocol/limits.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import { type Reaction, ScriptedPhone } from '../../fixtures/phone/scripted-phone.ts';

const context = { device: 'uuid:phone-1', action: 'SearchMessages' };
let phone: ScriptedPhone;
let network: LanNetwork;
let controlPoint: PhoneControlPoint;

beforeEach(async () => {
  phone = new ScriptedPhone();
  network = new LanNetwork({ interfaces: ['lo'], allowOwnAddress: true });
  await phone.start();
  await network.start();
  controlPoint = new PhoneControlPoint({
    network,
    udn: phone.udn,
    controlUrl: new URL('/control', phone.location).href,
    serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
  });
});

afterEach(async () => {
  await network.stop();
  await phone.stop();
});

async function list(
  reaction: Reaction,
  options: Partial<CallOptions> = {},
): Promise<ListRead & { entries: MessageEntry[] }> {
  const entries: MessageEntry[] = [];
  phone.react = ({ action }) => (action === 'SearchMessages' ? reaction : undefined);
  const read = await controlPoint.inTurn(
    (calls) =>
      calls.searchMessages(fullSearch, { deadlineMs: 5000, ...options }, (batch) => void entries.push(...batch)),
    { exclusive: true },
  );
  return { ...read, entries };
}

const bodies = (entries: readonly MessageEntry[]) => entries.map(({ message }) => message.body);
const head =
  '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>' +
  '<u:SearchMessagesResponse xmlns:u="urn:schemas-upnp-org:service:Messaging:2"><MessageList>';
const tail = '</MessageList></u:SearchMessagesResponse></s:Body></s:Envelope>';
const envelope = (argument: string | Buffer) =>
  Buffer.concat([Buffer.from(head), Buffer.from(argument), Buffer.from(tail)]);
const dinner = [
  sampleMessage({ messageId: '1', body: 'Perché no? 🎂' }),
  sampleMessage({ messageId: '2', body: 'a < b & "c" ]]> &amp;' }),
  sampleMessage({ messageId: '3', body: 'Ecco la città' }),
];
const document = writeDocument('messageList', dinner);

describe('a list', () => {
  it.each([
    ['escaped', escapeText(document)],
    ['escaped twice', escapeText(escapeText(document))],
    ['escaped within its own element', `<messageList>${escapeText(document)}</messageList>`],
    ['in CDATA', `<![CDATA[${document.replaceAll(']]>', ']]&gt;')}]]>`],
    [
      'in several sections of CDATA',
      `<![CDATA[${document.slice(0, 90)}]]><![CDATA[${document.slice(90).replaceAll(']]>', ']]&gt;')}]]>`,
    ],
    ['un-escaped', document],
    ['with numeric references', escapeText(document).replaceAll('&lt;', '&#60;').replaceAll('&gt;', '&#x3E;')],
    ['with junk around it', `junk ${escapeText(document)} \t&#10;`],
    ['with a declaration before it', escapeText(`<?xml version="1.0" encoding="UTF-8"?>\n${document}`)],
    ['without its wrapper', escapeText(dinner.map((each) => writeDocument('message', each)).join(''))],
    ['of prefixes that the envelope declares', document.replaceAll(/<(\/?)(\w)/g, '<$1s:$2')],
  ])('%s is parsed', async (_, argument) => {
    const read = await list(envelope(argument));
    expect(bodies(read.entries)).toEqual(dinner.map(({ body }) => body));
    expect(read).toMatchObject({ isComplete: true, count: 3 });
    expect(read.entries[0]?.xml).toContain('messageID>1</');
  });

  it.each([
    '<messageList/>',
    '<messageList xmlns="urn:homeline:messaging:1"></messageList>',
    '&lt;messageList/&gt;',
    '',
    ' ',
  ])('that is explicitly empty is complete: %s', async (argument) => {
    expect(await list(envelope(argument))).toEqual({ isComplete: true, count: 0, entries: [] });
  });

  it('is the same in pieces of any size', () => {
    const forms = [document, escapeText(document), document.replaceAll('&amp;', '&').replace('</messageList>', '')];
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (xml, sizes) => {
          const entries: MessageEntry[] = [];
          const stream = new MessageListStream({
            context,
            emit: (batch) => void entries.push(...batch),
          });
          for (let at = 0, n = 0; at < xml.length; n++) {
            const size = sizes[n % sizes.length] ?? 1;
            stream.write(xml.slice(at, at + size));
            at += size;
          }
          stream.end();
          expect(bodies(entries)).toEqual(bodies(readMessageList(xml, context)));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('an incomplete list', () => {
  const cut = document.slice(0, document.indexOf('Ecco'));
  it.each<[string, () => Reaction]>([
    ['is cut by the phone', () => envelope(escapeText(cut))],
    ['is cut un-escaped', () => envelope(cut)],
    ['lacks its last closing tag', () => envelope(escapeText(document.replace('</messageList>', '')))],
    ['ends before its envelope does', () => Buffer.from(head + escapeText(document))],
    [
      'breaks off with the connection',
      () => Readable.from(breakingOff([head, escapeText(document.slice(0, document.indexOf('Ecco')))])),
    ],
  ])('because it %s yields what it shows', async (_, react) => {
    const { isComplete, entries } = await list(react());
    expect(isComplete).toBe(false);
    expect(bodies(entries).slice(0, 2)).toEqual(bodies(readMessageList(document, context)).slice(0, 2));
    // A message cut in the middle is dropped: it would replace the complete one.
    for (const { message } of entries) expect(dinner).toContainEqual(message);
  });

  it('has no argument', async () => {
    expect(await list({})).toMatchObject({ isComplete: false, count: 0 });
  });

  it('is complete when only a message inside it is broken', async () => {
    const broken = document.replace('</content>', '</contents>');
    const { isComplete, entries } = await list(envelope(escapeText(broken)));
    expect(isComplete).toBe(true);
    expect(entries.map(({ message }) => message.messageId)).toEqual(['1', '2', '3']);
    expect(entries[0]?.message.body).toContain('Perché no?');
  });

  it('is not a list at all', async () => {
    await expect(list('garbage')).rejects.toMatchObject({ kind: 'malformed' });
    await expect(list(envelope('&lt;html&gt;Please log in&lt;/html&gt;'))).rejects.toMatchObject({
      code: 'phone-malformed',
    });
    await expect(list(402)).rejects.toMatchObject({ kind: 'refused', upnpCode: 402 });
  });
});

async function* breakingOff(pieces: readonly string[]): AsyncGenerator<string> {
  const written = vi.spyOn(MessageListStream.prototype, 'write');
  yield* pieces;
  await vi.waitUntil(() => written.mock.calls.join('').split('</message>').length > 2, 10_000);
  written.mockRestore();
  throw new Error('The phone is switched off.');
}

describe('an invalid byte', () => {
  const message = (id: number, body: Buffer) =>
    Buffer.concat([
      Buffer.from(`<message><messageID>${id}</messageID><sender>Zoë</sender><content>`),
      body,
      Buffer.from('</content></message>'),
    ]);
  const spoilt = [
    message(1, Buffer.from('Perché no?')),
    message(2, Buffer.from('cut \xff', 'latin1')),
    message(3, Buffer.from('Perch\xe9', 'latin1')),
    message(4, Buffer.concat([Buffer.from('città '), Buffer.from([0xc3])])),
    message(5, Buffer.from('Ecco la città')),
  ];
  const bytes = Buffer.concat([Buffer.from('<messageList>'), ...spoilt, Buffer.from('</messageList>')]);

  it.each([
    ['un-escaped', envelope(bytes)],
    ['in CDATA', envelope(Buffer.concat([Buffer.from('<![CDATA['), bytes, Buffer.from(']]>')]))],
    ['escaped', envelope(Buffer.from(escapeText(bytes.toString('latin1')), 'latin1'))],
  ])('garbles only its own text: %s', async (_, answer) => {
    const { entries, isComplete } = await list(answer);
    expect(isComplete).toBe(true);
    const [first, second, third, fourth, fifth] = bodies(entries);
    expect([first, third, fifth]).toEqual(['Perché no?', 'Perché', 'Ecco la città']);
    expect(second).toMatch(/^cut .$/u);
    expect(fourth).toBe('città \ufffd');
    expect(new Set(entries.map(({ message }) => message.from.address))).toEqual(new Set(['Zoë']));
  });

  it.each([
    ['declared', '<?xml version="1.0" encoding="windows-1252"?>'],
    ['not declared', ''],
  ])('is valid in a list entirely in Windows-1252, %s', async (_, declaration) => {
    const answer = Buffer.from(
      declaration +
        envelope(
          escapeText(
            writeDocument('messageList', [
              sampleMessage({ messageId: '1', body: 'Perché no?' }),
              sampleMessage({ messageId: '2', body: 'Ecco la città' }),
            ]),
          ),
        )
          .toString()
          .replace('<?xml version="1.0"?>', ''),
      'latin1',
    );
    expect(bodies((await list(answer)).entries)).toEqual(['Perché no?', 'Ecco la città']);
  });

  it('is valid in a list labelled GBK', async () => {
    const xml = '<?xml version="1.0" encoding="GBK"?>';
    const text = head.replace('<?xml version="1.0"?>', xml) + escapeText('<messageList><message><id>1</id><body>');
    const end = escapeText('</body></message></messageList>') + tail;
    const answer = Buffer.concat([Buffer.from(text), Buffer.from([0xc4, 0xe3, 0xba, 0xc3]), Buffer.from(end)]);
    expect(bodies((await list(answer)).entries)).toEqual(['你好']);
  });
});

describe('an oversized list', () => {
  it('truncates one message of 9 MB and keeps the others', async () => {
    const long = sampleMessage({ messageId: '9', subject: 'Long', body: '' });
    const xml = writeDocument('messageList', [dinner[0] ?? long, long, dinner[2] ?? long]);
    const marked = xml.replace('<subject>Long</subject>', '<subject>Long</subject><mark/>');
    const [before = '', after = ''] = escapeText(marked).split(escapeText('<mark/>'));
    const body = function* () {
      yield head + before + escapeText('<content>');
      for (let n = 0; n < 9 * 16; n++) yield '🎂&amp;lt;'.repeat((64 * 1024) / 10);
      yield escapeText('</content>') + after + tail;
    };
    const { entries, isComplete } = await list(Readable.from(body()));
    expect(isComplete).toBe(true);
    expect(entries.map(({ message }) => message.messageId)).toEqual(['1', '9', '3']);
    const message = entries[1]?.message;
    expect(message).toMatchObject({ subject: 'Long', from: long.from, truncated: { fields: ['body'] } });
    expect(message?.body.length).toBeGreaterThan(limits.bodyChars - 10);
    expect(message?.body.length).toBeLessThanOrEqual(limits.bodyChars);
    expect(message?.body.isWellFormed()).toBe(true);
  });

  it('truncates one message of thirty thousand attachments and keeps the others', async () => {
    const attachment = '<attachment><name>a</name><contentType>a/b</contentType><size>1</size></attachment>';
    const xml = document.replace('<content', `<attachments>${attachment.repeat(30_000)}</attachments><content`);
    const { entries, isComplete } = await list(envelope(escapeText(xml)));
    expect(isComplete).toBe(true);
    expect(entries.map(({ message }) => message.messageId)).toEqual(['1', '2', '3']);
    expect(entries[0]?.message).toMatchObject({ from: dinner[0]?.from });
    expect(entries[0]?.message.truncated?.fields).toContain('attachments');
  });

  it.each<[string, () => Generator<string>]>([
    ['attributes', () => endless(`${head}&lt;messageList`, (n) => ` a${n}="${'x'.repeat(1000)}"`)],
    ['one attribute', () => endless(`${head}&lt;messageList a="`, () => 'x'.repeat(1000))],
    ['a comment', () => endless(`${head}<!--`, () => 'x'.repeat(1000))],
    ['a name', () => endless(`${head}<`, () => 'x'.repeat(1000))],
    ['depth', () => endless(head, () => '<a>'.repeat(1000))],
  ])('that continues endlessly with %s is aborted', async (_, body) => {
    await expect(list(Readable.from(body()))).rejects.toMatchObject({});
  });

  it.each([
    ['entities in entities', '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'],
    ['a file', '<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]>'],
  ])('that declares %s expands no entity', async (_, doctype) => {
    const xml = '<messageList><message><id>1</id><body>&a;&b;</body></message></messageList>';
    const read = await list(envelope(escapeText(doctype + xml)));
    expect(bodies(read.entries)).toEqual(['&a;&b;']);
    expect(read.isComplete).toBe(false);
    await expect(list(Buffer.from(doctype + head + escapeText(xml) + tail))).rejects.toMatchObject({
      kind: 'malformed',
    });
  });
});

function* endless(start: string, next: (n: number) => string): Generator<string> {
  yield start;
  for (let n = 0; n < 200_000; n++) yield next(n);
}

describe('a slow phone', () => {
  it('is read as long as data arrives', async () => {
    const body = async function* () {
      for (const piece of (head + escapeText(document) + tail).match(/[\s\S]{1,200}/g) ?? []) {
        yield piece;
        // The pace of the phone: all pieces take longer than the deadline, none longer than a stall.
        await pause(20);
      }
    };
    const { isComplete, count } = await list(Readable.from(body()), { deadlineMs: 300, stallMs: 300 });
    expect({ isComplete, count }).toEqual({ isComplete: true, count: 3 });
  });

  it('fails when it stalls, and earlier messages are kept', async () => {
    const entries: MessageEntry[] = [];
    const body = async function* () {
      yield head + escapeText(document.slice(0, document.indexOf('Ecco')));
      await new Promise(() => undefined);
    };
    phone.react = () => Readable.from(body());
    const reading = controlPoint.inTurn(
      (calls) =>
        calls.searchMessages(fullSearch, { deadlineMs: 2000, stallMs: 400 }, (batch) => void entries.push(...batch)),
      { exclusive: true },
    );
    await expect(reading).rejects.toMatchObject({ kind: 'unreachable' });
    expect(bodies(entries)).toEqual(dinner.slice(0, 2).map(({ body }) => body));
  });

  it('is read no faster than its messages are consumed', async () => {
    let made = 0;
    const body = function* () {
      yield `${head}&lt;messageList&gt;`;
      for (; made < 4000; made++)
        yield escapeText(writeDocument('message', sampleMessage({ messageId: `${made}`, body: 'x'.repeat(5000) })));
      yield `&lt;/messageList&gt;${tail}`;
    };
    phone.react = () => Readable.from(body(), { highWaterMark: 16 });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: first, resolve: begun } = Promise.withResolvers<void>();
    let count = 0;
    const reading = controlPoint.inTurn(
      (calls) =>
        calls.searchMessages(fullSearch, { deadlineMs: 5000 }, async (batch) => {
          count += batch.length;
          begun();
          await gate;
        }),
      { exclusive: true },
    );
    await first;
    let before = -1;
    // No event tells that the phone stays blocked; it is, when it has made nothing for a while.
    while (made !== before) {
      before = made;
      await pause(200);
    }
    expect(made).toBeLessThan(3900);
    open();
    expect(await reading).toMatchObject({ isComplete: true, count: 4000 });
    expect(count).toBe(4000);
  });
});
