// Quotas of a token and rate limits of an address, over real sockets with small limits.
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Phone } from '../../../protocol/model.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { type Answer, ownerToken, patiently, RunningCloud } from './running-cloud.ts';
import type { ScriptedAgent } from './scripted-agent.ts';

let cloud: RunningCloud;
afterEach(() => cloud.stop());

async function begin(settings: ConstructorParameters<typeof RunningCloud>[0] = {}): Promise<void> {
  cloud = new RunningCloud(settings);
  await cloud.start();
}

async function tokenWith(...scopes: string[]): Promise<{ authorization: string }> {
  const { token } = (await cloud.post('/v1/tokens', { name: 'program', scopes })).body;
  return { authorization: `Bearer ${token}` };
}

const codes = (answers: Answer[]) => answers.map(({ status, body }) => (status < 400 ? status : body.code));
const fields = ({ headers }: Answer) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];

describe('requests of one token', () => {
  it('are 429 above its rate, each with the rest of the quota; other tokens are not affected', async () => {
    // The clock stands still: the bucket does not refill.
    let nowMs = Date.now();
    await begin({ ratePerSecond: 2, clock: { now: () => nowMs } });
    const program = await tokenWith('homes:read');
    const answers: Answer[] = [];
    for (let n = 0; n < 22; n++) answers.push(await cloud.get('/v1/homes', program));
    expect(codes(answers)).toEqual([...Array(20).fill(200), 'too-many-requests', 'too-many-requests']);
    expect(fields(answers[0] as Answer)).toEqual(['"requests";q=20;w=10', '"requests";r=19;t=1']);
    expect(fields(answers[21] as Answer)).toEqual(['"requests";q=20;w=10', '"requests";r=0;t=10']);
    expect(answers[21]?.headers.get('retry-after')).toBe('1');
    expect(answers[21]?.headers.get('content-type')).toBe('application/problem+json');
    expect((await cloud.get('/v1/homes')).status).toBe(200);
    nowMs += 1_000;
    expect(codes([await cloud.get('/v1/homes', program), await cloud.get('/v1/homes', program)])).toEqual([200, 200]);
    expect((await cloud.get('/v1/homes', program)).status).toBe(429);
  });

  it('may be ten times as many in the dashboard', async () => {
    await begin({ ratePerSecond: 1, clock: { now: () => 1_800_000_000_000 } });
    const [, code] = (await cloud.host.signInLink()).split('#sign-in=');
    const signedIn = await cloud.post('/v1/sign-in', { code }, { authorization: '' });
    const headers = { cookie: signedIn.headers.get('set-cookie')?.split(';')[0] ?? '' };
    const statuses: number[] = [];
    for (let n = 0; n < 101; n++) statuses.push((await fetch(`${cloud.url}/v1/me`, { headers })).status);
    expect(statuses).toEqual([...Array(100).fill(200), 429]);
  });
});

it('a conversation of 2,000 unread messages can be marked read in the dashboard, at once and with keys', async () => {
  await begin();
  const { agent, phone } = await cloud.homeWithPhone({
    ReadMessage: ({ arguments: given }) => ({
      arguments: { MessageRequested: phoneMessage({ messageId: String(given.MessageID), status: 'Read' }) },
    }),
  });
  const ids = Array.from({ length: 2_000 }, (_, n) => messageId(n + 1));
  for (let from = 0; from < ids.length; from += 50) {
    const puts = ids.slice(from, from + 50).map((id, n) => ({
      type: 'message.put' as const,
      udn: phone.udn,
      epoch: 0,
      id,
      message: phoneMessage({ messageId: `m-${from + n + 1}`, status: 'Unread' }),
      fingerprint: `f-${from + n + 1}`,
    }));
    await agent.deliver(...puts);
  }
  const [, code] = (await cloud.host.signInLink()).split('#sign-in=');
  const signedIn = await cloud.post('/v1/sign-in', { code }, { authorization: '' });
  const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
  const statuses = new Set<number>();
  const left = [...ids];
  const readOn = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const headers = { cookie, origin: cloud.url, 'idempotency-key': id, 'content-type': 'application/json' };
      const path = `${cloud.url}/v1/homes/home/messages/${id}/read`;
      const answer = await fetch(path, { method: 'POST', headers, body: '{}' });
      await answer.body?.cancel();
      statuses.add(answer.status);
    }
  };
  await Promise.all(Array.from({ length: 8 }, readOn));
  expect(statuses).toEqual(new Set([200]));
  expect((await cloud.get('/v1/homes/home/messages?status=Unread')).body.items).toEqual([]);
}, 180_000);

