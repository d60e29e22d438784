// A home's object: order, calls in flight, deadlines, and which agent may connect.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { exports } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../protocol/errors.ts';
import { remote } from '../remote-store.ts';
import { forgetStore, logged } from '../worker-under-test.ts';
import { api, connectedAgent, home, TestAgent, TestReader, until } from './household.ts';

const draft = { messageClass: 'SMS', to: [{ address: '+390110001' }], body: 'On my way' };
const replace = () => evictDurableObject(home(), { webSockets: 'close' });
const newSession = { arguments: { SessionClass: 'SMS', SessionRecipients: '', Subject: '', SupportedContentType: '' } };
let agent: TestAgent;
let actionsOf: string;

beforeAll(async () => {
  ({ agent, actionsOf } = await connectedAgent());
});

afterEach(() => {
  remote.gate = undefined;
  agent.answer = () => undefined;
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('hello', () => {
  it('is answered without the store, even while the store does not answer', async () => {
    await agent.dial();
    remote.asked.length = 0;
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    remote.gate = () => answered;
    agent.hello();
    await agent.next('welcome');
    // The home is stored as online after the welcome.
    expect(remote.asked.filter((operation) => operation !== 'commit')).toEqual([]);
    answer();
  });

  it('replaces the earlier connection', async () => {
    const other = await TestAgent.make();
    await agent.connect();
    await other.connect();
    await until(() => agent.closeCode !== undefined);
    expect(agent.closeCode).toBe(4001);
    expect((await api('GET', '/homes/home')).body.online).toBe(true);
    await agent.connect();
    await until(() => other.closeCode === 4001);
  });

  it('is for agents with a valid token', async () => {
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': 'homeline.v1' };
    const dial = (more: Record<string, string>) =>
      exports.default.fetch('http://localhost/v1/tunnel', { headers: { ...headers, ...more } });
    expect((await dial({})).status).toBe(401);
    expect((await dial({ authorization: 'Bearer hl_guess' })).status).toBe(401);
  });

  it('cuts off an agent whose token is revoked', async () => {
    const { id, token } = (await api('POST', '/homes/home/agents', { name: 'lost' })).body;
    const lost = new TestAgent(token);
    await lost.connect();
    await api('DELETE', `/homes/home/agents/${id}`);
    await until(() => lost.closeCode !== undefined);
    expect(lost.closeCode).toBe(4003);
    await agent.connect();
  });
});

describe('an operation that this version of the object does not offer', () => {
  it.each(['operationOfTomorrow', 'stop', 'constructor', 'watch'])(
    '%s is answered as a home that is being moved',
    async (operation) => {
      const { fault } = await home().invoke(operation, []);
      expect(fault).toMatchObject({ code: 'tunnel-lost', retryAfterMs: 2_000 });
    },
  );
});

describe('frames of one socket', () => {
  it('are handled one after the other, however long the store takes', async () => {
    const began = remote.asked.length;
    remote.gate = () => new Promise((resolve) => setTimeout(resolve, 20 - 5 * (remote.asked.length % 4)));
    const reader = new TestReader();
    await reader.open();
    agent.frames.length = 0;
    remote.mostCommits = 0;
    const last = agent.tell('1', '2', '3', '4', '5');
    await until(() => agent.frames.some((frame) => frame.type === 'ack' && frame.seq === last));
    expect(remote.asked.slice(began).filter((operation) => operation === 'commit')).toHaveLength(5);
    expect(remote.mostCommits).toBe(1);
    const acks = agent.frames.flatMap((frame) => (frame.type === 'ack' ? [frame.seq] : []));
    expect(acks).toEqual([last - 4, last - 3, last - 2, last - 1, last]);
    await until(() => reader.bodies.length === 5);
    expect(reader.bodies).toEqual(['1', '2', '3', '4', '5']);
    reader.close();
  });

  it('are refused when they are binary', async () => {
    const stranger = await TestAgent.make();
    await stranger.connect();
    stranger.sendBytes(new Uint8Array(8));
    await until(() => stranger.closeCode !== undefined);
    expect(stranger.closeCode).toBe(1003);
    await agent.connect();
  });
});

describe('a call in flight when the object is replaced', () => {
  /** Starts a request and replaces the object after its call has reached the agent. */
  async function interrupted(method: string, path: string, body: unknown, headers = {}) {
    agent.frames.length = 0;
    const answer = api(method, path, body, headers);
    await agent.next('call');
    await runInDurableObject(home(), (_, state) => state.abort('a new version is here')).catch(() => undefined);
    return answer;
  }

  afterEach(async () => {
    await until(() => agent.closeCode !== undefined);
    await agent.connect();
  });

  it('is answered with 503 and when to try again', async () => {
    const query = { arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } };
    const answer = await interrupted('POST', `${actionsOf}/GetSessions`, query);
    expect(answer).toMatchObject({ status: 503, body: { code: 'tunnel-lost' } });
    expect(answer.headers.get('retry-after')).toBe('2');
    await agent.connect();
    agent.answer = () => ({ SessionsList: '<none/>' });
    expect((await api('POST', `${actionsOf}/GetSessions`, query)).status).toBe(200);
    await replace();
  });

  it('is not called failed when it may have happened', async () => {
    const { arguments: given } = newSession;
    const answer = await interrupted('POST', `${actionsOf}/CreateSession`, { arguments: given });
    expect(answer).toMatchObject({ status: 502, body: { code: 'outcome-unknown' } });
  });

  it('of a send continues under its key: nothing is sent twice', async () => {
    const answer = await interrupted('POST', '/homes/home/messages', draft, { 'idempotency-key': 'send-1' });
    expect(answer.status).toBe(202);
    expect((await api('GET', `/homes/home/messages/${answer.body.id}`)).body.state).toBe('sending');
    const first = agent.frames.find((frame) => frame.type === 'call');
    await until(() => agent.closeCode !== undefined);
    const keys: unknown[] = [];
    agent.answer = (call) => {
      keys.push(call.key);
      return { MessageID: 'phone-sent' };
    };
    await agent.connect();
    const sent = await until(async () => {
      const { body } = await api('GET', `/homes/home/messages/${answer.body.id}`);
      return body.state === 'sent' && body;
    });
    expect(sent).toMatchObject({ messageId: 'phone-sent' });
    expect(keys).toEqual([answer.body.id]);
    expect(first).toMatchObject({ key: answer.body.id });
    const again = await api('POST', '/homes/home/messages', draft, { 'idempotency-key': 'send-1' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body.id).toBe(answer.body.id);
    await replace();
  });
});

describe('deadlines', () => {
  it('of calls leave no timer behind', async () => {
    const timers = new Set<unknown>();
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fire: () => void, ms?: number) => {
      const timer: unknown = set(() => {
        timers.delete(timer);
        fire();
      }, ms);
      if ((ms ?? 0) > 1000) timers.add(timer);
      return timer;
    }) as typeof setTimeout);
    vi.spyOn(globalThis, 'clearTimeout').mockImplementation(((timer: unknown) => {
      timers.delete(timer);
      clear(timer as number);
    }) as typeof clearTimeout);
    let during = 0;
    agent.answer = (call) => {
      during = timers.size;
      return call.action === 'GetSessions' ? { SessionsList: '' } : undefined;
    };
    const query = { arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } };
    await api('POST', `${actionsOf}/GetSessions`, query);
    expect(during).toBe(1);
    expect(timers.size).toBe(0);
  });

  it('of hours wake the object by its alarm, also after an eviction', async () => {
    agent.close();
    await until(async () => !(await api('GET', '/homes/home')).body.online);
    const deliverBy = new Date(Date.now() + 3_600_000).toISOString();
    const queued = await api('POST', '/homes/home/messages', { ...draft, deliverBy });
    expect(queued).toMatchObject({ status: 202, body: { state: 'queued' } });
    const alarm = await runInDurableObject(home(), (_, state) => state.storage.getAlarm());
    expect(alarm).toBe(Date.parse(deliverBy) + 1);
    await evictDurableObject(home());
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(deliverBy) + 2 });
    expect(await runDurableObjectAlarm(home())).toBe(true);
    expect((await api('GET', `/homes/home/messages/${queued.body.id}`)).body.state).toBe('failed');
    expect(await runInDurableObject(home(), (_, state) => state.storage.getAlarm())).toBe(null);
    vi.useRealTimers();
    await agent.connect();
  });
});

