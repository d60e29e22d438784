// What a token opened ends with it, within seconds: revoked, signed out, expired, or ended with what opened it.
import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { closeCodes } from '../../../protocol/frames.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { type Answer, ownerToken, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';

let cloud: RunningCloud;
let agent: ScriptedAgent;
beforeEach(async () => {
  cloud = new RunningCloud();
  await cloud.start();
  ({ agent } = await cloud.homeWithPhone());
});
afterEach(() => cloud.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
/** As our own page sends it. */
const fromPage = (cookie: string) => ({ cookie, origin: cloud.url, 'sec-fetch-site': 'same-origin' });

/** With these headers alone. Node’s fetch keeps back some of them. */
function ask(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(cloud.url + path, { method, headers }, async (response) => {
      const text = (await response.toArray()).join('');
      const body = text.startsWith('{') ? JSON.parse(text) : text;
      const head = new Headers({ 'set-cookie': String(response.headers['set-cookie'] ?? '') });
      resolve({ status: response.statusCode ?? 0, headers: head, body });
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function signIn(body: object = { token: ownerToken }, headers: Record<string, string> = {}): Promise<string> {
  const given = { 'content-type': 'application/json', ...headers };
  const answer = await fetch(`${cloud.url}/v1/sign-in`, { method: 'POST', headers: given, body: JSON.stringify(body) });
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

/** Follows the home both ways, and tells what came and how it ended. */
async function follow(headers: Record<string, string>) {
  const path = '/v1/homes/home/events';
  const answer = await fetch(cloud.url + path, { headers });
  expect(answer.status).toBe(200);
  let text = '';
  const sse = (async () => {
    for await (const chunk of answer.body ?? []) text += new TextDecoder().decode(chunk);
  })().catch(() => undefined);
  const socket = new WebSocket(`${cloud.url.replace('http', 'ws')}${path}/ws`, { headers });
  let heard = '';
  socket.on('message', (data) => {
    heard += data.toString();
  });
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  return { sse, closed, events: () => text + heard };
}

async function tell(n: number): Promise<void> {
  const message = phoneMessage({ messageId: `m-${n}`, body: `secret ${n}` });
  await agent.deliver({
    type: 'message.put',
    udn: 'uuid:phone-1',
    epoch: 0,
    id: messageId(n),
    message,
    fingerprint: '',
  });
}

async function expectEnd(stream: Awaited<ReturnType<typeof follow>>, end: () => Promise<unknown>): Promise<void> {
  await tell(1);
  await expect.poll(() => stream.events().match(/secret 1/g)?.length).toBe(2);
  await end();
  await tell(2);
  expect(await stream.closed).toBe(closeCodes.tokenEnded);
  await stream.sse;
  expect(stream.events()).not.toContain('secret 2');
}

describe('streams end', () => {
  it('when their API token is revoked', async () => {
    const scopes = ['events:read', 'messages:read'];
    const { id, token } = (await cloud.post('/v1/tokens', { name: 'reader', scopes })).body;
    await expectEnd(await follow(bearer(token)), () => cloud.request('DELETE', `/v1/tokens/${id}`));
  });

  it('when their session signs out', async () => {
    const cookie = await signIn();
    await expectEnd(await follow(fromPage(cookie)), () => ask('POST', '/v1/sign-out', fromPage(cookie)));
  });

  it('when another device ends their session', async () => {
    const cookie = await signIn();
    const { items } = (await ask('GET', '/v1/me/sessions', fromPage(cookie))).body;
    const end = () => cloud.request('DELETE', `/v1/me/sessions/${items[0].id}`);
    await expectEnd(await follow(fromPage(cookie)), end);
  });

  it('when the token is revoked that opened their session', async () => {
    const cookie = await signIn();
    const { items } = (await cloud.get('/v1/tokens')).body;
    const owner = items.find((token: { kind: string }) => token.kind === 'owner');
    await expectEnd(await follow(fromPage(cookie)), () => cloud.request('DELETE', `/v1/tokens/${owner.id}`));
    expect((await ask('GET', '/v1/me', fromPage(cookie))).status).toBe(401);
  });

  it('and not those of other tokens', async () => {
    const make = async () =>
      (await cloud.post('/v1/tokens', { name: 'r', scopes: ['events:read', 'messages:read'] })).body;
    const [one, other] = [await make(), await make()];
    const stream = await follow(bearer(other.token));
    await expectEnd(await follow(bearer(one.token)), () => cloud.request('DELETE', `/v1/tokens/${one.id}`));
    await expect.poll(() => stream.events().match(/secret 2/g)?.length).toBe(2);
    await cloud.request('DELETE', `/v1/tokens/${other.id}`);
    await stream.closed;
  });
});

describe('the devices that are signed in', () => {
  const firefox = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0' };
  const list = async (cookie: string) => (await ask('GET', '/v1/me/sessions', fromPage(cookie))).body.items;

  it('are listed with their device and times, and which one asks', async () => {
    const one = await signIn({ token: ownerToken }, firefox);
    const other = await signIn({ token: ownerToken }, { 'user-agent': 'curl/8.5.0' });
    const items = await list(one);
    expect(items.map(({ device, current }: { device: string; current: boolean }) => [device, current])).toEqual([
      ['curl', false],
      ['Firefox on Linux', true],
    ]);
    for (const time of ['createdAt', 'lastUsedAt', 'expiresAt']) expect(Date.parse(items[0][time])).toBeGreaterThan(0);
    expect((await list(other)).find((item: { current: boolean }) => item.current).device).toBe('curl');
  });

  it('are signed out one by one, all others, and all', async () => {
    const [one, two, three] = [await signIn(), await signIn(), await signIn()];
    const status = async (cookie: string) => (await ask('GET', '/v1/me', fromPage(cookie))).status;
    const [newest] = await list(one);
    expect((await ask('DELETE', `/v1/me/sessions/${newest.id}`, fromPage(one))).status).toBe(204);
    expect([await status(one), await status(two), await status(three)]).toEqual([200, 200, 401]);
    expect((await ask('DELETE', `/v1/me/sessions/${newest.id}`, fromPage(one))).status).toBe(404);
    const others = await ask('DELETE', '/v1/me/sessions?except=current', fromPage(one));
    expect([others.status, await status(one), await status(two)]).toEqual([204, 200, 401]);
    const all = await ask('DELETE', '/v1/me/sessions', fromPage(one));
    expect([all.status, await status(one)]).toEqual([204, 401]);
    expect(all.headers.get('set-cookie')).toContain('homeline_session=;');
  });

  it('are for the owner alone', async () => {
    const cookie = await signIn();
    const { token } = (await cloud.post('/v1/tokens', { name: 'm', scopes: ['tokens:manage'] })).body;
    const [session] = await list(cookie);
    for (const [method, path] of [
      ['GET', '/v1/me/sessions'],
      ['DELETE', '/v1/me/sessions'],
      ['DELETE', `/v1/me/sessions/${session.id}`],
    ] as const) {
      expect((await cloud.request(method, path, undefined, bearer(token))).status).toBe(403);
    }
    expect(await list(cookie)).toHaveLength(1);
  });
});

describe('a token that manages tokens', () => {
  const make = async (given: object) => (await cloud.post('/v1/tokens', given)).body;
  const revoke = (id: string, by: string) => cloud.request('DELETE', `/v1/tokens/${id}`, undefined, bearer(by));

  it('revokes neither the owner’s nor one with more rights than its own', async () => {
    const manager = await make({ name: 'm', scopes: ['tokens:manage', 'homes:read'] });
    const more = await make({ name: 'more', scopes: ['messages:read'] });
    const less = await make({ name: 'less', scopes: ['homes:read'] });
    const { items } = (await cloud.get('/v1/tokens', bearer(manager.token))).body;
    const owner = items.find((token: { kind: string }) => token.kind === 'owner');
    expect((await revoke(owner.id, manager.token)).status).toBe(403);
    expect((await revoke(more.id, manager.token)).status).toBe(403);
    expect((await cloud.get('/v1/me')).status).toBe(200);
    expect((await cloud.get('/v1/me', bearer(more.token))).status).toBe(200);
    expect((await revoke(less.id, manager.token)).status).toBe(204);
    expect((await revoke(manager.id, manager.token)).status).toBe(204);
  });
});

describe('a preset owner’s token', () => {
  it('that was revoked stays revoked after a restart', async () => {
    const cookie = await signIn({ code: (await cloud.host.signInLink()).split('#sign-in=')[1] });
    const { items } = (await cloud.get('/v1/tokens')).body;
    expect((await cloud.request('DELETE', `/v1/tokens/${items[0].id}`)).status).toBe(204);
    await cloud.restart();
    expect((await cloud.get('/v1/me')).status).toBe(401);
    // The session that a sign-in link opened was not opened by that token.
    expect((await ask('GET', '/v1/me', fromPage(cookie))).status).toBe(200);
  });
});