it('messages sent by one token are 429 above its number a day, and nothing is stored', async () => {
  await begin({ sendsPerDay: 3 });
  const program = await tokenWith('messages:send');
  const send = (n: number, headers = {}) =>
    cloud.post(
      '/v1/homes/home/messages',
      { messageClass: 'SMS', to: ['+1'], body: `${n}` },
      { ...program, ...headers },
    );
  const first = await send(1, { 'idempotency-key': 'one' });
  expect(first.headers.get('ratelimit')).toMatch(/^"requests";r=\d+;t=\d+, "sends";r=2;t=\d+$/);
  // A repeated request is no second send.
  expect((await send(1, { 'idempotency-key': 'one' })).headers.get('idempotency-replayed')).toBe('true');
  expect(codes([await send(2), await send(3), await send(4)])).toEqual([202, 202, 'too-many-requests']);
  const key = { 'idempotency-key': 'four' };
  expect(codes([await send(4, key), await send(4, key)])).toEqual(['too-many-requests', 'too-many-requests']);
  expect((await cloud.get('/v1/homes/home/messages')).body.items).toHaveLength(3);
  expect((await cloud.post('/v1/homes/home/messages', { messageClass: 'SMS', to: ['+1'], body: 'x' })).status).toBe(
    202,
  );
});

it('streams of one token are 429 above their number until one ends', async () => {
  await begin({ streamsPerToken: 3 });
  const program = await tokenWith('events:read', 'messages:read');
  const open = () => fetch(`${cloud.url}/v1/homes/home/events`, { headers: program });
  const socket = new WebSocket(`${cloud.url.replace('http', 'ws')}/v1/homes/home/events/ws`, { headers: program });
  await once(socket, 'open');
  const streams = [await open(), await open()];
  const refused = await cloud.get('/v1/homes/home/events', program);
  expect([refused.status, refused.body.code]).toEqual([429, 'too-many-requests']);
  const heads = await Promise.all(
    Array.from({ length: 50 }, () => fetch(`${cloud.url}/v1/homes/home/events`, { method: 'HEAD', headers: program })),
  );
  expect(new Set(heads.map(({ status }) => status))).toEqual(new Set([200]));
  const others = await fetch(`${cloud.url}/v1/homes/home/events`, {
    headers: { authorization: `Bearer ${ownerToken}` },
  });
  expect(others.status).toBe(200);
  socket.close();
  await expect
    .poll(async () => {
      const stream = await open();
      if (stream.ok) streams.push(stream);
      else await stream.body?.cancel();
      return stream.status;
    }, patiently)
    .toBe(200);
  await Promise.all([...streams, others].map((stream) => stream.body?.cancel()));
});

describe('answers kept for the Idempotency-Keys of one token', () => {
  let agent: ScriptedAgent;
  let phone: Phone;

  it('do not hold the message for a request that only reads it', async () => {
    await begin();
    ({ agent, phone } = await cloud.homeWithPhone());
    const body = 'x'.repeat(200_000);
    const message = phoneMessage({ messageId: 'm-1', body, status: 'Read' });
    await agent.deliver({ type: 'message.put', udn: phone.udn, epoch: 0, id: messageId(1), message, fingerprint: '' });
    const read = (key: string) =>
      cloud.post(`/v1/homes/home/messages/${messageId(1)}/read`, {}, { 'idempotency-key': key });
    const before = storedBytes();
    for (let n = 0; n < 100; n++) expect((await read(`key ${n}`)).body.body).toBe(body);
    expect(storedBytes() - before).toBeLessThan(2_000_000);
    const again = await read('key 0');
    expect([again.status, again.body.body]).toEqual([200, body]);
    const other = await cloud.post('/v1/homes/home/messages/m_other/read', {}, { 'idempotency-key': 'key 0' });
    expect(other.body.code).toBe('idempotency-conflict');
  });

  it('are refused above their number: no answer is forgotten, and nothing is done twice', async () => {
    await begin({ idempotencyMib: 1, clock: { now: () => 1_800_000_000_000 } });
    let sent = 0;
    ({ agent, phone } = await cloud.homeWithPhone({
      SendMessage: () => ({ arguments: { MessageID: `sent-${++sent}` } }),
    }));
    const send = (key: string) => {
      const draft = { messageClass: 'SMS', to: ['+1'], body: 'x'.repeat(100_000) };
      return cloud.post('/v1/homes/home/messages', draft, { 'idempotency-key': key });
    };
    const kept: string[] = [];
    let refused: Answer | undefined;
    for (let n = 0; refused === undefined && n < 20; n++) {
      const answer = await send(`key ${n}`);
      if (answer.status === 429) refused = answer;
      else kept.push(answer.body.id);
    }
    expect(refused?.body.code).toBe('too-many-requests');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(5);
    for (const [n, id] of kept.entries()) {
      const again = await send(`key ${n}`);
      expect([again.status, again.body.id, again.headers.get('idempotency-replayed')]).toEqual([201, id, 'true']);
    }
    expect(sent).toBe(kept.length);
    // A send without a key goes out, and a repeatable action needs no kept answer.
    const plain = { messageClass: 'SMS', to: ['+1'], body: 'x' };
    expect((await cloud.post('/v1/homes/home/messages', plain)).status).toBe(201);
    const read = await cloud.post(`/v1/homes/home/messages/${kept[0]}/read`, {}, { 'idempotency-key': 'read' });
    expect(read.status).toBe(200);
  });

  function storedBytes(): number {
    return ['cloud.db', 'cloud.db-wal'].reduce((sum, name) => sum + sizeOf(name), 0);
  }

  function sizeOf(name: string): number {
    return statSync(join(cloud.folder, name), { throwIfNoEntry: false })?.size ?? 0;
  }
});

