// All 18 actions through cloud, tunnel and agent to the phone and back: as REST resources and with UPnP arguments.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ActionName, actionNames } from '../../protocol/actions.ts';
import type { Session } from '../../protocol/model.ts';
import { Household, type TestPhone } from './household.ts';

let household: Household;
let desk: TestPhone;
let phone: string;

beforeAll(async () => {
  household = await Household.open();
  desk = await household.addPhone('Study');
  await household.startAgent();
  phone = (await household.phoneOnline('Study')).id;
});
afterAll(() => household.close());

describe('by resource', () => {
  it('GetTelephonyIdentity', async () => {
    const identity = await household.home('GET', `/phones/${phone}/identity`);
    expect(JSON.stringify(identity)).toContain('+390119999');
  });

  it('GetMessagingCapabilities', async () => {
    const capabilities = await household.home('GET', `/phones/${phone}/capabilities`);
    expect(capabilities).toMatchObject({ fileTransfer: true });
    expect(JSON.stringify(capabilities)).toContain('"messageClass":"SMS"');
  });

  it('GetNewMessages', async () => {
    const messageId = await desk.line.receive('+391', 'new');
    const { items } = await household.home('GET', '/messages/new');
    expect(items).toContainEqual(expect.objectContaining({ messageId, messageClass: 'SMS' }));
  });

  it('SearchMessages, ReadMessage, DeleteMessage', async () => {
    const events = await household.events();
    const messageId = await desk.line.receive('+392', 'search me');
    await events.next('message.received', (event) => event.data.messageId === messageId);
    const { items } = await household.home('GET', '/messages?class=SMS&folder=Received&status=Unread&q=search+me');
    expect(items).toHaveLength(1);
    expect(await household.home('POST', `/messages/${items[0].id}/read`)).toMatchObject({ status: 'Read' });
    await household.home('DELETE', `/messages/${items[0].id}`);
    expect((await household.home('GET', '/messages?q=search+me')).items).toEqual([]);
  });

  it('SendMessage', async () => {
    const sent = await household.home('POST', '/messages', { messageClass: 'SMS', to: ['+393'], body: 'by resource' });
    expect(sent).toMatchObject({ state: 'sent', body: 'by resource' });
    expect(desk.line.sent.map((message) => message.body)).toContain('by resource');
  });

  it('CreateSession, ModifySession, messages in it, GetSessions, LeaveSession, JoinSession, CloseSession', async () => {
    const created: Session = await household.home('POST', '/sessions', {
      sessionClass: 'Chat',
      recipients: ['xmpp:ada@example.org'],
      subject: 'Plumber',
    });
    expect(created).toMatchObject({ sessionClass: 'Chat', subject: 'Plumber', phone });
    const at = `/sessions/${created.id}`;
    const modified: Session = await household.home('PATCH', at, {
      addRecipients: ['xmpp:bob@example.org'],
      subject: 'Plumber, again',
    });
    expect(modified.subject).toBe('Plumber, again');
    expect(modified.recipients.map((party) => party.address)).toContain('xmpp:bob@example.org');
    await desk.line.events.joined(created.sessionId, { address: 'xmpp:ada@example.org' });
    const said = await household.home('POST', `${at}/messages`, { messageClass: 'Instant Message', body: 'hello' });
    expect(said).toMatchObject({ sessionId: created.id, state: 'sent' });
    const { items: thread } = await household.home('GET', `${at}/messages`);
    expect(thread).toHaveLength(1);
    const { items } = await household.home('GET', '/sessions?class=Chat');
    expect(items.map((session: Session) => session.id)).toContain(created.id);
    expect(await household.home('GET', at)).toMatchObject({ sessionId: created.sessionId });
    await household.home('POST', `${at}/leave`);
    expect(await household.home('POST', `${at}/join`)).toMatchObject({ status: 'Running' });
    expect(await household.home('POST', `${at}/close`)).toMatchObject({ status: 'Closed' });
    const again = await household.api('POST', `/homes/home${at}/accept`);
    expect(again).toMatchObject({ status: 422, body: { code: 'phone-refused', upnpCode: 703 } });
  });

  it('AcceptSession and GetSessionUpdates', async () => {
    const events = await household.events();
    const initiator = { address: 'xmpp:ada@example.org' };
    const sessionId = await desk.line.events.offered({ sessionClass: 'Chat', initiator, subject: 'Hi' });
    const { data } = await events.next('session.updated', (event) => event.data.sessionId === sessionId);
    expect(data.status).toBe('Pending');
    const { items } = await household.home('GET', '/sessions/updates');
    expect(items).toContainEqual(expect.objectContaining({ sessionId }));
    expect(await household.home('POST', `/sessions/${data.id}/accept`)).toMatchObject({ status: 'Running' });
    expect(desk.line.steps.at(-1)).toMatchObject({ step: 'accepted' });
  });

  it('StartFileTransfer, GetFileTransferSession, CancelFileTransfer', async () => {
    const session: Session = await household.home('POST', '/sessions', {
      sessionClass: 'File-Transfer',
      recipients: ['xmpp:ada@example.org'],
    });
    await desk.line.events.joined(session.sessionId, { address: 'xmpp:ada@example.org' });
    const at = `/sessions/${session.id}/files`;
    const file = {
      name: 'cake.jpg',
      contentType: 'image/jpeg',
      sizeBytes: 48_211,
      url: 'http://127.0.0.1:1/cake.jpg',
      direction: 'send',
    };
    const started = await household.api('POST', `/homes/home${at}`, { files: [file] });
    expect(started.status, JSON.stringify(started.body)).toBeLessThan(300);
    const { items } = await household.home('GET', at);
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ name: 'cake.jpg', sizeBytes: 48_211, url: 'http://127.0.0.1:1/cake.jpg' });
    const cancelled = await household.api('POST', `/homes/home${at}/cancel`);
    expect([200, 204, 422], JSON.stringify(cancelled.body)).toContain(cancelled.status);
    const after = await household.home('GET', at);
    expect(['cancelled', 'failed']).toContain(after.items[0].status);
  });
});

