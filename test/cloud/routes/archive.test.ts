// What a phone no longer shows stays: the cloud's side, by a scripted agent over real sockets.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import type { Home, Message, Phone } from '../../../protocol/model.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { Call, ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
const messages = '/v1/homes/home/messages';
let agent: ScriptedAgent;
let phone: Phone;
let count = 0;
let asked: Call[] = [];

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());
beforeEach(() => {
  asked = [];
  for (const action of Object.keys(agent.script)) delete agent.script[action as keyof typeof agent.script];
});

type Put = Extract<EdgeEvent, { type: 'message.put' }>;

function put(message: Partial<PhoneMessage> = {}): Put {
  const n = ++count;
  const about = { udn: phone.udn, epoch: 0, id: messageId(n), fingerprint: `f${n}` };
  return { type: 'message.put', ...about, message: phoneMessage({ messageId: `phone-${n}`, ...message }) };
}

function deleted({ id }: Put, more: { requested?: true; confirmed?: true } = {}): EdgeEvent {
  return { type: 'message.deleted', udn: phone.udn, epoch: 0, id, ...more };
}

const one = async (id: string) => (await cloud.get(`${messages}/${id}`)).body as Message;
const ids = async (query: string) =>
  (await cloud.get(`${messages}?${query}`)).body.items.map((item: Message) => item.id) as string[];
const unread = async () => (await cloud.get('/v1/homes/home/conversations')).body.unread as number;

/** Answers as the phone does, and notes what it was asked. */
function answer(
  action: 'ReadMessage' | 'DeleteMessage',
  reply: ReturnType<NonNullable<typeof agent.script.ReadMessage>>,
) {
  agent.script[action] = (call) => {
    asked.push(call);
    return reply;
  };
}

describe('a phone that no longer lists its messages', () => {
  it('takes none from the cloud, whether it answers nothing, a part, or all again', async () => {
    const five = ['one', 'two', 'three', 'four', 'five'].map((word) => put({ body: `${word} hiccup` }));
    await agent.deliver(...five);
    const before = (await cloud.get(`${messages}?q=hiccup`)).body.items as Message[];
    const counted = await unread();
    for (const missing of [five, five.slice(2), five.slice(0, 1)]) {
      await agent.deliver(...missing.map((each) => deleted(each)));
      const during = (await cloud.get(`${messages}?q=hiccup`)).body.items as Message[];
      const gone = new Set(missing.map(({ id }) => id));
      expect(during).toEqual(before.map((message) => ({ ...message, onPhone: !gone.has(message.id) })));
      expect(await unread()).toBe(counted);
      expect(await ids('q=hiccup&onPhone=false')).toEqual([...gone].reverse());
      await agent.deliver(...five);
      expect((await cloud.get(`${messages}?q=hiccup`)).body.items).toEqual(before);
    }
    expect(await ids('q=hiccup&onPhone=false')).toEqual([]);
  });

  it('is not asked when such a message is read or deleted', async () => {
    const [read, removed] = [put(), put()];
    await agent.deliver(read, removed, deleted(read), deleted(removed));
    answer('ReadMessage', { code: 'phone-unreachable' });
    answer('DeleteMessage', { code: 'phone-unreachable' });
    const { status, body } = await cloud.post(`${messages}/${read.id}/read`);
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { status: 'Read', onPhone: false, body: read.message.body },
    });
    expect((await cloud.request('DELETE', `${messages}/${removed.id}`)).status).toBe(204);
    await agent.deliver(read, removed);
    expect(await one(read.id)).toMatchObject({ status: 'Read', onPhone: true });
    expect((await cloud.get(`${messages}/${removed.id}`)).status).toBe(404);
    expect(asked).toEqual([]);
  });

  it('is known to lack a message when the agent says so, or the phone itself', async () => {
    const refusals = [
      [{ code: 'not-on-phone' }, false],
      [{ code: 'phone-refused', upnpCode: 701, upnpDescription: 'No such message' }, true],
    ] as const;
    for (const [refusal, onPhone] of refusals) {
      const [read, removed] = [put(), put()];
      await agent.deliver(read, removed);
      answer('ReadMessage', refusal);
      answer('DeleteMessage', refusal);
      expect(await cloud.post(`${messages}/${read.id}/read`)).toMatchObject({
        status: 200,
        body: { status: 'Read', onPhone },
      });
      expect((await cloud.request('DELETE', `${messages}/${removed.id}`)).status).toBe(204);
      expect((await cloud.get(`${messages}/${removed.id}`)).status).toBe(404);
    }
  });

  it('is told which message is meant by its identifier', async () => {
    const event = put();
    await agent.deliver(event);
    answer('ReadMessage', { arguments: { MessageRequested: { ...event.message, status: 'Read' } } });
    answer('DeleteMessage', { arguments: {} });
    await cloud.post(`${messages}/${event.id}/read`);
    await cloud.request('DELETE', `${messages}/${event.id}`);
    expect(asked.map(({ action, message }) => [action, message])).toEqual([
      ['ReadMessage', event.id],
      ['DeleteMessage', event.id],
    ]);
  });

  it.each([
    [
      'another message',
      { from: { address: '+15550100' }, body: 'Your code is 123', time: '2026-11-27T08:00:00.000Z' },
      false,
    ],
    ['its own with a corrected time', { time: '2026-11-22T12:00:00.000Z' }, true],
    ['its own from a contact of that number', { from: { address: 'Nonna' } }, true],
    ['its own in full', { body: 'Dinner at 8? Bring the cake.' }, true],
  ])('answers ReadMessage with %s: the text of the one meant is never that of another', async (_, more, isIt) => {
    const event = put();
    await agent.deliver(event);
    const shown = { ...event.message, ...more, status: 'Read' as const };
    answer('ReadMessage', { arguments: { MessageRequested: shown } });
    const { body } = await cloud.post(`${messages}/${event.id}/read`);
    expect(body).toMatchObject({
      status: 'Read',
      ...(isIt ? { body: shown.body } : { from: event.message.from, body: event.message.body }),
    });
  });
});

