import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentError } from '../../../edge-agent/messaging/document-tree.ts';
import { readDocument, writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { readMessageList } from '../../../edge-agent/messaging/list-stream.ts';
import type { DocumentName } from '../../../protocol/actions.ts';
import {
  messageClasses,
  messageFolders,
  messageStatuses,
  sessionClasses,
  sessionStatuses,
} from '../../../protocol/actions.ts';
import { type PhoneMessage, sessionChanges } from '../../../protocol/phone-model.ts';

const context = { device: 'uuid:phone-1', action: 'SearchMessages' };
const xmlns = 'xmlns="urn:homeline:messaging:1"';

const dinner: PhoneMessage = {
  messageId: 'm-17',
  messageClass: 'SMS',
  folder: 'Received',
  status: 'Unread',
  from: { address: '+390110001', displayName: 'Nonna' },
  to: [{ address: '+390119999', role: 'to' }],
  contentType: 'text/plain',
  body: 'Dinner at 8?',
  attachments: [
    { name: 'cake.jpg', contentType: 'image/jpeg', sizeBytes: 48211, url: 'http://192.168.1.20:49200/files/f-3' },
  ],
  time: '2026-11-22T19:30:00.000Z',
};
const dinnerXml =
  `<message ${xmlns}><messageID>m-17</messageID><messageClass>SMS</messageClass><messageFolder>Received</messageFolder>` +
  '<messageStatus>Unread</messageStatus><sessionID/><sender><address>+390110001</address><displayName>Nonna</displayName></sender>' +
  '<recipients><recipient role="to"><address>+390119999</address></recipient></recipients><subject/>' +
  '<time>2026-11-22T19:30:00.000Z</time><content type="text/plain">Dinner at 8?</content>' +
  '<attachments><attachment><name>cake.jpg</name><contentType>image/jpeg</contentType><size>48211</size>' +
  '<url>http://192.168.1.20:49200/files/f-3</url></attachment></attachments></message>';

describe('writing', () => {
  it('writes a message exactly as in the profile', () => {
    expect(writeDocument('message', dinner)).toBe(dinnerXml);
  });

  it('writes sessions, file infos and capabilities in profile order', () => {
    expect(
      writeDocument('sessionsList', [
        {
          sessionId: 's-4',
          sessionClass: 'Chat',
          status: 'Running',
          subject: 'Plumber',
          contentTypes: ['text/plain'],
          initiator: { address: 'a' },
          recipients: [],
        },
      ]),
    ).toBe(
      `<sessionsList ${xmlns}><sessionInfo><sessionID>s-4</sessionID><sessionClass>Chat</sessionClass>` +
        '<sessionStatus>Running</sessionStatus><subject>Plumber</subject>' +
        '<supportedContentType>text/plain</supportedContentType><initiator><address>a</address></initiator>' +
        '<recipients/></sessionInfo></sessionsList>',
    );
  });
});

const text = fc
  .array(fc.constantFrom(...'aZ09+@.:&<>\'"=;\r\n\t  é🎂‏]]>—'), { minLength: 1, maxLength: 20 })
  .map((chars) => chars.join(''));
const name = text.map((given) => `x${given}x`);
const time = fc.integer({ min: 0, max: Date.UTC(2200, 0) }).map((ms) => new Date(ms).toISOString());
const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
/** Omits undefined values, as the schemas do. */
const record = <Fields>(fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }) =>
  fc.record(fields).map((value) => JSON.parse(JSON.stringify(value)));
