// The 18 actions of the hosted Messaging:2 service, over real HTTP.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDocument } from '../../../edge-agent/messaging/documents.ts';
import type { FileInfo, Party } from '../../../protocol/phone-model.ts';
import { blankMessage, context, nonna, owner, type PhoneUnderTest, startPhone, until } from './phone-under-test.ts';

let home: PhoneUnderTest;
beforeEach(async () => {
  home = await startPhone();
});
afterEach(() => home.stop());

const ada: Party = { address: 'xmpp:ada@chat.example', displayName: 'Ada' };

async function runningChat(): Promise<string> {
  const sessionId = await home.line.events.offered({ sessionClass: 'Chat', initiator: ada });
  await home.control.ask('AcceptSession', { SessionID: sessionId });
  return sessionId;
}

describe('identity and capabilities', () => {
  it('returns its owner (GetTelephonyIdentity)', async () => {
    const answer = await home.control.ask('GetTelephonyIdentity');
    expect(readDocument('telephonyIdentity', answer.get('TelephonyIdentity') ?? '', context)).toEqual([owner]);
  });

  it('returns the line’s capabilities (GetMessagingCapabilities)', async () => {
    const answer = await home.control.ask('GetMessagingCapabilities');
    const capabilities = readDocument('messagingCapabilities', answer.get('SupportedCapabilities') ?? '', context);
    expect(capabilities).toEqual(home.line.capabilities);
  });
});

describe('arrivals', () => {
  it('reports each arrival once (GetNewMessages)', async () => {
    const messageId = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Dinner at 8?' });
    const read = async () =>
      readDocument('newMessages', (await home.control.ask('GetNewMessages')).get('NewMessages') ?? '', context);
    expect(await read()).toMatchObject([{ messageId, messageClass: 'SMS', from: nonna }]);
    expect(await read()).toEqual([]);
  });

  it('keeps an arrival as Received and Unread until it is read (SearchMessages, ReadMessage)', async () => {
    const messageId = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Dinner at 8?' });
    expect(await home.control.messages()).toMatchObject([
      { messageId, folder: 'Received', status: 'Unread', from: nonna, to: [owner], body: 'Dinner at 8?' },
    ]);
    const answer = await home.control.ask('ReadMessage', { MessageID: messageId });
    const read = readDocument('message', answer.get('MessageRequested') ?? '', context);
    expect(read).toMatchObject({ messageId, status: 'Read', body: 'Dinner at 8?' });
    expect(await home.control.messages({ MessageStatus: 'Unread' })).toEqual([]);
    expect(await home.control.messages({ MessageStatus: 'Read' })).toHaveLength(1);
  });

  it('filters a search by class, folder, status and session, with ANY and empty as wildcards', async () => {
    const sessionId = await runningChat();
    await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'one' });
    await home.line.events.arrived({ messageClass: 'e-Mail', from: nonna, body: 'two', subject: 'School' });
    await home.line.events.arrived({ messageClass: 'Instant Message', from: ada, body: 'three', sessionId });
    const bodies = async (search: Record<string, string>) =>
      (await home.control.messages(search)).map((message) => message.body);
    expect(await bodies({ MessageClass: 'SMS' })).toEqual(['one']);
    expect(await bodies({ MessageClass: 'e-Mail', MessageFolder: 'Received' })).toEqual(['two']);
    expect(await bodies({ SessionID: sessionId })).toEqual(['three']);
    expect(await bodies({ MessageFolder: 'Sent' })).toEqual([]);
    expect(await bodies({ MessageClass: 'ANY', MessageFolder: 'ANY', MessageStatus: 'ANY' })).toEqual([
      'one',
      'two',
      'three',
    ]);
    expect(await bodies({})).toHaveLength(3);
  });

  it('keeps two equal texts as two messages', async () => {
    const first = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Yes', timeMs: 5 });
    const second = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Yes', timeMs: 5 });
    expect(second).not.toBe(first);
    expect(await home.control.messages()).toHaveLength(2);
  });

  it('omits a long body from lists and returns it whole', async () => {
    const body = 'x'.repeat(30_000);
    const messageId = await home.line.events.arrived({ messageClass: 'e-Mail', from: nonna, body });
    expect(await home.control.messages()).toMatchObject([{ messageId, bodyOmitted: true }]);
    const answer = await home.control.ask('ReadMessage', { MessageID: messageId });
    expect(readDocument('message', answer.get('MessageRequested') ?? '', context).body).toBe(body);
  });

  it('answers 701 for an unknown message', async () => {
    for (const MessageID of ['m-99', 'm-0', '', '1 OR 1=1', `m-${'9'.repeat(30)}`, 'x'.repeat(4096)]) {
      await expect(home.control.ask('ReadMessage', { MessageID })).rejects.toMatchObject({ code: 701 });
      await expect(home.control.ask('DeleteMessage', { MessageID })).rejects.toMatchObject({ code: 701 });
    }
  });

  it('deletes a message idempotently (DeleteMessage)', async () => {
    const MessageID = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Spam' });
    await home.control.ask('DeleteMessage', { MessageID });
    await home.control.ask('DeleteMessage', { MessageID });
    expect(await home.control.messages()).toMatchObject([{ messageId: MessageID, folder: 'Deleted' }]);
    const news = (await home.control.ask('GetNewMessages')).get('NewMessages') ?? '';
    expect(readDocument('newMessages', news, context)).toEqual([]);
  });
});

