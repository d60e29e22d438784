// The rows of the REST contract about sessions and files, against the Node host with a scripted agent.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Phone } from '../../../protocol/model.ts';
import type { FileInfo, NewMessage, PhoneSession } from '../../../protocol/phone-model.ts';
import { phoneSession, sessionId } from '../../contract/messages.ts';
import { RunningCloud } from '../hosts/running-cloud.ts';
import type { Call, ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
const sessions = '/v1/homes/home/sessions';
let agent: ScriptedAgent;
let phone: Phone;
/** The sessions that the scripted phone has. */
let held: PhoneSession[] = [];
let asked: Call[] = [];

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());
beforeEach(() => {
  held = [];
  asked = [];
  for (const action of Object.keys(agent.script)) delete agent.script[action as keyof typeof agent.script];
  agent.script.GetSessions = (call) => {
    const found = held.filter((session) => session.sessionId === call.arguments.SessionID);
    return { arguments: { SessionsList: found } };
  };
});

/** Lets the phone hold the session and tell the cloud of it. */
async function hold(n: number, session: Partial<PhoneSession> = {}): Promise<string> {
  const model = phoneSession({ sessionId: `chat-${n}`, updatedAt: '2026-11-22T12:00:00.000Z', ...session });
  held.push(model);
  await agent.deliver({ type: 'session.put', udn: phone.udn, epoch: 0, id: sessionId(n), session: model });
  return sessionId(n);
}

function answering(change: (session: PhoneSession) => void = () => undefined) {
  return (call: Call) => {
    asked.push(call);
    const session = held.find(({ sessionId }) => sessionId === call.arguments.SessionID);
    if (session !== undefined) change(session);
    return { arguments: {} };
  };
}

describe('GET /sessions (GetSessions) and GET /sessions/{id}', () => {
  it('answer from the store, filtered, newest first', async () => {
    const running = await hold(1);
    const closed = await hold(2, { status: 'Closed', sessionClass: 'SMS' });
    const ids = async (query: string) =>
      (await cloud.get(`${sessions}?${query}`)).body.items.map((session: { id: string }) => session.id);
    expect(await ids('')).toEqual([closed, running]);
    expect(await ids('status=Closed')).toEqual([closed]);
    expect(await ids('class=Chat&status=ANY')).toEqual([running]);
    expect(await ids(`phone=${phone.id}&limit=1`)).toEqual([closed]);
    expect((await cloud.get(`${sessions}/${running}`)).body).toEqual({
      id: running,
      sessionId: 'chat-1',
      home: 'home',
      phone: phone.id,
      sessionClass: 'Chat',
      status: 'Running',
      subject: null,
      contentTypes: ['text/plain'],
      initiator: null,
      recipients: [{ address: '+1' }],
      startedAt: null,
      updatedAt: '2026-11-22T12:00:00.000Z',
    });
    expect((await cloud.get(`${sessions}/s_nothing`)).status).toBe(404);
    expect((await cloud.get(`${sessions}?status=Open`)).body.issues[0].at).toBe('query.status');
  });
});

describe('POST /sessions (CreateSession)', () => {
  it('asks the phone, reads the session back and answers it', async () => {
    agent.script.CreateSession = (call) => {
      asked.push(call);
      held.push(phoneSession({ sessionId: 'made-1', subject: 'Plumber', status: 'Pending' }));
      return { arguments: { SessionID: 'made-1' }, made: sessionId(50) };
    };
    const answer = await cloud.post(sessions, {
      sessionClass: 'Chat',
      recipients: ['xmpp:ada', { address: 'xmpp:bob', displayName: 'Bob' }],
      subject: 'Plumber',
      contentTypes: ['text/plain', 'image/png'],
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ id: sessionId(50), sessionId: 'made-1', subject: 'Plumber', phone: phone.id });
    expect(answer.headers.get('location')).toBe(`${sessions}/${sessionId(50)}`);
    expect(asked[0]?.arguments).toEqual({
      SessionClass: 'Chat',
      SessionRecipients: [{ address: 'xmpp:ada' }, { address: 'xmpp:bob', displayName: 'Bob' }],
      Subject: 'Plumber',
      SupportedContentType: 'text/plain,image/png',
    });
  });

  it('answers what was asked for when the phone does not list it yet', async () => {
    agent.script.CreateSession = () => ({ arguments: { SessionID: 'made-2' }, made: sessionId(51) });
    const answer = await cloud.post(sessions, { sessionClass: 'SMS', recipients: ['+1'] });
    expect(answer.body).toMatchObject({ id: sessionId(51), status: 'Pending', recipients: [{ address: '+1' }] });
  });

  it('says that it may or may not have happened when the tunnel breaks meanwhile', async () => {
    agent.script.CreateSession = async () => {
      await agent.vanish();
      return undefined;
    };
    const answer = await cloud.post(sessions, { sessionClass: 'SMS', recipients: ['+1'] });
    expect([answer.status, answer.body.code]).toEqual([502, 'outcome-unknown']);
    await agent.connect();
    await agent.phones({
      udn: phone.udn,
      name: 'Kitchen',
      deviceType: 'x',
      address: '10.0.0.2:1',
      online: true,
      epoch: 0,
      trusted: true,
    });
    await cloud.phone();
  });
});

