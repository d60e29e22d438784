// The dashboard's way in: links that work once, the cookie, and pages that are not ours.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownerToken, RunningCloud } from '../hosts/running-cloud.ts';

const cloud = new RunningCloud();
beforeAll(() => cloud.start());
afterAll(() => cloud.stop());

const none = { authorization: '' };
const linkCode = async () => (await cloud.host.signInLink()).split('#sign-in=')[1];
const signIn = (body: object, headers: Record<string, string> = {}) =>
  cloud.post('/v1/sign-in', body, { ...none, ...headers });

async function cookie(): Promise<string> {
  const answer = await signIn({ code: await linkCode() });
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

/** As a page of ours sends it. */
const fromOurPage = (cookie: string) => ({ cookie, 'sec-fetch-site': 'same-origin', origin: cloud.url });

/** Node’s fetch keeps back some of these headers. */
async function ask(method: string, path: string, headers: Record<string, string>) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request(cloud.url + path, { method, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('POST /v1/sign-in', () => {
  it('takes the code of a link once, and sets a cookie that scripts cannot read', async () => {
    const code = await linkCode();
    const answer = await signIn({ code });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ kind: 'session', homes: ['home'] });
    const set = answer.headers.get('set-cookie') ?? '';
    expect(set).toMatch(/^homeline_session=hl_/);
    expect(set).toContain('HttpOnly');
    expect(set).toContain('SameSite=Lax');
    expect(set).not.toContain('Secure');
    const again = await signIn({ code });
    expect([again.status, again.body.code]).toEqual([401, 'unauthorized']);
  });

  it('takes the owner’s token, and no other', async () => {
    expect((await signIn({ token: ownerToken })).status).toBe(200);
    expect((await signIn({ token: `hl_${'z'.repeat(43)}` })).status).toBe(401);
    const { token } = (await cloud.post('/v1/tokens', { name: 't', scopes: ['messages:read'] })).body;
    expect((await signIn({ token })).status).toBe(403);
    expect((await signIn({})).status).toBe(400);
  });

  it('lets no strange page sign its visitor in', async () => {
    const answer = await signIn({ code: await linkCode() }, { origin: 'https://evil.example' });
    expect(answer.status).toBe(403);
  });

  it('marks the cookie Secure when people come by https', async () => {
    const secure = new RunningCloud({ baseUrl: 'https://home.example.org' });
    await secure.start();
    try {
      const link = await secure.host.signInLink();
      expect(link).toMatch(/^https:\/\/home\.example\.org\/#sign-in=hl_/);
      const answer = await secure.post('/v1/sign-in', { code: link.split('=')[1] });
      expect(answer.headers.get('set-cookie')).toContain('Secure');
    } finally {
      await secure.stop();
    }
  });
});

describe('the session cookie', () => {
  it('opens the API to our own page, until it signs out', async () => {
    const own = fromOurPage(await cookie());
    expect((await ask('GET', '/v1/me', own)).body).toContain('"kind":"session"');
    expect((await ask('GET', '/v1/homes/home/messages', own)).status).toBe(200);
    expect((await ask('POST', '/v1/sign-out', own)).status).toBe(204);
    expect((await ask('GET', '/v1/me', own)).status).toBe(401);
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling of our site', { 'sec-fetch-site': 'same-site' }],
    ['another origin', { origin: 'http://evil.example' }],
    ['an origin that is none', { origin: 'null' }],
  ])('is refused from %s', async (_, headers: Record<string, string>) => {
    const sent = { cookie: await cookie(), ...headers };
    expect((await ask('GET', '/v1/me', sent)).status).toBe(403);
    expect((await ask('POST', '/v1/homes/home/phones/p/approve', sent)).status).toBe(403);
  });

  it('is refused for changes when nothing says where they come from', async () => {
    const sent = { cookie: await cookie() };
    expect((await ask('GET', '/v1/me', sent)).status).toBe(200);
    expect((await ask('POST', '/v1/homes/home/phones/p/approve', sent)).status).toBe(403);
  });

  it('holds no other kind of token', async () => {
    const sent = fromOurPage(`homeline_session=${ownerToken}`);
    expect((await ask('GET', '/v1/me', sent)).status).toBe(401);
  });
});

describe('the Host header', () => {
  it.each([
    ['127.0.0.1', 200],
    ['localhost:1234', 200],
    ['[::1]:80', 200],
    ['192.168.1.7:8787', 200],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example:80', 403],
  ])('%s is answered %d: a re-bound name is not ours', async (host, status) => {
    expect((await ask('GET', '/healthz', { host })).status).toBe(status);
  });

  it('may be the name that the cloud was told it has', async () => {
    const named = new RunningCloud({ baseUrl: 'https://home.example.org' });
    await named.start();
    try {
      const answer = await fetch(`${named.url}/healthz`);
      expect(answer.status).toBe(200);
      const status = await new Promise((resolve) => {
        request(`${named.url}/healthz`, { headers: { host: 'home.example.org' } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).end();
      });
      expect(status).toBe(200);
    } finally {
      await named.stop();
    }
  });
});