describe('sending', () => {
  it('stores a message in Outgoing, passes it to the line and moves it to Sent (SendMessage)', async () => {
    const messageId = await home.control.send({ body: 'On my way', from: { address: 'forged' } });
    await until(async () => (await home.control.messages({ MessageFolder: 'Sent' })).length === 1);
    expect(home.line.sent).toMatchObject([{ messageId, body: 'On my way', from: owner, to: [nonna] }]);
    expect(await home.control.messages()).toMatchObject([{ messageId, folder: 'Sent', status: 'Read' }]);
  });

  it('keeps a message in Outgoing while the line refuses it', async () => {
    home.line.down = true;
    const messageId = await home.control.send({});
    expect(await home.control.messages()).toMatchObject([{ messageId, folder: 'Outgoing' }]);
    expect(home.line.sent).toEqual([]);
  });

  it('sends text of any characters unchanged', async () => {
    const bodies = ['a & b < c > "d" \'e\'', '👩‍👩‍👧', 'שלום', ' blanks ', 'line\r\nline\n', ']]>', '<x/>', '*#06#'];
    for (const body of bodies) await home.control.send({ body });
    await until(() => home.line.sent.length === bodies.length);
    expect(home.line.sent.map((message) => message.body)).toEqual(bodies);
  });

  it.each([
    ['a class that the line lacks', { messageClass: 'MMS' as const }, 704],
    ['a class that only lives in sessions', { messageClass: 'Instant Message' as const }, 704],
    ['a content type that the class lacks', { contentType: 'image/png' }, 705],
    ['nobody to send to', { to: [] }, 706],
    ['somebody whom the line cannot reach', { to: [{ address: 'nobody' }] }, 706],
    ['more recipients than the class takes', { to: [nonna, ada, owner] }, 706],
    ['a text that is too long', { body: 'x'.repeat(161) }, 708],
    ['an attachment where none may be', { attachments: [{ name: 'a', contentType: 'image/png', sizeBytes: 1 }] }, 708],
    ['a session that is none', { sessionId: 's-77' }, 702],
  ])('refuses %s', async (_, message, code) => {
    await expect(home.control.send(message)).rejects.toMatchObject({ code });
    expect(await home.control.messages()).toEqual([]);
  });

  it('refuses an invalid message document (600)', async () => {
    for (const MessageToSend of ['', 'no XML <', '<!DOCTYPE a [<!ENTITY b "c">]><message>&b;</message>']) {
      await expect(home.control.ask('SendMessage', { MessageToSend })).rejects.toMatchObject({ code: 600 });
    }
  });
});

