// A value over a limit is truncated between characters and marked; the rest of the entry is kept.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText } from '../../../edge-agent/messaging/document-limits.ts';
import { readDocument } from '../../../edge-agent/messaging/documents.ts';
import { limits } from '../../../protocol/limits.ts';
import { type PhoneMessage, phoneMessageSchema } from '../../../protocol/phone-model.ts';

const context = { device: 'uuid:phone-1', action: 'SearchMessages' };
const family = '👨‍👩‍👧‍👦';
const times = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, at) => write(at)).join('');

interface Parts {
  id?: string;
  session?: string;
  sender?: string;
  senderName?: string;
  recipients?: string;
  subject?: string;
  type?: string;
  body?: string;
  attachments?: string;
}

function read(parts: Parts): PhoneMessage {
  const { id = 'o1', session = 's', sender = 'ada@example.org', senderName = 'Ada', subject = 'Plans' } = parts;
  const { recipients = '<recipient><address>p0@example.org</address></recipient>' } = parts;
  const { type = 'text/plain', body = 'All of it', attachments = '' } = parts;
  const xml =
    `<messageList><message><messageID>${id}</messageID><messageClass>e-Mail</messageClass><sessionID>${session}</sessionID>` +
    `<sender><address>${sender}</address><displayName>${senderName}</displayName></sender><recipients>${recipients}</recipients>` +
    `<subject>${subject}</subject><time>2026-11-20T18:30:00Z</time><content type="${type}">${body}</content>` +
    `<attachments>${attachments}</attachments></message></messageList>`;
  const [message] = readDocument('messageList', xml, context);
  if (message === undefined) throw new Error('There is no message.');
  expect(phoneMessageSchema.parse(message)).toEqual(message);
  return message;
}

/** A message in which only one field is too long. */
const rest = {
  messageId: 'o1',
  sessionId: 's',
  messageClass: 'e-Mail',
  from: { address: 'ada@example.org', displayName: 'Ada' },
  to: [{ address: 'p0@example.org' }],
  subject: 'Plans',
  body: 'All of it',
  contentType: 'text/plain',
};

describe('a message over a limit', () => {
  it.each<[string, Parts, object, string[] | undefined]>([
    [
      '300 recipients',
      { recipients: times(300, (n) => `<recipient><address>p${n}@example.org</address></recipient>`) },
      { to: Array.from({ length: limits.parties }, (_, n) => ({ address: `p${n}@example.org` })) },
      ['to'],
    ],
    ['a subject of 5,000', { subject: 's'.repeat(5000) }, { subject: 's'.repeat(limits.shortTextChars) }, ['subject']],
    [
      '100 attachments',
      {
        attachments: times(
          100,
          (n) => `<attachment><name>${n}</name><contentType>a/b</contentType><size>1</size></attachment>`,
        ),
      },
      {
        attachments: Array.from({ length: limits.attachments }, (_, n) => ({
          name: String(n),
          contentType: 'a/b',
          sizeBytes: 1,
        })),
      },
      ['attachments'],
    ],
    [
      'a sender of 2,000',
      { sender: '1'.repeat(2000) },
      { from: { address: `${'1'.repeat(limits.addressChars - 1)}…`, displayName: 'Ada' } },
      ['from'],
    ],
    [
      'a name of the sender of 5,000',
      { senderName: 'n'.repeat(5000) },
      { from: { address: 'ada@example.org', displayName: 'n'.repeat(limits.shortTextChars) } },
      ['from'],
    ],
    ['a body of a mebibyte', { body: 'x'.repeat(2 ** 20) }, { body: 'x'.repeat(limits.bodyChars) }, ['body']],
    ['a content type of 300', { type: `text/html; x=${'y'.repeat(300)}` }, { contentType: 'text/html' }, undefined],
    ['a content type without end', { type: 'y'.repeat(300) }, { contentType: 'application/octet-stream' }, undefined],
    [
      'an attachment with everything too long',
      {
        attachments: `<attachment><name>${'n'.repeat(5000)}</name><contentType>${'t'.repeat(300)}</contentType><size>7</size><url>http://a/${'u'.repeat(5000)}</url><sha256>${'a'.repeat(65)}</sha256></attachment>`,
      },
      {
        attachments: [
          { name: 'n'.repeat(limits.shortTextChars), contentType: 'application/octet-stream', sizeBytes: 7 },
        ],
      },
      ['attachments'],
    ],
    [
      'everything at once',
      {
        subject: 's'.repeat(5000),
        sender: '1'.repeat(2000),
        body: 'x'.repeat(300_000),
        recipients: times(300, () => `<recipient><address>${'2'.repeat(2000)}</address></recipient>`),
      },
      {
        subject: 's'.repeat(limits.shortTextChars),
        from: { address: `${'1'.repeat(limits.addressChars - 1)}…`, displayName: 'Ada' },
        body: 'x'.repeat(limits.bodyChars),
        to: Array.from({ length: limits.parties }, () => ({ address: `${'2'.repeat(limits.addressChars - 1)}…` })),
      },
      ['from', 'to', 'subject', 'body'],
    ],
  ])('of %s keeps the rest and names the truncated fields', (_, parts, expected, fields) => {
    const message = read(parts);
    expect(message).toMatchObject({ ...rest, ...expected });
    expect(message.truncated).toEqual(fields === undefined ? undefined : { fields });
  });

  it('gets a stable, distinct identifier', () => {
    const ids = ['x'.repeat(5000), 'x'.repeat(5001)].map((id) => read({ id, session: id }));
    expect(ids.map((message) => message.body)).toEqual(['All of it', 'All of it']);
    expect(ids[0]?.messageId).not.toBe(ids[1]?.messageId);
    expect(read({ id: 'x'.repeat(5000) }).messageId).toBe(ids[0]?.messageId);
    expect(ids[0]?.sessionId).not.toBe(ids[1]?.sessionId);
  });

  it('is not marked when it only reaches the limits', () => {
    const message = read({ subject: 's'.repeat(limits.shortTextChars), body: 'x'.repeat(limits.bodyChars) });
    expect(message).not.toHaveProperty('truncated');
  });
});

