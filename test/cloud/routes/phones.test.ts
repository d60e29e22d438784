// The rows of the REST contract about homes, phones, agents and the 18 actions themselves.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ActionName, actionNames, actions } from '../../../protocol/actions.ts';
import type { Phone } from '../../../protocol/model.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { Call, ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
let agent: ScriptedAgent;
let phone: Phone;

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());
beforeEach(() => {
  for (const action of Object.keys(agent.script)) delete agent.script[action as keyof typeof agent.script];
});

const phonePath = () => `/v1/homes/home/phones/${phone.id}`;

describe('GET /homes, GET /homes/{home}, GET /homes/{home}/phones', () => {
  it('show the home online with its agent and phones', async () => {
    const shown = {
      id: phone.id,
      udn: 'uuid:phone-1',
      name: 'Kitchen',
      deviceType: 'urn:phone',
      online: true,
      approved: true,
      address: '10.0.0.2:80',
    };
    const home = await cloud.get('/v1/homes/home');
    expect(home.body).toEqual({
      flow: { fromPhones: null, toPhones: null },
      id: 'home',
      name: 'Home',
      online: true,
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      agent: { id: expect.stringMatching(/^t_/), name: 'scripted', version: 'scripted' },
      phones: [shown],
      keep: 'always',
      keepDays: null,
      country: null,
      questions: [],
    });
    expect((await cloud.get('/v1/homes')).body).toEqual({ items: [home.body], next: null });
    expect((await cloud.get('/v1/homes/home/phones')).body).toEqual({ items: [shown], next: null });
    expect((await cloud.get('/v1/homes/elsewhere')).status).toBe(404);
  });
});