describe('messages that have become too old', () => {
  it('are deleted by the object’s alarm, also when another was set after an eviction', async () => {
    await agent.deliver('kept for a day');
    const { items } = (await api('GET', '/homes/home/messages?q=kept')).body;
    expect(await api('PATCH', '/homes/home', { keepDays: 36_525 })).toMatchObject({ status: 200 });
    const alarmOf = () => runInDurableObject(home(), (_, state) => state.storage.getAlarm());
    await until(async () => (await alarmOf()) !== null);
    await evictDurableObject(home());
    await api('PATCH', '/homes/home', { keepDays: 1 });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 400 * 86_400_000 });
    expect(await runDurableObjectAlarm(home())).toBe(true);
    await until(async () => (await api('GET', `/homes/home/messages/${items[0].id}`)).status === 404);
    vi.useRealTimers();
    await api('PATCH', '/homes/home', { keepDays: null });
    await agent.connect();
  });
});

describe('an object that wakes while the store does not answer', () => {
  it('closes the agent’s socket, and the agent sends its event again', async () => {
    await evictDurableObject(home());
    forgetStore();
    remote.gate = async () => {
      throw new GatewayError('store-unavailable', 'The store is away.');
    };
    agent.tell('in the dark');
    await until(() => agent.closeCode !== undefined);
    expect(agent.closeCode).toBe(1011);
    expect(logged.splice(0).join()).toContain('home.not-awake');
    remote.gate = undefined;
    agent.unsay();
    await agent.connect();
    await agent.deliver('in the dark');
    const { items } = (await api('GET', '/homes/home/messages?limit=1&folder=Received')).body;
    expect(items[0].body).toBe('in the dark');
  });
});

describe('an agent that fell silent', () => {
  it('is noticed by the next request for the home', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100_000 });
    expect((await api('GET', '/homes/home')).body.online).toBe(true);
    vi.setSystemTime(Date.now() + 20_000);
    expect((await api('GET', '/homes/home')).body.online).toBe(false);
    await until(() => agent.closeCode !== undefined);
    expect(agent.closeCode).toBe(4408);
  });
});

it('logged no warning that a test did not provoke', () => {
  const troubles = logged.filter((line) => JSON.parse(line).level !== 'info');
  expect(troubles.filter((line) => !line.includes('tunnel-lost'))).toEqual([]);
});
