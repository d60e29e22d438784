// What the contract promises while a home is offline, comes back, and is lost in the middle of something.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { Call } from '../hosts/scripted-agent.ts';

let cloud: RunningCloud;
const messages = '/v1/homes/home/messages';
const draft = { messageClass: 'SMS', to: ['+390110001'], body: 'On my way' };
const trusted = presence('uuid:phone-1', { trusted: true });

beforeEach(async () => {
  cloud = new RunningCloud();
  await cloud.start();
});
afterEach(() => cloud.stop());

const stateOf = async (id: string) => (await cloud.get(`${messages}/${id}`)).body.state;

describe('while the home is offline', () => {
  it('answers 202 `queued`, and sends in order when the home is back', async () => {
    const bodies = ['one', 'two', 'three'];
    const ids: string[] = [];
    for (const body of bodies) {
      const answer = await cloud.post(messages, { ...draft, body });
      expect([answer.status, answer.body.state]).toEqual([202, 'queued']);
      ids.push(answer.body.id);
    }
    const sent: Call[] = [];
    const agent = await cloud.agent({
      SendMessage: (call) => {
        sent.push(call);
        return { arguments: { MessageID: `sent-${sent.length}` } };
      },
    });
    await agent.connect();
    await agent.phones(trusted);
    await expect.poll(() => stateOf(ids[2] ?? ''), patiently).toBe('sent');
    expect(sent.map((call) => (call.arguments.MessageToSend as { body: string }).body)).toEqual(bodies);
    expect(sent.map((call) => call.key)).toEqual(ids);
  });

  it('answers 503 `home-offline` with `fail`, and keeps nothing', async () => {
    const answer = await cloud.post(messages, { ...draft, ifOffline: 'fail' });
    expect([answer.status, answer.body.code]).toEqual([503, 'home-offline']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await cloud.get(messages)).body.items).toEqual([]);
  });

  it('gives up a queued send after `deliverBy`', async () => {
    const deliverBy = new Date(Date.now() + 2_000).toISOString();
    const { id } = (await cloud.post(messages, { ...draft, deliverBy })).body;
    await expect.poll(() => stateOf(id), patiently).toBe('failed');
    expect((await cloud.get(`${messages}/${id}`)).body.stateReason).toContain('time ran out');
  });

  it('deletes a queued send, which then never goes out', async () => {
    const { id } = (await cloud.post(messages, draft)).body;
    expect((await cloud.request('DELETE', `${messages}/${id}`)).status).toBe(204);
    let calls = 0;
    const agent = await cloud.agent({
      SendMessage: () => {
        calls++;
        return { arguments: { MessageID: 'x' } };
      },
    });
    await agent.connect();
    await agent.phones(trusted);
    await cloud.post(messages, draft);
    expect(calls).toBe(1);
  });

  it('still answers lists and looks, and 503 for what needs the phone', async () => {
    const { agent, phone } = await cloud.homeWithPhone();
    await agent.deliver({
      type: 'message.put',
      udn: phone.udn,
      epoch: 0,
      id: messageId(1),
      message: phoneMessage(),
      fingerprint: '',
    });
    await agent.vanish();
    await expect.poll(async () => (await cloud.get('/v1/homes/home')).body.online, patiently).toBe(false);
    expect((await cloud.get(messages)).body.items).toHaveLength(1);
    expect((await cloud.get(`${messages}/${messageId(1)}`)).status).toBe(200);
    expect((await cloud.get('/v1/homes/home/sessions')).status).toBe(200);
    for (const [method, path] of [
      ['POST', `${messages}/${messageId(1)}/read`],
      ['DELETE', `${messages}/${messageId(1)}`],
      ['GET', `${messages}/new`],
      ['GET', '/v1/homes/home/sessions/updates'],
      ['GET', `/v1/homes/home/phones/${phone.id}/identity`],
    ] as const) {
      const answer = await cloud.request(method, path);
      expect([path, answer.status, answer.body.code]).toEqual([path, 503, 'home-offline']);
    }
    expect((await cloud.get(`${messages}/${messageId(1)}`)).body.status).toBe('Unread');
  });
});

describe('when the tunnel breaks in the middle of a send', () => {
  it('asks again under the same key when the agent is back, and settles on its first outcome', async () => {
    const keys: (string | undefined)[] = [];
    const { agent } = await cloud.homeWithPhone({
      SendMessage: async (call) => {
        keys.push(call.key);
        await agent.vanish();
        return undefined;
      },
    });
    const answer = await cloud.post(messages, draft);
    expect([answer.status, answer.body.state]).toEqual([202, 'sending']);
    agent.script.SendMessage = (call) => {
      keys.push(call.key);
      return { arguments: { MessageID: 'the-first-outcome' } };
    };
    await agent.connect();
    await agent.phones(trusted);
    await expect.poll(() => stateOf(answer.body.id), patiently).toBe('sent');
    expect(keys).toEqual([answer.body.id, answer.body.id]);
  });

  it('does so too when the cloud was restarted meanwhile', async () => {
    const { agent } = await cloud.homeWithPhone({
      SendMessage: async () => {
        await agent.vanish();
        return undefined;
      },
    });
    const { id } = (await cloud.post(messages, draft)).body;
    await cloud.restart();
    expect(await stateOf(id)).toBe('sending');
    const back = await cloud.agent({ SendMessage: () => ({ arguments: { MessageID: 'settled' } }) });
    await back.connect();
    await back.phones(trusted);
    await expect.poll(() => stateOf(id), patiently).toBe('sent');
  });

  it('answers `tunnel-lost` to a waiting call that may be repeated', async () => {
    const { agent, phone } = await cloud.homeWithPhone({
      GetTelephonyIdentity: async () => {
        await agent.vanish();
        return undefined;
      },
    });
    const answer = await cloud.get(`/v1/homes/home/phones/${phone.id}/identity`);
    expect([answer.status, answer.body.code]).toEqual([503, 'tunnel-lost']);
  });
});

describe('when the phone goes, but the agent stays', () => {
  it('queues, and sends when the phone is back', async () => {
    const { agent } = await cloud.homeWithPhone({ SendMessage: () => ({ arguments: { MessageID: 'x' } }) });
    await agent.phones({ ...trusted, online: false });
    const queued = await cloud.post(messages, draft);
    expect([queued.status, queued.body.state]).toEqual([202, 'queued']);
    const failed = await cloud.post(messages, { ...draft, ifOffline: 'fail' });
    expect([failed.status, failed.body.code]).toEqual([503, 'phone-offline']);
    await agent.phones(trusted);
    await expect.poll(() => stateOf(queued.body.id), patiently).toBe('sent');
  });
});

it('keeps the order of sends to the same people, and lets others pass', async () => {
  const release = Promise.withResolvers<void>();
  const order: string[] = [];
  await cloud.homeWithPhone({
    SendMessage: async (call) => {
      const { body } = call.arguments.MessageToSend as { body: string };
      order.push(body);
      if (body === 'slow') await release.promise;
      return { arguments: { MessageID: body } };
    },
  });
  const slow = cloud.post(messages, { ...draft, body: 'slow' });
  await expect.poll(() => order, patiently).toEqual(['slow']);
  const second = cloud.post(messages, { ...draft, body: 'second' });
  expect((await cloud.post(messages, { ...draft, to: ['+2'], body: 'elsewhere' })).status).toBe(201);
  expect(order).toEqual(['slow', 'elsewhere']);
  release.resolve();
  expect([(await slow).status, (await second).status]).toEqual([201, 201]);
  expect(order).toEqual(['slow', 'elsewhere', 'second']);
});