describe('POST …/actions/{ActionName}', () => {
  it.each([...actionNames])('%s passes the exact names and strings, both ways', async (action: ActionName) => {
    const strings = (names: object) =>
      Object.fromEntries(Object.keys(names).map((name) => [name, ` <${name}>&\n “ü” `]));
    const given = strings(actions[action].in);
    const answered = strings(actions[action].out);
    const asked: Call[] = [];
    agent.script[action] = (call) => {
      asked.push(call);
      return { arguments: answered };
    };
    const answer = await cloud.post(`${phonePath()}/actions/${action}`, { arguments: given });
    expect([answer.status, answer.body]).toEqual([200, { arguments: answered }]);
    expect(asked[0]).toMatchObject({ action, form: 'text', arguments: given, udn: phone.udn });
  });

  it('names arguments that are missing and those that do not belong', async () => {
    const answer = await cloud.post(`${phonePath()}/actions/GetSessions`, {
      arguments: { SessionID: '', sessionClass: '', SessionStatus: '' },
    });
    expect(answer.status).toBe(400);
    expect(answer.body.issues).toEqual([
      { at: 'body.arguments.SessionClass', message: 'is missing' },
      { at: 'body.arguments.sessionClass', message: 'is no argument of this action' },
    ]);
    const number = await cloud.post(`${phonePath()}/actions/ReadMessage`, { arguments: { MessageID: 7 } });
    expect(number.body.issues[0].at).toBe('body.arguments.MessageID');
  });

  it('knows no other action, and no other phone', async () => {
    expect((await cloud.post(`${phonePath()}/actions/Reboot`, { arguments: {} })).status).toBe(404);
    const path = '/v1/homes/home/phones/p_other/actions/GetNewMessages';
    expect((await cloud.post(path, { arguments: {} })).status).toBe(404);
  });

  it.each([
    ['phone-refused', 422],
    ['phone-unreachable', 502],
    ['phone-malformed', 502],
    ['too-many-requests', 429],
    ['deadline-exceeded', 504],
  ])('passes on %s as %d', async (code, status) => {
    agent.script.GetNewMessages = () => ({ code });
    const answer = await cloud.post(`${phonePath()}/actions/GetNewMessages`, { arguments: {} });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('calls a lost answer unknown where the action may not be repeated', async () => {
    agent.script.StartFileTransfer = () => ({ code: 'deadline-exceeded' });
    const answer = await cloud.post(`${phonePath()}/actions/StartFileTransfer`, { arguments: { FileInfoList: '' } });
    expect([answer.status, answer.body.code]).toEqual([502, 'outcome-unknown']);
  });

  it('does not let an agent answer in the name of the cloud', async () => {
    agent.script.GetSessionUpdates = () => ({ code: 'unauthorized' });
    const answer = await cloud.post(`${phonePath()}/actions/GetSessionUpdates`, { arguments: {} });
    expect([answer.status, answer.body.code]).toEqual([502, 'phone-unreachable']);
  });

  it.each([
    ['a missing argument', {}],
    ['a number', { SessionUpdates: 3 }],
  ])('does not pass on an answer with %s', async (_, given) => {
    agent.script.GetSessionUpdates = () => ({ arguments: given });
    const answer = await cloud.post(`${phonePath()}/actions/GetSessionUpdates`, { arguments: {} });
    expect([answer.status, answer.body.code]).toEqual([502, 'phone-malformed']);
  });
});

describe('GET …/phones/{phone}/identity and …/capabilities', () => {
  it('ask the phone', async () => {
    const identity = [{ address: '+390119999', displayName: 'Home' }];
    agent.script.GetTelephonyIdentity = () => ({ arguments: { TelephonyIdentity: identity } });
    expect((await cloud.get(`${phonePath()}/identity`)).body).toEqual({ items: identity, next: null });
    const capabilities = { classes: [], sessionClasses: ['Chat'], fileTransfer: true };
    agent.script.GetMessagingCapabilities = () => ({ arguments: { SupportedCapabilities: capabilities } });
    expect((await cloud.get(`${phonePath()}/capabilities`)).body).toEqual(capabilities);
  });

  it('answer the last known capabilities when the phone does not answer', async () => {
    const capabilities = { classes: [], sessionClasses: ['SMS' as const], fileTransfer: false };
    agent.script.GetMessagingCapabilities = () => ({ code: 'phone-unreachable' });
    expect((await cloud.get(`${phonePath()}/capabilities`)).status).toBe(502);
    await agent.phones(presence('uuid:phone-1', { name: 'Kitchen', capabilities }));
    expect((await cloud.get(`${phonePath()}/capabilities`)).body).toEqual(capabilities);
  });
});

describe('POST …/phones/{phone}/approve and /revoke', () => {
  it('decide whether anything of the phone leaves the LAN', async () => {
    const stranger = presence('uuid:phone-2', { name: 'Hall' });
    expect(await agent.phones(presence('uuid:phone-1', { name: 'Kitchen' }), stranger)).toEqual(['uuid:phone-1']);
    const phones: Phone[] = (await cloud.get('/v1/homes/home/phones')).body.items;
    const hall = phones.find(({ udn }) => udn === 'uuid:phone-2');
    const path = `/v1/homes/home/phones/${hall?.id}`;
    const put = (n: number) =>
      agent.events({
        type: 'message.put',
        udn: 'uuid:phone-2',
        epoch: 0,
        id: messageId(n),
        message: phoneMessage({ messageId: `hall-${n}` }),
        fingerprint: '',
      });

    const seq = put(201);
    expect(await agent.next('term')).toMatchObject({ seq, code: 'phone-not-approved' });
    const refused = await cloud.post(`${path}/actions/GetNewMessages`, { arguments: {} });
    expect([refused.status, refused.body.code]).toEqual([409, 'phone-not-approved']);
    const send = { phone: hall?.id, messageClass: 'SMS', to: ['+1'], body: 'x' };
    expect((await cloud.post('/v1/homes/home/messages', send)).body.code).toBe('phone-not-approved');

    const seen = agent.frames.length;
    expect((await cloud.post(`${path}/approve`)).body).toMatchObject({ id: hall?.id, approved: true, online: true });
    expect((await agent.next('approvals', seen)).approved).toContain('uuid:phone-2');
    put(202);
    await agent.next('ack', seen);
    expect((await cloud.get(`/v1/homes/home/messages/${messageId(202)}`)).status).toBe(200);
    expect((await cloud.get(`/v1/homes/home/messages/${messageId(201)}`)).status).toBe(404);

    const before = agent.frames.length;
    expect((await cloud.post(`${path}/revoke`)).body.approved).toBe(false);
    expect((await agent.next('approvals', before)).approved).toEqual(['uuid:phone-1']);
    expect((await cloud.post('/v1/homes/home/phones/p_none/approve')).status).toBe(404);
    await agent.phones(presence('uuid:phone-1', { name: 'Kitchen' }));
  });
});

describe('GET, POST and DELETE …/agents', () => {
  it('make a token that opens the tunnel, show it once, and close the tunnel when it is revoked', async () => {
    const other = new RunningCloud();
    await other.start();
    try {
      const made = await other.post('/v1/homes/home/agents', { name: 'Raspberry' });
      expect(made.status).toBe(201);
      expect(made.body).toEqual({
        id: expect.any(String),
        name: 'Raspberry',
        token: expect.stringMatching(/^hl_.{43}$/),
      });
      const dialled = await other.agent();
      await dialled.connect();
      await expect.poll(async () => (await other.get('/v1/homes/home')).body.agent?.name, patiently).toBe('scripted');
      const listed = (await other.get('/v1/homes/home/agents')).body.items;
      expect(listed.map(({ name, online }: { name: string; online: boolean }) => [name, online])).toEqual(
        expect.arrayContaining([
          ['Raspberry', false],
          ['scripted', true],
        ]),
      );
      expect(JSON.stringify(listed)).not.toContain('hl_');
      const { id } = listed.find(({ name }: { name: string }) => name === 'scripted');
      expect((await other.request('DELETE', `/v1/homes/home/agents/${id}`)).status).toBe(204);
      await dialled.until(() => dialled.closeCode !== undefined);
      expect(dialled.closeCode).toBe(4003);
      await expect(dialled.dial()).rejects.toThrow('401');
      expect((await other.request('DELETE', `/v1/homes/home/agents/${id}`)).status).toBe(404);
    } finally {
      await other.stop();
    }
  });
});