describe('PATCH /sessions/{id} (ModifySession)', () => {
  it('changes what is named and sends the rest as it is', async () => {
    const id = await hold(60, { subject: 'Old' });
    agent.script.ModifySession = answering((session) => {
      session.subject = 'New';
      session.updatedAt = '2026-11-22T13:00:00.000Z';
    });
    const answer = await cloud.request('PATCH', `${sessions}/${id}`, { subject: 'New', addRecipients: ['+2'] });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id, subject: 'New' });
    expect(asked[0]?.arguments).toEqual({
      SessionID: 'chat-60',
      SessionRecipientsToAdd: [{ address: '+2' }],
      SessionRecipientsToRemove: [],
      Subject: 'New',
      SupportedContentType: 'text/plain',
      SessionClass: 'Chat',
    });
  });
});

describe.each([
  ['accept', 'AcceptSession', 'Running'],
  ['join', 'JoinSession', 'Running'],
  ['leave', 'LeaveSession', 'Parked'],
  ['close', 'CloseSession', 'Closed'],
] as const)('POST /sessions/{id}/%s (%s)', (verb, action, status) => {
  const n = { accept: 70, join: 71, leave: 72, close: 73 }[verb];

  it('asks the phone and answers the session as it is then', async () => {
    const id = await hold(n, { status: 'Pending' });
    agent.script[action] = answering((session) => {
      session.status = status;
      session.updatedAt = '2026-11-22T13:00:00.000Z';
    });
    const answer = await cloud.post(`${sessions}/${id}/${verb}`);
    expect([answer.status, answer.body.id, answer.body.status]).toEqual([200, id, status]);
    expect(asked[0]?.arguments).toEqual({ SessionID: `chat-${n}` });
  });

  it('passes on a refusal, and changes nothing', async () => {
    const id = await hold(n + 10, { status: 'Pending' });
    agent.script[action] = () => ({ code: 'phone-refused', upnpCode: 703, upnpDescription: 'Not in a state for this' });
    const answer = await cloud.post(`${sessions}/${id}/${verb}`);
    expect([answer.status, answer.body.upnpCode]).toEqual([422, 703]);
    expect((await cloud.get(`${sessions}/${id}`)).body.status).toBe('Pending');
  });
});

it('POST /sessions/{id}/close closes a session that its phone forgets by it', async () => {
  const id = await hold(90);
  agent.script.CloseSession = () => {
    held = [];
    return { arguments: {} };
  };
  expect((await cloud.post(`${sessions}/${id}/close`)).body.status).toBe('Closed');
});

it('GET /sessions/updates (GetSessionUpdates) names sessions by the ids of the cloud where it knows them', async () => {
  const id = await hold(91);
  const known = { sessionId: 'chat-91', status: 'Running', change: 'message' };
  const unknown = { sessionId: 'chat-404', status: 'Pending', change: 'invited', time: '2026-11-22T12:00:00.000Z' };
  agent.script.GetSessionUpdates = () => ({ arguments: { SessionUpdates: [known, unknown] } });
  expect((await cloud.get(`${sessions}/updates`)).body.items).toEqual([
    { ...known, id, phone: phone.id },
    { ...unknown, id: null, phone: phone.id },
  ]);
});

it('GET /messages/new names the session of a new message', async () => {
  const id = await hold(92);
  const message: NewMessage = { messageId: 'n', messageClass: 'Instant Message', sessionId: 'chat-92' };
  agent.script.GetNewMessages = () => ({ arguments: { NewMessages: [message] } });
  expect((await cloud.get('/v1/homes/home/messages/new')).body.items[0].session).toBe(id);
});

describe('files of a session', () => {
  const file: FileInfo = {
    fileId: 'f-1',
    sessionId: 'chat-95',
    name: 'cake.jpg',
    contentType: 'image/jpeg',
    sizeBytes: 48_211,
    url: 'http://192.168.1.20/f-1',
    direction: 'send',
    status: 'pending',
    transferredBytes: 0,
  };

  it('POST …/files (StartFileTransfer) offers them with their addresses', async () => {
    const id = await hold(95, { sessionClass: 'File-Transfer' });
    agent.script.StartFileTransfer = answering();
    agent.script.GetFileTransferSession = () => ({ arguments: { FileInfoList: [file] } });
    const { fileId, name, contentType, sizeBytes, url } = file;
    const answer = await cloud.post(`${sessions}/${id}/files`, {
      files: [{ fileId, name, contentType, sizeBytes, url }],
    });
    expect([answer.status, answer.body]).toEqual([201, { items: [file], next: null }]);
    expect(asked[0]?.arguments).toEqual({ FileInfoList: [file] });
  });

  it('POST …/files/cancel (CancelFileTransfer) and GET …/files (GetFileTransferSession) answer them', async () => {
    const id = await hold(96, { sessionClass: 'File-Transfer' });
    agent.script.CancelFileTransfer = answering();
    agent.script.GetFileTransferSession = () => ({ arguments: { FileInfoList: [{ ...file, status: 'cancelled' }] } });
    const answer = await cloud.post(`${sessions}/${id}/files/cancel`);
    expect([answer.status, answer.body.items[0].status]).toEqual([200, 'cancelled']);
    expect(asked[0]?.arguments).toEqual({ SessionID: 'chat-96' });
    expect((await cloud.get(`${sessions}/${id}/files`)).body.items[0].name).toBe('cake.jpg');
  });
});
