// A home for its agent and its watchers while its object hibernates, wakes and is replaced.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { actions } from '../../../protocol/actions.ts';
import { closeCodes } from '../../../protocol/frames.ts';
import { remote } from '../remote-store.ts';
import { logged, ownerToken, storePastApi } from '../worker-under-test.ts';
import { api, connectedAgent, home, type TestAgent, TestReader, until } from './household.ts';

const getSessions = { arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } };
let agent: TestAgent;
let actionsOf: string;

beforeAll(async () => {
  ({ agent, actionsOf } = await connectedAgent());
});

describe('a home whose object hibernates', () => {
  it('stores and acknowledges events on the socket from before', async () => {
    await agent.deliver('before');
    await evictDurableObject(home());
    await agent.deliver('after');
    const { items } = (await api('GET', '/homes/home/messages')).body;
    expect(items.map((item: { body: string }) => item.body)).toEqual(['after', 'before']);
  });

  it('is still online, with the same phones', async () => {
    await evictDurableObject(home());
    expect((await api('GET', '/homes/home')).body).toMatchObject({
      online: true,
      agent: { name: 'test', version: 'test' },
      phones: [{ udn: 'uuid:phone-1', online: true }],
    });
  });

  it('passes calls to the phone', async () => {
    expect(Object.keys(actions.GetSessions.in)).toEqual(Object.keys(getSessions.arguments));
    agent.answer = () => ({ SessionsList: '<none/>' });
    await evictDurableObject(home());
    const answer = await api('POST', `${actionsOf}/GetSessions`, getSessions);
    expect(answer).toMatchObject({ status: 200, body: { arguments: { SessionsList: '<none/>' } } });
  });

  it('uses the same request id in the logs of Worker and object, and to the agent', async () => {
    let told: string | undefined;
    agent.answer = ({ requestId }) => {
      told = requestId;
      return { SessionsList: '<none/>' };
    };
    await evictDurableObject(home());
    const id = (await api('POST', `${actionsOf}/GetSessions`, getSessions)).headers.get('x-request-id');
    expect(told).toBe(id);
    const lines = logged.map((line) => JSON.parse(line)).filter(({ requestId }) => requestId === id);
    expect(lines).toMatchObject([
      { event: 'call', home: 'home', action: 'GetSessions', outcome: 'ok' },
      { event: 'request', method: 'POST', status: 200 },
    ]);
  });

  it('answers heartbeats without asking the object or the store', async () => {
    await evictDurableObject(home());
    remote.asked.length = 0;
    agent.texts.length = 0;
    agent.sendText('ping');
    await until(() => agent.texts.length > 0);
    expect(agent.texts).toEqual(['pong']);
    expect(remote.asked).toEqual([]);
    // The object was not awake, so there is nothing to evict.
    await expect(evictDurableObject(home())).rejects.toThrow();
  });

  it('keeps server-sent events flowing, without gap or repeat', async () => {
    const reader = new TestReader();
    await reader.open();
    await agent.deliver('one');
    await until(() => reader.bodies.length === 1);
    for (const body of ['two', 'three']) {
      await evictDurableObject(home());
      await agent.deliver(body);
    }
    await until(() => reader.bodies.length === 3);
    expect(reader.bodies).toEqual(['one', 'two', 'three']);
    expect(reader.ended).toBe(false);
    reader.close();
  });

  it('sends the same events to a WebSocket, each as a JSON text', async () => {
    const answer = await exports.default.fetch('http://localhost/v1/homes/home/events/ws', {
      headers: { upgrade: 'websocket', authorization: `Bearer ${ownerToken}` },
    });
    const socket = answer.webSocket;
    if (socket === null) throw new Error(await answer.text());
    const bodies: unknown[] = [];
    socket.addEventListener('message', ({ data }) => bodies.push(JSON.parse(String(data)).data.body));
    socket.accept();
    await agent.deliver('by socket');
    await evictDurableObject(home());
    await agent.deliver('and again');
    await until(() => bodies.length === 2);
    expect(bodies).toEqual(['by socket', 'and again']);
    socket.close(1000, 'gone');
  });

  it('ends the watch of a token that is revoked during hibernation, without another event', async () => {
    const { id, token } = (await api('POST', '/tokens', { name: 'r', scopes: ['events:read', 'messages:read'] })).body;
    const answer = await exports.default.fetch('http://localhost/v1/homes/home/events/ws', {
      headers: { upgrade: 'websocket', authorization: `Bearer ${token}` },
    });
    const socket = answer.webSocket;
    if (socket === null) throw new Error(await answer.text());
    const heard: string[] = [];
    let closeCode: number | undefined;
    socket.addEventListener('message', ({ data }) => void heard.push(String(data)));
    socket.addEventListener('close', ({ code }) => {
      closeCode = code;
    });
    socket.accept();
    await agent.deliver('before the revocation');
    await until(() => heard.length === 1);
    await evictDurableObject(home());
    expect((await api('DELETE', `/tokens/${id}`)).status).toBe(204);
    await agent.deliver('after the revocation');
    await until(() => closeCode !== undefined);
    expect(closeCode).toBe(closeCodes.tokenEnded);
    expect(heard).toHaveLength(1);
  });

  it('notices by itself that a watcher’s token was revoked in the table', async () => {
    const { id, token } = (await api('POST', '/tokens', { name: 'r', scopes: ['events:read', 'messages:read'] })).body;
    const reader = new TestReader(token);
    await reader.open();
    await agent.deliver('known');
    await until(() => reader.bodies.length === 1);
    await runInDurableObject(home(), (_, state) => {
      for (const socket of state.getWebSockets('watcher')) {
        const note = socket.deserializeAttachment();
        if (note.id === id) socket.serializeAttachment({ ...note, goodMs: Date.now() - 300_000 });
      }
    });
    await (await storePastApi(env)).tokens.revoke('household', id);
    await evictDurableObject(home());
    await agent.deliver('not for it');
    await until(() => reader.ended);
    expect(reader.bodies).toEqual(['known']);
  });

  it('releases a reader that hangs up', async () => {
    const watchers = () => runInDurableObject(home(), (_, state) => state.getWebSockets('watcher').length);
    await until(async () => (await watchers()) === 0);
    const reader = new TestReader();
    await reader.open();
    expect(await watchers()).toBe(1);
    await evictDurableObject(home());
    reader.close();
    await until(async () => (await watchers()) === 0);
  });
});

