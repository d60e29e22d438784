// Idempotency-Key: the same POST again gets the first answer, another one under the same key is refused.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Phone } from '../../../protocol/model.ts';
import { phoneSession, sessionId } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
let agent: ScriptedAgent;
let phone: Phone;
let sent = 0;
const messages = '/v1/homes/home/messages';
const draft = { messageClass: 'SMS', to: ['+1'], body: 'once' };

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());
beforeEach(() => {
  sent = 0;
  agent.script.SendMessage = () => ({ arguments: { MessageID: `sent-${++sent}` } });
});

const post = (key: string, body: unknown = draft) => cloud.post(messages, body, { 'idempotency-key': key });

async function heldSession(): Promise<string> {
  const session = phoneSession({ sessionId: 'chat-1', updatedAt: '2026-11-22T12:00:00.000Z' });
  await agent.deliver({ type: 'session.put', udn: phone.udn, epoch: 0, id: sessionId(1), session });
  return sessionId(1);
}

describe('Idempotency-Key', () => {
  it('answers a repeat as the first time, and sends once', async () => {
    const first = await post('a');
    const second = await post('a');
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null]);
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    expect(sent).toBe(1);
  });

  it('refuses another request under the same key', async () => {
    await post('b');
    const other = await post('b', { ...draft, body: 'twice' });
    expect([other.status, other.body.code]).toEqual([409, 'idempotency-conflict']);
    const elsewhere = await cloud.post('/v1/homes/home/sessions', draft, { 'idempotency-key': 'b' });
    expect(elsewhere.body.code).toBe('idempotency-conflict');
    expect(sent).toBe(1);
  });

  it('lets twins wait for the first', async () => {
    const release = Promise.withResolvers<void>();
    agent.script.SendMessage = async () => {
      sent++;
      await release.promise;
      return { arguments: { MessageID: 'the-one' } };
    };
    const twins = Promise.all(Array.from({ length: 10 }, () => post('c')));
    await expect.poll(() => sent, patiently).toBe(1);
    release.resolve();
    const answers = await twins;
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(9);
    expect(sent).toBe(1);
  });

  it('keeps a refusal by the phone, but lets a request that did nothing be tried again', async () => {
    agent.script.SendMessage = () => {
      sent++;
      return { code: 'phone-refused', upnpCode: 706, upnpDescription: 'No such number' };
    };
    const refused = [await post('d'), await post('d')];
    expect(refused.map((answer) => answer.status)).toEqual([422, 422]);
    expect(refused[1]?.headers.get('content-type')).toBe('application/problem+json');
    expect(sent).toBe(1);

    expect((await post('e', { ...draft, to: [] })).status).toBe(400);
    agent.script.SendMessage = () => ({ arguments: { MessageID: 'x' } });
    expect((await post('e')).status).toBe(201);
  });

  it.each([
    ['phone-unreachable', undefined, 'asks again', '5'],
    ['too-many-requests', undefined, 'asks again', '5'],
    ['store-unavailable', undefined, 'asks again', '5'],
    ['deadline-exceeded', undefined, 'asks again', '5'],
    ['outcome-pending', undefined, 'asks again', '5'],
    ['phone-refused', 603, 'asks again', '5'],
    ['phone-refused', 709, 'asks again', '5'],
    ['phone-refused', 501, 'is kept', null],
    ['phone-refused', 706, 'is kept', null],
    ['phone-refused', undefined, 'is kept', null],
    ['outcome-unknown', undefined, 'is kept', null],
    ['phone-malformed', undefined, 'is kept', null],
    ['internal', undefined, 'is kept', null],
    ['invalid-request', undefined, 'asks again', null],
    ['not-on-phone', undefined, 'asks again', null],
  ])('with an answer of %s (%s) %s, and Retry-After is %s', async (code, upnpCode, fate, retryAfter) => {
    let asked = 0;
    agent.script.CreateSession = () => {
      asked++;
      return { code, ...(upnpCode !== undefined && { upnpCode }) };
    };
    const session = { sessionClass: 'SMS', recipients: ['+1'] };
    const create = () =>
      cloud.post('/v1/homes/home/sessions', session, { 'idempotency-key': `fate ${code} ${upnpCode}` });
    const answers = [await create(), await create(), await create()];
    expect(asked).toBe(fate === 'is kept' ? 1 : 3);
    expect(new Set(answers.map(({ body }) => body.code)).size).toBe(1);
    expect(answers[0]?.headers.get('retry-after')).toBe(retryAfter);
  });

  it('belongs to the token that used it', async () => {
    const { token } = (await cloud.post('/v1/tokens', { name: 't', scopes: ['messages:send'] })).body;
    await post('f');
    const other = await cloud.post(messages, draft, { 'idempotency-key': 'f', authorization: `Bearer ${token}` });
    expect([other.status, other.headers.get('idempotency-replayed')]).toEqual([201, null]);
  });

  it('replays a new token without its secret being anywhere on disk', async () => {
    const make = () => cloud.post('/v1/tokens', { name: 't', scopes: ['messages:read'] }, { 'idempotency-key': 'g' });
    const first = await make();
    expect((await make()).body).toEqual(first.body);
    expect((await cloud.get('/v1/tokens')).body.items).toHaveLength(3);
    for (const name of readdirSync(cloud.folder)) {
      expect(readFileSync(join(cloud.folder, name)).includes(first.body.token)).toBe(false);
    }
  });

  it('names to the agent what must not happen twice, should the cloud die in the middle', async () => {
    const keys: (string | undefined)[] = [];
    agent.script.CreateSession = (call) => {
      keys.push(call.key);
      return { code: 'phone-unreachable' };
    };
    const create = (key: string) =>
      cloud.post('/v1/homes/home/sessions', { sessionClass: 'SMS', recipients: ['+1'] }, { 'idempotency-key': key });
    await create('s1');
    await create('s2');
    // Nothing was done at the phone, so that the same key may try again.
    await create('s1');
    expect(keys).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^.{1,64}$/)));
    expect(keys[0]).not.toBe(keys[1]);
    expect(keys[2]).toBe(keys[0]);
  });

  it('asks the agent again where the answer was lost, and keeps the answer then', async () => {
    const keys: (string | undefined)[] = [];
    const replies = [{ code: 'outcome-pending' }, { code: 'outcome-unknown' }];
    agent.script.StartFileTransfer = (call) => {
      keys.push(call.key);
      return replies.shift();
    };
    const id = await heldSession();
    const file = { name: 'a', contentType: 'text/plain', sizeBytes: 1, url: 'http://a/', direction: 'send' };
    const start = () =>
      cloud.post(`/v1/homes/home/sessions/${id}/files`, { files: [file] }, { 'idempotency-key': 'files' });
    const answers = [await start(), await start(), await start()];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [503, 'outcome-pending'],
      [502, 'outcome-unknown'],
      [502, 'outcome-unknown'],
    ]);
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  it('is no other request’s where the answer was lost', async () => {
    const replies = ['outcome-pending', 'phone-unreachable', 'outcome-pending'];
    agent.script.LeaveSession = () => ({ code: replies.shift() ?? '' });
    const id = await heldSession();
    const ask = (step: string) =>
      cloud.post(`/v1/homes/home/sessions/${id}/${step}`, undefined, { 'idempotency-key': 'open' });
    const codes: string[] = [];
    for (const step of ['leave', 'close', 'leave', 'close', 'leave']) codes.push((await ask(step)).body.code);
    const refused = 'idempotency-conflict';
    expect(codes).toEqual(['outcome-pending', refused, 'phone-unreachable', refused, 'outcome-pending']);
  });

  it('is passed on with what changes a session', async () => {
    const keys: (string | undefined)[] = [];
    agent.script.LeaveSession = (call) => {
      keys.push(call.key);
      return { code: 'outcome-pending' };
    };
    const id = await heldSession();
    const leave = () => cloud.post(`/v1/homes/home/sessions/${id}/leave`, undefined, { 'idempotency-key': 'leave' });
    await leave();
    await leave();
    expect(keys).toEqual([expect.stringMatching(/^.{1,64}$/), keys[0]]);
  });

  it('has 1 to 255 characters', async () => {
    expect((await post('k'.repeat(256))).status).toBe(400);
    expect((await post('k'.repeat(255))).status).toBe(201);
  });

  it('still answers the same after a restart', async () => {
    const first = await post('h');
    await cloud.restart();
    expect((await post('h')).body).toEqual(first.body);
  });
});