describe('an address with too many failed attempts', () => {
  const nobody = { authorization: '' };
  const signIn = (code: string | undefined, headers = {}) =>
    cloud.post('/v1/sign-in', { code }, { ...nobody, ...headers });

  it('is told to wait at the sign-in, and a valid token still signs in', async () => {
    await begin({ failedSignInsPerMinute: 3 });
    const answers: Answer[] = [];
    for (let n = 0; n < 5; n++) answers.push(await signIn(`wrong ${n}`));
    expect(codes(answers)).toEqual([...Array(3).fill('unauthorized'), 'too-many-requests', 'too-many-requests']);
    expect(answers[4]?.headers.get('retry-after')).toBe('20');
    const [, code] = (await cloud.host.signInLink()).split('#sign-in=');
    expect((await signIn(code)).status).toBe(200);
    expect((await cloud.post('/v1/sign-in', { token: ownerToken }, nobody)).status).toBe(200);
  });

  it('is told to wait with invalid tokens, also at the tunnel, and a valid one passes', async () => {
    await begin({ badTokensPerMinute: 5 });
    const bad = { authorization: `Bearer hl_${'z'.repeat(43)}` };
    const answers: Answer[] = [];
    for (let n = 0; n < 7; n++) answers.push(await cloud.get('/v1/homes', bad));
    expect(codes(answers)).toEqual([...Array(5).fill('unauthorized'), 'too-many-requests', 'too-many-requests']);
    const socket = new WebSocket(`${cloud.url.replace('http', 'ws')}/v1/tunnel`, 'homeline.v1', { headers: bad });
    socket.on('error', () => undefined);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(429);
    expect((await cloud.get('/v1/homes')).status).toBe(200);
    expect(codes([await cloud.get('/v1/homes', nobody)])).toEqual(['unauthorized']);
  });

  it('cannot be changed by the client’s own header, only by a trusted proxy', async () => {
    await begin({ failedSignInsPerMinute: 2 });
    const from = (address: string) => ({ 'x-forwarded-for': address });
    for (let n = 0; n < 2; n++) await signIn('wrong', from(`192.0.2.${n}`));
    expect(codes([await signIn('wrong', from('192.0.2.9'))])).toEqual(['too-many-requests']);
    await cloud.stop();

    await begin({ failedSignInsPerMinute: 2, trustedProxies: ['127.0.0.0/8', '::1', '198.51.100.7'] });
    const household = ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', '[2001:db8:0:1::3]:4711'];
    const answers: Answer[] = [];
    for (const address of household) answers.push(await signIn('wrong', from(`forged, 203.0.113.5, ${address}`)));
    expect(codes(answers)).toEqual(['unauthorized', 'unauthorized', 'too-many-requests']);
    // A second trusted proxy, with another household behind it.
    expect(codes([await signIn('wrong', from('2001:db8:0:2::1, 198.51.100.7'))])).toEqual(['unauthorized']);
    expect(codes([await signIn('wrong', from('192.0.2.1'))])).toEqual(['unauthorized']);
  });
});