const party = record({
  address: fc.oneof(text, fc.constant('')).map((given) => given.trim()),
  displayName: optional(name),
  role: optional(fc.constantFrom('to', 'cc', 'bcc')),
  state: optional(fc.constantFrom('invited', 'joined', 'left')),
});
const parties = fc.array(
  party.filter((given) => given.address !== ''),
  { maxLength: 4 },
);
const mimeType = fc.constantFrom('text/plain', 'text/html; charset=utf-8', 'image/jpeg');
const attachment = record({
  name: text,
  contentType: mimeType,
  sizeBytes: fc.nat(),
  url: optional(fc.webUrl()),
  sha256: optional(fc.constant('ab'.repeat(32))),
});
const message = record({
  messageId: name,
  messageClass: fc.constantFrom(...messageClasses),
  folder: fc.constantFrom(...messageFolders),
  status: fc.constantFrom(...messageStatuses),
  sessionId: optional(name),
  from: party,
  to: parties,
  subject: optional(name),
  contentType: mimeType,
  body: fc.oneof(text, fc.constant('')),
  bodyOmitted: optional(fc.constant(true)),
  attachments: fc.array(attachment, { maxLength: 3 }),
  time,
});
const session = record({
  sessionId: name,
  sessionClass: fc.constantFrom(...sessionClasses),
  status: fc.constantFrom(...sessionStatuses),
  subject: optional(name),
  contentTypes: fc.array(mimeType, { maxLength: 3 }),
  initiator: optional(party),
  recipients: parties,
  startedAt: optional(time),
  updatedAt: optional(time),
});
const models: Record<DocumentName, fc.Arbitrary<unknown>> = {
  telephonyIdentity: parties,
  messagingCapabilities: record({
    classes: fc.array(
      record({
        messageClass: fc.constantFrom(...messageClasses),
        pageMode: fc.boolean(),
        sessionMode: fc.boolean(),
        maxBodyLength: optional(fc.nat()),
        maxRecipients: optional(fc.nat()),
        maxAttachmentBytes: optional(fc.nat()),
        contentTypes: fc.array(mimeType, { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    sessionClasses: fc.array(fc.constantFrom(...sessionClasses), { maxLength: 3 }),
    fileTransfer: fc.boolean(),
  }),
  newMessages: fc.array(
    record({
      messageId: name,
      messageClass: fc.constantFrom(...messageClasses),
      sessionId: optional(name),
      from: optional(party),
      time: optional(time),
    }),
    { maxLength: 4 },
  ),
  sessionUpdates: fc.array(
    record({
      sessionId: name,
      status: fc.constantFrom(...sessionStatuses),
      change: fc.constantFrom(...sessionChanges),
      time: optional(time),
    }),
    { maxLength: 4 },
  ),
  message,
  messageList: fc.array(message, { maxLength: 4 }),
  recipientsList: parties,
  sessionInfo: session,
  sessionsList: fc.array(session, { maxLength: 4 }),
  fileInfoList: fc.array(
    record({
      fileId: name,
      sessionId: name,
      name: text,
      contentType: mimeType,
      sizeBytes: fc.nat(),
      url: fc.webUrl(),
      direction: fc.constantFrom('send', 'receive'),
      status: fc.constantFrom('pending', 'transferring', 'completed', 'cancelled', 'failed'),
      transferredBytes: fc.nat(),
    }),
    { maxLength: 3 },
  ),
};

describe('any model', () => {
  it.each(Object.keys(models) as DocumentName[])('%s round-trips', (document) => {
    fc.assert(
      fc.property(models[document], (model) => {
        expect(readDocument(document, writeDocument(document, model as never), context)).toEqual(model);
      }),
      { numRuns: 150 },
    );
  });

  it('survives an extra escaping and a CDATA section', () => {
    fc.assert(
      fc.property(message, (model: PhoneMessage) => {
        const xml = writeDocument('message', model);
        const escaped = xml.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
        expect(readDocument('message', escaped, context)).toEqual(model);
        const cdata = `<MessageToSend><![CDATA[${xml.replaceAll(']]>', ']]&gt;')}]]></MessageToSend>`;
        expect(readDocument('message', cdata, context)).toEqual(model);
      }),
      { numRuns: 50 },
    );
  });
});

describe('lenient reading', () => {
  it('finds fields by synonym, any case, prefix and namespace, as children or attributes, in any order', () => {
    const xml =
      '<m:Message xmlns:m="urn:other" read="true" Date="1795375800"><m:Message-Body mimeType="text/html">hi</m:Message-Body>' +
      '<m:TO>+39 1</m:TO><m:TO><m:Phone_Number>+39 2</m:Phone_Number></m:TO><m:From name="Ada">short</m:From>' +
      '<m:folder>sent</m:folder><m:TYPE>instant message</m:TYPE><m:id>00 7</m:id></m:Message>';
    expect(readDocument('message', xml, context)).toEqual({
      messageId: '00 7',
      messageClass: 'Instant Message',
      folder: 'Sent',
      status: 'Read',
      from: { address: 'short', displayName: 'Ada' },
      to: [{ address: '+39 1' }, { address: '+39 2' }],
      contentType: 'text/html',
      body: 'hi',
      attachments: [],
      time: '2026-11-22T19:30:00.000Z',
    });
  });

  it.each([
    '<message><id>1</id><body>a</body></message><message><id>2</id><body>b</body></message>',
    '<?xml version="1.0"?><r:MessageListResponse xmlns:r="x"><messages><message><id>1</id><body>a</body></message><message><id>2</id><body>b</body></message></messages></r:MessageListResponse>',
    'junk <messageList><message id="1" body="a"/><message id="2" body="b"/></messageList> \0',
    '<messageList><message><message><id>1</id><text>a</text></message><message><id>2</id><text>b</text></message></message></messageList>',
  ])('finds the entries with or without wrappers: %s', (xml) => {
    const list = readDocument('messageList', xml, context);
    expect(list.map(({ messageId, body }) => [messageId, body])).toEqual([
      ['1', 'a'],
      ['2', 'b'],
    ]);
  });

  it('keeps identifiers and addresses as exact strings', () => {
    const xml = '<message><id>007</id><from>1e5</from><to>+4915 0</to><body> true </body></message>';
    expect(readDocument('message', xml, context)).toMatchObject({
      messageId: '007',
      from: { address: '1e5' },
      to: [{ address: '+4915 0' }],
      body: ' true ',
    });
  });

  it.each([
    ['2026-11-22T19:30:00Z', '2026-11-22T19:30:00.000Z'],
    ['2026-11-22T20:30:00.5+01:00', '2026-11-22T19:30:00.500Z'],
    ['2026-11-22T19:30:00', new Date(2026, 10, 22, 19, 30).toISOString()],
    ['2026-11-22 19:30:00', new Date(2026, 10, 22, 19, 30).toISOString()],
    ['20261122T193000Z', '2026-11-22T19:30:00.000Z'],
    ['1795375800', '2026-11-22T19:30:00.000Z'],
    ['1795375800123', '2026-11-22T19:30:00.123Z'],
    ['yesterday', '1970-01-01T00:00:00.000Z'],
    ['99999999999999999', '1970-01-01T00:00:00.000Z'],
  ])('parses the time %s', (given, expected) => {
    const xml = `<message><id>1</id><time>${given}</time><body>x</body></message>`;
    expect(readDocument('message', xml, context).time).toBe(expected);
  });

  it('marks a message without content', () => {
    expect(readDocument('message', '<message><id>1</id><from>a</from></message>', context)).toMatchObject({
      bodyOmitted: true,
      body: '',
    });
    const empty = readDocument('message', '<message><id>1</id><content/></message>', context);
    expect(empty).not.toHaveProperty('bodyOmitted');
  });

  it('uses unescaped markup in the content as the body', () => {
    const xml = '<message><id>1</id><content type="text/html"><b>now</b> or &amp; never</content></message>';
    expect(readDocument('message', xml, context).body).toBe('<b>now</b> or &amp; never');
  });

  it('keeps unknown fields in the XML beside each message', () => {
    const [entry] = readMessageList(
      '<messageList><message><id>1</id><body>x</body><priority>9</priority></message></messageList>',
      context,
    );
    expect(entry?.xml).toContain('<priority>9</priority>');
  });

  it('reads empty lists in every form', () => {
    for (const xml of ['', ' ', '<messageList/>', `<messageList ${xmlns}></messageList>`]) {
      expect(readDocument('messageList', xml, context)).toEqual([]);
      expect(readDocument('newMessages', xml.replaceAll('messageList', 'newMessages'), context)).toEqual([]);
    }
  });
});

describe('unreadable documents', () => {
  it('name device and action, and keep the first 200 characters on the LAN', () => {
    const xml = `no xml at all \u001b[31m ${'secret '.repeat(100)}`;
    const error = caught(() => readDocument('sessionInfo', xml, context));
    expect(error).toMatchObject({ code: 'phone-malformed', device: 'uuid:phone-1', action: 'SearchMessages' });
    expect(error.message).toContain('uuid:phone-1');
    expect(error.message).not.toContain('secret');
    expect(error.excerpt).toHaveLength(200);
    expect(error.excerpt).not.toContain('\u001b');
  });

  it.each<[DocumentName, string]>([
    ['message', ''],
    ['messageList', '<html><body>Please log in</body></html>'],
    ['messageList', '<html/>'],
    ['messageList', '<!DOCTYPE x [<!ENTITY a "b">]><messageList/>'],
    ['sessionInfo', '<sessionInfo><subject>x</subject></sessionInfo>'],
    ['messagingCapabilities', '<messagingCapabilities/>'],
    ['sessionsList', '<sessionsList>none</sessionsList>'],
    ['fileInfoList', '<a>'],
  ])('%s: %s', (document, xml) => {
    expect(caught(() => readDocument(document, xml, context)).code).toBe('phone-malformed');
  });

  it('one bad entry of a message list never loses the others', () => {
    const list = readDocument(
      'messageList',
      '<messageList><message><id>1</id><body>a</body></message><message>just words</message>' +
        `<message><id>3</id><body>c</body><from>${'x'.repeat(5000)}</from></message></messageList>`,
      context,
    );
    expect(list).toHaveLength(3);
    expect(list[0]).toMatchObject({ messageId: '1', body: 'a' });
    expect(list[1]).toMatchObject({ body: 'just words' });
    expect(list[1]?.messageId).toMatch(/^raw-/);
    expect(list[2]).toMatchObject({ messageId: '3' });
  });

  it('a list broken in the middle yields every message in it', () => {
    const list = readDocument(
      'messageList',
      '<messageList><message><id>1</id><body>a</body></message><message><messageID>2</messageID><body>b</boddy></message>' +
        '<message><id>3</id><body>c</body></message><message><messageID>4</messageID><bo',
      context,
    );
    expect(list.map((each) => each.messageId)).toEqual(['1', '2', '3']);
    expect(list[1]?.body).toContain('<body>b</boddy>');
  });

  it('two equal messages without identifiers stay two messages', () => {
    const one = '<message><from>gps</from><body>moved</body></message>';
    const list = readDocument('messageList', `<messageList>${one}${one}</messageList>`, context);
    expect(new Set(list.map((each) => each.messageId)).size).toBe(2);
  });

  it('reports each bad entry in other lists', () => {
    const bad: DocumentError[] = [];
    const sessions = readDocument(
      'sessionsList',
      '<sessionsList><sessionInfo><sessionID>1</sessionID></sessionInfo><sessionInfo><subject>x</subject></sessionInfo></sessionsList>',
      { ...context, onBadEntry: (error) => bad.push(error) },
    );
    expect(sessions).toHaveLength(1);
    expect(bad).toHaveLength(1);
  });

  it('never throws anything but a DocumentError, whatever the bytes', () => {
    const piece = fc.constantFrom(
      '<message>',
      '</message>',
      '<id>',
      '</id>',
      '<![CDATA[',
      ']]>',
      '&',
      '&#0;',
      'a',
      '<',
    );
    const soup = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        fc.oneof(soup, fc.string({ unit: 'binary' })),
        fc.constantFrom(...Object.keys(models)),
        (xml, document) => {
          try {
            readDocument(document as DocumentName, xml, context);
          } catch (error) {
            expect(error).toBeInstanceOf(DocumentError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['openings', '<message>x', 400_000],
    ['what closes what was never opened', '<message></x>', 300_000],
    ['messages without a word', '<message/>', 150_000],
  ])('of %s only become a thousand messages, and one for the rest', (_what, entry, count) => {
    const messages = readDocument('messageList', entry.repeat(count), context);
    expect(messages).toHaveLength(1001);
    expect(messages.at(-1)?.body.startsWith(entry.repeat(2))).toBe(true);
    expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(1001);
  });

  it('lose no readable message while fewer than a thousand are odd', () => {
    const good = (id: number) => `<message messageClass="SMS"><messageID>${id}</messageID><body>hi</body></message>`;
    const xml = Array.from({ length: 900 }, (_, id) => `<message>${good(id)}`).join('');
    const messages = readDocument('messageList', xml, context);
    expect(messages.filter(({ body }) => body === 'hi').map(({ messageId }) => Number(messageId))).toEqual([
      ...Array(900).keys(),
    ]);
  });
});

function caught(act: () => unknown): DocumentError {
  try {
    act();
  } catch (error) {
    if (error instanceof DocumentError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}
