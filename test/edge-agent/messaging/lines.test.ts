import { describe, expect, it } from 'vitest';
import { checkArguments } from '../../../edge-agent/messaging/control-point.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { phoneMessage } from '../../contract/messages.ts';

const send = (MessageToSend: unknown, form: 'text' | 'model') => () =>
  checkArguments('SendMessage', form, { MessageToSend });
const xml = (inside: string) => `<message xmlns="urn:homeline:messaging:1">${inside}</message>`;
const session = { SessionClass: 'Chat', SessionRecipients: [{ address: 'a@b.c' }], SupportedContentType: 'text/plain' };

describe('a line break in an action argument', () => {
  it.each([
    ['address', phoneMessage({ to: [{ address: 'ada@example.org\r\nBcc: eve@example.org' }] })],
    ['displayName', phoneMessage({ to: [{ address: 'ada@example.org', displayName: 'Ada\nX: y' }] })],
    ['subject', phoneMessage({ subject: 'Hello\u2028X: y' })],
    ['name', phoneMessage({ attachments: [{ name: 'a\u0085b', contentType: 'text/plain', sizeBytes: 1 }] })],
  ])('is refused in %s, as a model and as XML', (place, message) => {
    const words = new RegExp(`MessageToSend\\..*${place} holds U\\+`);
    expect(send(message, 'model')).toThrow(words);
    expect(send(writeDocument('message', message), 'text')).toThrow(words);
  });

  it.each([
    xml('<recipients><recipient address="ada@example.org&#10;Bcc: eve"/></recipients>'),
    xml('<to>ada@example.org&#xD;&#xA;Bcc: eve@example.org</to>'),
    xml('<to><![CDATA[ada@example.org\nBcc: eve@example.org]]></to>'),
    '<m:message xmlns:m="x"><m:Subject>one\ntwo</m:Subject></m:message>',
  ])('is refused in any form of the document: %j', (document) => {
    expect(send(document, 'text')).toThrow(/holds U\+000/);
  });

  it('is refused in a plain text argument', () => {
    const given = { ...session, Subject: 'Hello\nBcc: eve@example.org' };
    expect(() => checkArguments('CreateSession', 'model', given)).toThrow('Subject holds U+000A');
    const text = { ...given, SessionRecipients: '<recipientsList/>' };
    expect(() => checkArguments('CreateSession', 'text', text)).toThrow('Subject holds U+000A');
  });

  it('is allowed in an identifier, which is the phone’s own', () => {
    expect(checkArguments('ReadMessage', 'text', { MessageID: 'm\n1' })).toEqual({ MessageID: 'm\n1' });
  });

  it('is allowed in the text of a message, and between and around its elements', () => {
    const message = phoneMessage({ body: 'one\r\ntwo\tthree' });
    expect(send(message, 'model')).not.toThrow();
    expect(send(writeDocument('message', message), 'text')).not.toThrow();
    expect(send(xml('\n <to>\n  ada@example.org\n </to>\n <content>one\n\ntwo</content>\n'), 'text')).not.toThrow();
    expect(send('no XML\nat all', 'text')).not.toThrow();
  });
});