describe('what the household deleted', () => {
  it('is gone when the agent tells of its call, and the agent is told so', async () => {
    const event = put({ body: 'by a remote control point' });
    await agent.deliver(event, deleted(event, { requested: true }), event);
    expect((await cloud.get(`${messages}/${event.id}`)).status).toBe(404);
    const seen = agent.frames.length;
    agent.send({ type: 'inventory', udn: phone.udn });
    const { items } = await agent.next('inventory', seen);
    const { id, fingerprint } = event;
    expect(items.find((item) => item.id === id)).toEqual({
      id,
      messageId: event.message.messageId,
      epoch: 0,
      fingerprint,
      deleted: true,
    });
  });

  it('does not come back from the folder Deleted of its phone, under its id or another', async () => {
    agent.script.SendMessage = () => ({ arguments: { MessageID: 'sent-again' } });
    answer('DeleteMessage', { arguments: {} });
    for (let times = 0; times < 4; times++) {
      const sent = await cloud.post(messages, { messageClass: 'SMS', to: ['+390110001'], body: 'regretted words' });
      expect((await cloud.request('DELETE', `${messages}/${sent.body.id}`)).status).toBe(204);
      const binned = put({ messageId: 'sent-again', folder: 'Deleted', status: 'Read', body: 'regretted words' });
      await agent.deliver({ ...binned, id: sent.body.id }, binned);
      expect(await ids('q=regretted')).toEqual([]);
    }
  });

  it('lets the next message have the identifier', async () => {
    const [event, next] = [put({ body: 'the first in its place' }), put({ body: 'the second in its place' })];
    await agent.deliver(event, deleted(event, { requested: true }));
    const { messageId: place } = event.message;
    await agent.deliver({ ...next, message: { ...next.message, messageId: place, time: '2026-11-22T18:00:00.000Z' } });
    expect(await ids('q=in+its+place')).toEqual([next.id]);
  });
});

describe('a home that wants to be like its phone', () => {
  const home = async () => (await cloud.get('/v1/homes/home')).body as Home;

  it('loses a little with the phone, and is asked before it loses much', async () => {
    const all = Array.from({ length: 6 }, () => put({ body: 'like the phone' }));
    // What the phone lacked before is another question.
    await agent.deliver(...all);
    const absentBefore = await ids('onPhone=false&limit=200');
    expect((await cloud.request('PATCH', '/v1/homes/home', { keep: 'like-the-phone' })).status).toBe(200);
    const [first, ...others] = all;
    if (first === undefined) throw new Error('six were made');
    await agent.deliver(deleted(first));
    expect((await cloud.get(`${messages}/${first.id}`)).status).toBe(200);
    await agent.deliver(deleted(first, { confirmed: true }));
    await expect.poll(async () => (await cloud.get(`${messages}/${first.id}`)).status, patiently).toBe(404);

    const listed = await ids('onPhone=true&limit=200');
    const gone = listed.map(
      (id) => ({ type: 'message.deleted', udn: phone.udn, epoch: 0, id, confirmed: true }) as const,
    );
    await agent.deliver(...gone);
    await expect.poll(async () => (await home()).questions.length, patiently).toBe(1);
    await expect.poll(async () => (await home()).questions[0]?.count, patiently).toBe(listed.length);
    expect(await ids('q=phone&onPhone=false&limit=200')).toEqual(expect.arrayContaining(others.map(({ id }) => id)));
    const [question] = (await home()).questions;
    const answered = await cloud.post(`/v1/homes/home/questions/${question?.id}`, { answer: 'delete' });
    expect(answered).toMatchObject({ status: 200, body: { questions: [] } });
    await expect.poll(() => ids('limit=200'), patiently).toEqual(absentBefore);
    expect((await cloud.post(`/v1/homes/home/questions/${question?.id}`, { answer: 'keep' })).status).toBe(404);
    await cloud.request('PATCH', '/v1/homes/home', { keep: 'always' });
  });
});
