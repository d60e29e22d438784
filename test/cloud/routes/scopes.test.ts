// Scopes say what they give: ids without the scope of the content, no change by reading, no approval without its scope.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { HomeEvent, Phone } from '../../../protocol/model.ts';
import { messageId, phoneMessage, phoneSession, presence } from '../../contract/messages.ts';
import { RunningCloud } from '../hosts/running-cloud.ts';
import { ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
let agent: ScriptedAgent;
let phone: Phone;
beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const tokenWith = async (...scopes: string[]): Promise<string> =>
  (await cloud.post('/v1/tokens', { name: 'scoped', home: 'home', scopes })).body.token;
const sessionId = 's_01ARZ3NDEKTSV4RRFFQ69G5FAV';

/** Two messages, a session and the phone's going and coming: each kind of content. */
async function happen(n: number): Promise<void> {
  const ofPhone = { udn: 'uuid:phone-1', epoch: 0 };
  const message = phoneMessage({ messageId: `m-${n}`, body: 'secret text', status: 'Unread' });
  await agent.deliver({ type: 'message.put', ...ofPhone, id: messageId(n), message, fingerprint: '' });
  const read = { ...message, status: 'Read' as const };
  await agent.deliver({ type: 'message.put', ...ofPhone, id: messageId(n), message: read, fingerprint: '' });
  const session = phoneSession({ sessionId: `session ${n}`, subject: `secret subject ${n}` });
  await agent.deliver({ type: 'session.put', ...ofPhone, id: sessionId, session });
  const kitchen = presence('uuid:phone-1', { name: 'secret kitchen', trusted: true });
  await agent.phones({ ...kitchen, online: false });
  await agent.phones(kitchen);
}

/** The events after a point that a token is told, by both streams. */
async function told(token: string, after: string, until: (events: HomeEvent[]) => boolean) {
  const path = `/v1/homes/home/events`;
  const socket = new WebSocket(`${cloud.url.replace('http', 'ws')}${path}/ws?after=${after}`, {
    headers: bearer(token),
  });
  const bySocket: HomeEvent[] = [];
  socket.on('message', (data) => bySocket.push(JSON.parse(data.toString())));
  await once(socket, 'open');
  const answer = await fetch(cloud.url + path, { headers: { ...bearer(token), 'last-event-id': after } });
  const byStream: HomeEvent[] = [];
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += new TextDecoder().decode(chunk);
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) byStream.push(JSON.parse(data));
    }
    if (until(byStream)) break;
  }
  await expect.poll(() => until(bySocket)).toBe(true);
  socket.terminate();
  expect(bySocket.slice(0, byStream.length)).toEqual(byStream);
  return byStream;
}

const isWhole = (events: HomeEvent[]) => events.filter(({ type }) => type === 'phone.online').length > 0;
const start = '00000000000000000000000000';
const dataOf = (events: HomeEvent[], type: HomeEvent['type']) => events.findLast((event) => event.type === type)?.data;

describe('events', () => {
  it('hold ids only for events:read alone, live and replayed', async () => {
    const token = await tokenWith('events:read');
    await happen(1);
    const events = await told(token, start, (seen) => seen.some(({ type }) => type === 'session.updated'));
    expect(JSON.stringify(events)).not.toContain('secret');
    expect(dataOf(events, 'message.received')).toEqual({ id: messageId(1) });
    expect(dataOf(events, 'message.updated')).toEqual({ id: messageId(1) });
    expect(dataOf(events, 'session.updated')).toEqual({ id: sessionId });
    const last = events.at(-1)?.id ?? '';
    const live = told(token, last, (seen) => seen.some(({ type }) => type === 'session.updated'));
    await happen(2);
    expect(JSON.stringify(await live)).not.toContain('secret');
  });

  it.each([
    ['messages:read', 'message.received', 'secret text'],
    ['sessions:read', 'session.updated', 'secret subject'],
    ['phones:read', 'phone.online', 'secret kitchen'],
  ] as const)('hold what %s gives with that scope, and no more', async (scope, type, words) => {
    await happen(3);
    const events = await told(
      await tokenWith('events:read', scope),
      start,
      (seen) => isWhole(seen) && seen.some((event) => event.type === 'session.updated'),
    );
    expect(JSON.stringify(dataOf(events, type))).toContain(words);
    const others = events.filter((event) => !event.type.startsWith(type.split('.')[0] ?? ''));
    expect(JSON.stringify(others.filter((event) => event.type !== 'send.updated'))).not.toContain('secret');
  });
});

describe('reading', () => {
  it('marks nothing read, and sends no dead letter again', async () => {
    const token = await tokenWith('messages:read', 'sessions:read', 'files:read', 'phones:read', 'homes:read');
    const calls = () => agent.frames.filter(({ type }) => type === 'call' || type === 'dead-letters').length;
    const before = calls();
    for (const path of [`messages/${messageId(1)}/read`, 'dead-letters/d1/retry']) {
      const answer = await cloud.post(`/v1/homes/home/${path}`, undefined, bearer(token));
      expect([path, answer.status]).toEqual([path, 403]);
      expect(answer.body.detail).toContain('messages:update');
    }
    expect((await cloud.get('/v1/homes/home/messages/new', bearer(token))).status).toBe(403);
    expect(calls()).toBe(before);
  });

  it('of the home shows its phones only with phones:read', async () => {
    const phones = async (token: string) => (await cloud.get('/v1/homes/home', bearer(token))).body.phones;
    expect(await phones(await tokenWith('homes:read'))).toEqual([]);
    expect(await phones(await tokenWith('homes:read', 'phones:read'))).toMatchObject([{ id: phone.id }]);
  });
});

describe('an agent', () => {
  const agentBy = async (...scopes: string[]) => {
    const by = bearer(await tokenWith('agents:manage', ...scopes));
    const { token } = (await cloud.post('/v1/homes/home/agents', { name: 'made' }, by)).body;
    const made = new ScriptedAgent(cloud.url, token);
    await made.connect();
    return made;
  };

  it('approves no phone if the creator of its token may not approve phones', async () => {
    const made = await agentBy();
    const approved = await made.phones(presence('uuid:planted', { trusted: true }));
    await made.vanish();
    expect(approved).not.toContain('uuid:planted');
  });

  it('approves the phones that it trusts if the creator of its token may approve phones', async () => {
    const made = await agentBy('phones:approve');
    const approved = await made.phones(presence('uuid:trusted', { trusted: true }));
    await made.vanish();
    expect(approved).toContain('uuid:trusted');
  });
});

it('webhooks:manage is not given before there are webhooks', async () => {
  const answer = await cloud.post('/v1/tokens', { name: 't', scopes: ['webhooks:manage'] });
  expect([answer.status, answer.body.code]).toEqual([400, 'invalid-request']);
});