describe('another document over a limit', () => {
  it('loses no entry because of one long field', () => {
    const long = 'x'.repeat(5000);
    const sessions = readDocument(
      'sessionsList',
      `<sessionsList><sessionInfo><sessionID>1</sessionID><subject>${long}</subject></sessionInfo>` +
        `<sessionInfo><sessionID>2</sessionID><recipients>${times(300, (n) => `<recipient>${n}</recipient>`)}</recipients></sessionInfo>` +
        `<sessionInfo><sessionID>${long}</sessionID></sessionInfo></sessionsList>`,
      context,
    );
    expect(sessions.map((session) => session.subject?.length)).toEqual([limits.shortTextChars, undefined, undefined]);
    expect(sessions[1]?.recipients).toHaveLength(limits.parties);
    const files = readDocument(
      'fileInfoList',
      `<fileInfoList><fileInfo><fileID>1</fileID><name>${long}</name><url>${long}</url></fileInfo><fileInfo><fileID>2</fileID></fileInfo></fileInfoList>`,
      context,
    );
    expect(files.map((file) => file.fileId)).toEqual(['1', '2']);
    const parties = times(300, (n) => `<recipient><address>${n}</address></recipient>`);
    expect(readDocument('recipientsList', `<recipientsList>${parties}</recipientsList>`, context)).toHaveLength(256);
    const news = readDocument(
      'newMessages',
      `<newMessages><newMessage><messageID>1</messageID><sender>${long}</sender></newMessage></newMessages>`,
      context,
    );
    expect(news[0]?.messageId).toBe('1');
  });
});

describe('cutText', () => {
  it.each([
    ['a family of emoji', `ab${family}cd`],
    ['flags', `a${'🇮🇹'.repeat(80)}`],
    ['a letter with an accent of its own', 'ae\u0301io'],
    ['Hangul', '각각'],
    ['CR and LF', 'a\r\nb'],
  ])('never splits %s', (_, text) => {
    const whole = [...new Intl.Segmenter().segment(text)].map(({ index }) => index);
    for (let max = 1; max < text.length; max++) {
      const cut = cutText(text, max);
      expect(cut.length).toBeLessThanOrEqual(max);
      if (cut.length > 0) expect(whole).toContain(cut.length);
    }
  });

  it('never splits a surrogate pair, and removes less than one long character too many', () => {
    const unit = fc.constantFrom('a', '\u0301', '👍', '\u200d', '🏽', '🇮', ' ', family);
    fc.assert(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 400 }), fc.integer({ min: 1, max: 300 }), (text, max) => {
        const cut = cutText(text, max);
        expect(cut.isWellFormed()).toBe(true);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.length).toBeLessThanOrEqual(max);
        if (text.length > max) expect(cut.length).toBeGreaterThan(max - 130);
      }),
    );
  });
});