describe('sessions', () => {
  it.each(['File-Transfer', 'Mixed'])('of files accepts any content type (%s)', async (SessionClass) => {
    const given = { SessionClass, SessionRecipients: [ada], SupportedContentType: 'image/jpeg, application/pdf' };
    await home.control.ask('CreateSession', given);
    expect(await home.control.sessions()).toMatchObject([{ contentTypes: ['image/jpeg', 'application/pdf'] }]);
    const none = { ...given, SupportedContentType: 'no type' };
    await expect(home.control.ask('CreateSession', none)).rejects.toMatchObject({ code: 705 });
    const chat = { ...given, SessionClass: 'Chat' };
    await expect(home.control.ask('CreateSession', chat)).rejects.toMatchObject({ code: 705 });
  });

  it('is Pending until the first invited party joins (CreateSession)', async () => {
    const created = await home.control.ask('CreateSession', {
      SessionClass: 'Chat',
      SessionRecipients: [ada],
      Subject: 'Boiler',
      SupportedContentType: 'text/plain',
    });
    const sessionId = created.get('SessionID') ?? '';
    expect(await home.control.sessions()).toMatchObject([
      {
        sessionId,
        sessionClass: 'Chat',
        status: 'Pending',
        subject: 'Boiler',
        recipients: [{ ...ada, state: 'invited' }],
      },
    ]);
    expect(home.line.steps).toMatchObject([{ step: 'created', session: { sessionId } }]);
    await home.line.events.joined(sessionId, ada);
    expect(await home.control.sessions({ SessionStatus: 'Running' })).toMatchObject([
      { sessionId, recipients: [{ ...ada, state: 'joined' }] },
    ]);
  });

  it('defaults to Chat, and runs at once in a class without invitations', async () => {
    await home.control.ask('CreateSession', { SessionRecipients: [ada] });
    await home.control.ask('CreateSession', { SessionClass: 'SMS', SessionRecipients: [nonna] });
    expect((await home.control.sessions()).map(({ sessionClass, status }) => [sessionClass, status])).toEqual([
      ['Chat', 'Pending'],
      ['SMS', 'Running'],
    ]);
  });

  it.each([
    ['the wildcard for a class', { SessionClass: 'ANY', SessionRecipients: [ada] }, 601],
    ['a class that the line lacks', { SessionClass: 'MMS', SessionRecipients: [ada] }, 704],
    ['nobody', { SessionClass: 'Chat' }, 706],
    ['somebody whom the line cannot reach', { SessionRecipients: [{ address: 'nobody' }] }, 706],
    ['content that the line cannot carry', { SessionRecipients: [ada], SupportedContentType: 'video/mp4' }, 705],
    ['recipients that are no list', { SessionRecipients: '<<<' }, 600],
  ])('refuses a session with %s', async (_, given, code) => {
    await expect(home.control.ask('CreateSession', given)).rejects.toMatchObject({ code });
    expect(await home.control.sessions()).toEqual([]);
  });

  it('accepts an offered session idempotently (AcceptSession)', async () => {
    const sessionId = await home.line.events.offered({ sessionClass: 'Chat', initiator: ada, subject: 'Hello' });
    expect(await home.control.sessions({ SessionID: sessionId })).toMatchObject([
      { status: 'Pending', initiator: ada },
    ]);
    await home.control.ask('AcceptSession', { SessionID: sessionId });
    await home.control.ask('AcceptSession', { SessionID: sessionId });
    expect(await home.control.sessions()).toMatchObject([
      { status: 'Running', recipients: [{ ...owner, state: 'joined' }] },
    ]);
    expect(home.line.steps.map(({ step }) => step)).toEqual(['accepted']);
  });

  it('refuses to accept its own session (703)', async () => {
    const created = await home.control.ask('CreateSession', { SessionRecipients: [ada] });
    await expect(home.control.ask('AcceptSession', { SessionID: created.get('SessionID') })).rejects.toMatchObject({
      code: 703,
    });
  });

  it('leaves, rejoins and closes (LeaveSession, JoinSession, CloseSession)', async () => {
    const SessionID = await runningChat();
    const status = async () => (await home.control.sessions())[0]?.status;
    await home.control.ask('LeaveSession', { SessionID });
    await home.control.ask('LeaveSession', { SessionID });
    expect(await status()).toBe('Parked');
    await expect(home.control.send({ messageClass: 'Instant Message', sessionId: SessionID })).rejects.toMatchObject({
      code: 703,
    });
    await home.control.ask('JoinSession', { SessionID });
    await home.control.ask('JoinSession', { SessionID });
    expect(await status()).toBe('Running');
    await home.control.ask('CloseSession', { SessionID });
    await home.control.ask('CloseSession', { SessionID });
    expect(await status()).toBe('Closed');
    expect(home.line.steps.map(({ step }) => step)).toEqual(['accepted', 'left', 'joined', 'closed']);
    for (const action of ['AcceptSession', 'JoinSession', 'LeaveSession', 'ModifySession'] as const) {
      await expect(home.control.ask(action, { SessionID })).rejects.toMatchObject({ code: 703 });
    }
  });

  it('answers 702 for an unknown session', async () => {
    const asks = ['AcceptSession', 'JoinSession', 'LeaveSession', 'CloseSession', 'ModifySession'] as const;
    for (const action of [...asks, 'CancelFileTransfer', 'GetFileTransferSession'] as const) {
      await expect(home.control.ask(action, { SessionID: 's-5' })).rejects.toMatchObject({ code: 702 });
    }
    expect(await home.control.sessions({ SessionID: 's-5' })).toEqual([]);
  });

  it('sends to all participants, and moves messages of a closed session to ClosedSession', async () => {
    const sessionId = await runningChat();
    await home.control.send({ messageClass: 'Instant Message', to: [], sessionId });
    await home.line.events.arrived({ messageClass: 'Instant Message', from: ada, body: 'Hi', sessionId });
    await until(async () => (await home.control.messages({ MessageFolder: 'Sent' })).length === 1);
    expect(home.line.sent[0]?.to).toEqual([ada]);
    await home.line.events.closed(sessionId);
    expect((await home.control.messages({ SessionID: sessionId })).map(({ folder }) => folder)).toEqual([
      'ClosedSession',
      'ClosedSession',
    ]);
  });

  it('changes participants, subject, content types and class (ModifySession)', async () => {
    const SessionID = await runningChat();
    await home.control.ask('ModifySession', {
      SessionID,
      SessionRecipientsToAdd: [nonna],
      Subject: 'Family',
      SupportedContentType: 'text/plain, text/html',
      SessionClass: 'Mixed',
    });
    expect(await home.control.sessions()).toMatchObject([
      {
        sessionClass: 'Mixed',
        subject: 'Family',
        contentTypes: ['text/plain', 'text/html'],
        recipients: [
          { ...owner, state: 'joined' },
          { ...nonna, state: 'invited' },
        ],
      },
    ]);
    await home.control.ask('ModifySession', { SessionID, SessionRecipientsToRemove: [nonna] });
    const [session] = await home.control.sessions();
    expect(session?.subject).toBe('Family');
    expect(session?.recipients[1]).toEqual({ ...nonna, state: 'left' });
    await expect(
      home.control.ask('ModifySession', { SessionID, SessionRecipientsToRemove: [{ address: '+1' }] }),
    ).rejects.toMatchObject({ code: 706 });
  });

  it('reports every change once (GetSessionUpdates)', async () => {
    const SessionID = await runningChat();
    await home.line.events.arrived({ messageClass: 'Instant Message', from: ada, body: 'Hi', sessionId: SessionID });
    await home.line.events.left(SessionID, ada);
    await home.control.ask('CloseSession', { SessionID });
    const read = async () =>
      readDocument(
        'sessionUpdates',
        (await home.control.ask('GetSessionUpdates')).get('SessionUpdates') ?? '',
        context,
      );
    expect((await read()).map(({ change, status }) => [change, status])).toEqual([
      ['invited', 'Pending'],
      ['accepted', 'Running'],
      ['message', 'Running'],
      ['left', 'Running'],
      ['closed', 'Closed'],
    ]);
    expect(await read()).toEqual([]);
  });
});