describe('argument for argument', () => {
  it('carries the exact names and strings of every action, and every refusal of the phone', async () => {
    const called = new Set<ActionName>();
    const call = async (action: ActionName, given: Record<string, string> = {}): Promise<Record<string, string>> => {
      called.add(action);
      const answer = await household.home('POST', `/phones/${phone}/actions/${action}`, { arguments: given });
      return answer.arguments;
    };
    const xmlns = 'xmlns="urn:homeline:messaging:1"';
    const recipients = (address: string) =>
      `<recipientsList ${xmlns}><recipient><address>${address}</address></recipient></recipientsList>`;

    expect((await call('GetTelephonyIdentity')).TelephonyIdentity).toContain('+390119999');
    expect((await call('GetMessagingCapabilities')).SupportedCapabilities).toContain('<messagingCapabilities');
    const arrived = await desk.line.receive('+394', 'exact');
    expect((await call('GetNewMessages')).NewMessages).toContain(arrived);
    const search = { MessageClass: 'SMS', MessageFolder: 'Received', MessageStatus: 'ANY', SessionID: '' };
    expect((await call('SearchMessages', search)).MessageList).toContain(arrived);
    expect((await call('ReadMessage', { MessageID: arrived })).MessageRequested).toContain('exact');
    const message = `<message ${xmlns}><messageClass>SMS</messageClass><recipients><recipient><address>+395</address></recipient></recipients><content type="text/plain">exactly so</content></message>`;
    const { MessageID } = await call('SendMessage', { MessageToSend: message });
    expect(MessageID).toBeTruthy();
    expect(desk.line.sent.at(-1)?.body).toBe('exactly so');
    expect(await call('DeleteMessage', { MessageID: arrived })).toEqual({});

    const { SessionID = '' } = await call('CreateSession', {
      SessionClass: 'Mixed',
      SessionRecipients: recipients('xmpp:a@b'),
      Subject: 'S & <T>',
      SupportedContentType: 'text/plain',
    });
    await desk.line.events.joined(SessionID, { address: 'xmpp:a@b' });
    await call('ModifySession', {
      SessionID,
      SessionRecipientsToAdd: recipients('xmpp:c@d'),
      SessionRecipientsToRemove: '',
      Subject: 'changed',
      SupportedContentType: 'text/plain',
      SessionClass: 'Mixed',
    });
    const sessions = await call('GetSessions', { SessionID, SessionClass: 'ANY', SessionStatus: '' });
    expect(sessions.SessionsList).toContain('xmpp:c@d');
    expect((await call('GetSessionUpdates')).SessionUpdates).toContain(SessionID);
    const files = `<fileInfoList ${xmlns}><fileInfo><fileID>f-1</fileID><sessionID>${SessionID}</sessionID><name>a.txt</name><contentType>text/plain</contentType><size>3</size><url>http://127.0.0.1:1/a</url><direction>send</direction><status>pending</status><transferred>0</transferred></fileInfo></fileInfoList>`;
    expect(await call('StartFileTransfer', { FileInfoList: files })).toEqual({});
    expect((await call('GetFileTransferSession', { SessionID })).FileInfoList).toContain('a.txt');
    await call('CancelFileTransfer', { SessionID }).catch((refusal) =>
      expect(String(refusal)).toContain('"upnpCode":70'),
    );
    await call('LeaveSession', { SessionID });
    await call('JoinSession', { SessionID });
    const offered = await desk.line.events.offered({ sessionClass: 'Chat', initiator: { address: 'xmpp:e@f' } });
    expect(await call('AcceptSession', { SessionID: offered })).toEqual({});
    expect(await call('CloseSession', { SessionID })).toEqual({});
    expect([...called].sort()).toEqual([...actionNames].sort());

    const refused = await household.api('POST', `/homes/home/phones/${phone}/actions/ReadMessage`, {
      arguments: { MessageID: 'none such' },
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'phone-refused', upnpCode: 701 } });
  });

  it('refuses what the table does not know before anything reaches the phone', async () => {
    const post = (action: string, given: unknown) =>
      household.api('POST', `/homes/home/phones/${phone}/actions/${action}`, { arguments: given });
    const missing = await post('ReadMessage', {});
    expect(missing).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    expect(JSON.stringify(missing.body)).toContain('MessageID');
    const unknown = await post('ReadMessage', { MessageID: '1', Colour: 'red' });
    expect(unknown).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    expect(JSON.stringify(unknown.body)).toContain('Colour');
    expect((await post('DoSomething', {})).status).toBe(404);
  });
});