describe('a home whose object is replaced', () => {
  const replace = () => evictDurableObject(home(), { webSockets: 'close' });

  it('lets the agent reconnect and send unacknowledged events again', async () => {
    await replace();
    await until(() => agent.closeCode !== undefined);
    await agent.connect();
    await agent.deliver('after the deploy');
    const { items } = (await api('GET', '/homes/home/messages?limit=1')).body;
    expect(items[0].body).toBe('after the deploy');
  });

  it('is reported as offline when no agent reconnects', async () => {
    await replace();
    await until(() => agent.closeCode !== undefined);
    expect((await api('GET', '/homes/home')).body).toMatchObject({ online: false, phones: [{ online: false }] });
    const reader = new TestReader();
    await reader.open();
    // Within the grace period it is not reported.
    await until(() => reader.events.some((event) => event.type === 'home.offline'));
    await agent.connect();
    await until(() => reader.events.some((event) => event.type === 'phone.online'));
    const types = reader.events.map((event) => event.type);
    expect(types).toEqual(['phone.offline', 'home.offline', 'home.online', 'phone.online']);
    reader.close();
  });

  it('ends server-sent events, which resume where they ended', async () => {
    const reader = new TestReader();
    await reader.open();
    await agent.deliver('seen');
    await until(() => reader.bodies.length === 1);
    await replace();
    await until(() => reader.ended);
    await until(() => agent.closeCode !== undefined);
    await agent.connect();
    await agent.deliver('missed');
    const resumed = new TestReader();
    await resumed.open(reader.lastId);
    await until(() => resumed.bodies.length === 1);
    expect(resumed.bodies).toEqual(['missed']);
    resumed.close();
  });
});

// The last test: no agent is connected after it.
describe('a home whose agent is revoked', () => {
  it('cuts the tunnel of an agent whose token is revoked', async () => {
    const { items } = (await api('GET', '/homes/home/agents')).body;
    const [own] = items.filter((each: { online: boolean }) => each.online);
    await evictDurableObject(home());
    await api('DELETE', `/homes/home/agents/${own.id}`);
    await until(() => agent.closeCode !== undefined);
    expect(agent.closeCode).toBe(closeCodes.revoked);
  });
});