describe('files', () => {
  const file: FileInfo = {
    fileId: 'mine-1',
    sessionId: '',
    name: 'cake.jpg',
    contentType: 'image/jpeg',
    sizeBytes: 4,
    url: '',
    direction: 'send',
    status: 'pending',
    transferredBytes: 0,
  };

  async function fileSession(): Promise<string> {
    const sessionId = await home.line.events.offered({ sessionClass: 'File-Transfer', initiator: ada });
    await home.control.ask('AcceptSession', { SessionID: sessionId });
    return sessionId;
  }

  it('receives an offered file and serves its bytes (StartFileTransfer, GetFileTransferSession)', async () => {
    const sessionId = await fileSession();
    const offer = { sessionId, name: 'cake.jpg', contentType: 'image/jpeg', sizeBytes: 4 };
    const fileId = await home.line.events.fileOffered(offer);
    expect(await home.control.files(sessionId)).toMatchObject([{ fileId, direction: 'receive', status: 'pending' }]);
    await home.control.ask('StartFileTransfer', {
      FileInfoList: [{ ...file, fileId, sessionId, direction: 'receive' }],
    });
    const done = await until(async () =>
      (await home.control.files(sessionId)).find(({ status }) => status === 'completed'),
    );
    expect(done.transferredBytes).toBe(4);
    const served = await fetch(done.url);
    expect(served.headers.get('content-type')).toBe('image/jpeg');
    expect(await served.text()).toBe('cake');
  });

  it('sends a file fetched from the LAN', async () => {
    const server = createServer((_, response) => response.end('kuchen'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cake.jpg`;
    const sessionId = await fileSession();
    await home.control.ask('StartFileTransfer', { FileInfoList: [{ ...file, sessionId, url }] });
    await until(async () => (await home.control.files(sessionId))[0]?.status === 'completed');
    expect(home.line.files.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['kuchen']);
    server.closeAllConnections();
    server.close();
  });

  it.each([
    'http://192.0.2.77/secret',
    'http://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
    'https://example.org/a',
    'http://user:pass@127.0.0.1/',
    'http://localhost:22/',
    '',
  ])('never fetches %s for a control point', async (url) => {
    const sessionId = await fileSession();
    await home.control.ask('StartFileTransfer', { FileInfoList: [{ ...file, sessionId, url }] });
    await until(async () => (await home.control.files(sessionId))[0]?.status === 'failed');
    expect(home.line.files).toEqual([]);
  });

  it('cancels a transfer in flight and ignores its later outcome (CancelFileTransfer)', async () => {
    const sessionId = await fileSession();
    let arrive = (_: Uint8Array): void => undefined;
    home.line.offeredBytes = new Promise((resolve) => {
      arrive = resolve;
    });
    const fileId = await home.line.events.fileOffered({ sessionId, name: 'a', contentType: 'b/c', sizeBytes: 4 });
    await home.control.ask('StartFileTransfer', {
      FileInfoList: [{ ...file, fileId, sessionId, direction: 'receive' }],
    });
    expect((await home.control.files(sessionId))[0]?.status).toBe('transferring');
    await home.control.ask('CancelFileTransfer', { SessionID: sessionId });
    await home.control.ask('CancelFileTransfer', { SessionID: sessionId });
    arrive(Buffer.from('late'));
    await home.control.ask('GetSessionUpdates');
    expect((await home.control.files(sessionId))[0]?.status).toBe('cancelled');
  });

  it('validates all transfers before the first begins', async () => {
    const sessionId = await fileSession();
    const chat = await runningChat();
    const start = (...FileInfoList: FileInfo[]) => home.control.ask('StartFileTransfer', { FileInfoList });
    await expect(start()).rejects.toMatchObject({ code: 600 });
    await expect(start({ ...file, sessionId }, { ...file, sessionId, fileId: '' })).rejects.toMatchObject({
      code: 600,
    });
    await expect(start({ ...file, sessionId: 's-9' })).rejects.toMatchObject({ code: 702 });
    await expect(start({ ...file, sessionId: chat })).rejects.toMatchObject({ code: 707 });
    await expect(start({ ...file, sessionId, fileId: 'f-9', direction: 'receive' })).rejects.toMatchObject({
      code: 707,
    });
    await expect(start({ ...file, sessionId, sizeBytes: 2 ** 40 })).rejects.toMatchObject({ code: 708 });
    await expect(
      start({ ...file, sessionId, fileId: 'good' }, { ...file, sessionId: 's-9', fileId: 'bad' }),
    ).rejects.toMatchObject({ code: 702 });
    await home.control.ask('LeaveSession', { SessionID: sessionId });
    await expect(start({ ...file, sessionId })).rejects.toMatchObject({ code: 703 });
    expect(await home.control.files(sessionId)).toEqual([]);
  });
});

it('preserves a message document from SendMessage to SearchMessages', async () => {
  await home.control.send({
    ...blankMessage,
    messageClass: 'e-Mail',
    subject: 'A & B',
    contentType: 'text/html',
    body: '<p>hi</p>',
  });
  expect(await home.control.messages()).toMatchObject([
    { messageClass: 'e-Mail', subject: 'A & B', contentType: 'text/html', body: '<p>hi</p>' },
  ]);
});
