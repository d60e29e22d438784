// An approved phone that is off: whatever takes its name meanwhile gets nothing before the household was asked.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Phone } from '../../../protocol/model.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
const udn = 'uuid:phone-1';
let agent: ScriptedAgent;
let phone: Phone;
const at = (address: string, online = true) =>
  presence(udn, { trusted: true, online, address: `${address}:80`, evidence: { address, digest: 'd1' } });
const draft = { messageClass: 'SMS', to: ['+390110001'], body: 'For the household alone' };
const sends = () => agent.frames.filter((frame) => frame.type === 'call' && frame.action === 'SendMessage');
const look = async (): Promise<Phone> => (await cloud.get('/v1/homes/home/phones')).body.items[0];

beforeAll(async () => {
  await cloud.start();
  agent = await cloud.agent({ SendMessage: () => ({ arguments: { MessageID: 'sent-1' } }) });
});
afterAll(() => cloud.stop());
beforeEach(async () => {
  await agent.vanish();
  await agent.connect();
  await agent.phones(at('10.0.0.2'));
  phone = await look();
  await cloud.post(`/v1/homes/home/phones/${phone.id}/approve`);
});

it('holds back what is to be sent until the household says that the phone is its own', async () => {
  await agent.phones(at('10.0.0.2', false));
  const sent = await cloud.post('/v1/homes/home/messages', { ...draft, phone: phone.id });
  expect([sent.status, sent.body.state]).toEqual([202, 'queued']);
  expect(await agent.phones(at('10.0.0.66'))).toEqual([]);
  expect(await look()).toMatchObject({ approved: false, changed: { from: '10.0.0.2', to: '10.0.0.66' } });
  const later = await cloud.post('/v1/homes/home/messages', { ...draft, phone: phone.id });
  expect([later.status, later.body.state]).toEqual([202, 'queued']);
  const path = `/v1/homes/home/phones/${phone.id}/actions/GetTelephonyIdentity`;
  expect((await cloud.post(path, { arguments: {} })).status).toBe(503);
  expect(sends()).toEqual([]);
  await cloud.post(`/v1/homes/home/phones/${phone.id}/approve`);
  await expect.poll(() => sends().length, patiently).toBe(2);
});

it('says in the sends that it holds that the phone must be confirmed first', async () => {
  await agent.phones(at('10.0.0.2', false));
  const before = (await cloud.post('/v1/homes/home/messages', { ...draft, phone: phone.id })).body;
  expect(before.stateReason).toMatch(/^The phone is offline/);
  await agent.phones(at('10.0.0.66'));
  const words = /^The household must confirm the phone first\. .*10\.0\.0\.2.*10\.0\.0\.66.* held until/;
  const reason = async () => (await cloud.get(`/v1/homes/home/messages/${before.id}`)).body.stateReason;
  await expect.poll(reason, patiently).toMatch(words);
  const after = (await cloud.post('/v1/homes/home/messages', { ...draft, phone: phone.id })).body;
  expect([after.state, after.stateReason]).toEqual(['queued', expect.stringMatching(words)]);
  await cloud.post(`/v1/homes/home/phones/${phone.id}/revoke`);
});

it('approves what was looked at, and not what was seen after', async () => {
  const approve = (body?: object) => cloud.post(`/v1/homes/home/phones/${phone.id}/approve`, body);
  await agent.phones(at('10.0.0.66'));
  const { changed: shown } = await look();
  await agent.phones(at('10.0.0.67'));
  const refused = await approve({ changed: shown?.id });
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'conflict', detail: expect.stringContaining('10.0.0.67') },
  });
  expect(await look()).toMatchObject({ approved: false, changed: { to: '10.0.0.67' } });
  // At the same address, but described otherwise.
  await agent.phones(presence(udn, { address: '10.0.0.67:80', evidence: { address: '10.0.0.67', digest: 'd2' } }));
  const { changed } = await look();
  expect(changed?.to).toBe('10.0.0.67');
  expect((await approve({ changed: 'c_none' })).status).toBe(409);
  const approved = await approve({ changed: changed?.id });
  expect(approved).toMatchObject({ status: 200, body: { approved: true } });
  // Repeated, for its answer may have been lost.
  expect((await approve({ changed: changed?.id })).status).toBe(200);
  expect((await approve({ changed: 7 })).status).toBe(400);
  for (const body of [undefined, '', '{}'] as const) {
    const path = `/v1/homes/home/phones/${phone.id}/approve`;
    const headers = { 'content-type': 'application/json' };
    expect((await cloud.request('POST', path, body, headers)).status).toBe(200);
  }
});

it('takes nothing from it either', async () => {
  expect(await agent.phones(at('10.0.0.66'))).toEqual([]);
  const message = phoneMessage({ messageId: 'planted', body: 'planted' });
  agent.events({ type: 'message.put', udn, epoch: 0, id: messageId(66), message, fingerprint: '' });
  await agent.next('term');
  expect((await cloud.get(`/v1/homes/home/messages/${messageId(66)}`)).status).toBe(404);
});

it('goes on by itself when the phone is back where it was, on whatever port', async () => {
  expect(await agent.phones(at('10.0.0.66'))).toEqual([]);
  expect(await agent.phones({ ...at('10.0.0.2'), address: '10.0.0.2:49999' })).toEqual([udn]);
  expect((await look()).changed).toBeUndefined();
});

it('keeps it out when the household refuses', async () => {
  await agent.phones(at('10.0.0.66'));
  await cloud.post(`/v1/homes/home/phones/${phone.id}/revoke`);
  expect(await agent.phones(at('10.0.0.66'))).toEqual([]);
  expect(await look()).toMatchObject({ approved: false });
  expect((await look()).changed).toBeUndefined();
});

it('names to the agent the evidence for which an approval counts', async () => {
  const frames = agent.frames.length;
  await agent.phones(at('10.0.0.2'));
  const approvals = await agent.next('approvals', frames);
  expect(approvals.evidence?.[udn]).toEqual({ address: '10.0.0.2', digest: 'd1' });
});
