// Every route that is registered, and the tunnel, with every kind of token that must not pass.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { offeredScopes as scopes } from '../../../cloud/access/scopes.ts';
import { subprotocol } from '../../../protocol/frames.ts';
import { ownerToken, RunningCloud } from '../hosts/running-cloud.ts';

interface Route {
  method: string;
  path: string;
  /** Undefined: no token needed. Empty: any token. */
  scope: string | undefined;
  takesBody: boolean;
}

const cloud = new RunningCloud();
const forEverybody = [
  'POST /v1/sign-in',
  'POST /v1/sign-out',
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /docs',
  'GET /docs/style.css',
  'GET /docs/errors/{code}',
];
let routes: Route[] = [];
const tokens = { revoked: '', everyOther: new Map<string, string>(), agent: '', otherHome: '' };

beforeAll(async () => {
  await cloud.start();
  const { paths } = (await cloud.get('/openapi.json')).body;
  routes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { security: Record<string, string[]>[]; requestBody?: unknown }>).map(
      ([method, { security, requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        scope: security.length === 0 ? undefined : (security[0]?.token?.[0] ?? ''),
        takesBody: requestBody !== undefined,
      }),
    ),
  );
  const make = async (given: object) => (await cloud.post('/v1/tokens', given)).body;
  const revoked = await make({ name: 'revoked', scopes });
  expect((await cloud.request('DELETE', `/v1/tokens/${revoked.id}`)).status).toBe(204);
  tokens.revoked = revoked.token;
  for (const scope of scopes) {
    const others = scopes.filter((other) => other !== scope);
    tokens.everyOther.set(scope, (await make({ name: `all but ${scope}`, scopes: others })).token);
  }
  tokens.everyOther.set('owner', (await make({ name: 'all', scopes })).token);
  tokens.agent = await cloud.host.issueAgentToken('agent');
});
afterAll(() => cloud.stop());

function ask(route: Route, headers: Record<string, string>) {
  const path = route.path.replaceAll(/\{home\}/g, 'home').replaceAll(/\{[^}]+\}/g, 'none');
  return cloud.request(route.method, path, route.takesBody ? {} : undefined, headers);
}

describe('access', () => {
  it('is guarded on every route of the application but those that are for everybody', () => {
    const open = routes.filter((route) => route.scope === undefined).map(({ method, path }) => `${method} ${path}`);
    expect(open.filter((route) => !forEverybody.includes(route))).toEqual(['GET /v1/tunnel']);
    expect(routes.length).toBeGreaterThan(40);
  });

  it.each([
    ['no token', () => ({ authorization: '' })],
    ['a token that never was', () => ({ authorization: `Bearer hl_${'x'.repeat(43)}` })],
    ['a revoked token', () => ({ authorization: `Bearer ${tokens.revoked}` })],
    ['no scheme', () => ({ authorization: ownerToken })],
    ['another scheme', () => ({ authorization: `Basic ${btoa(`owner:${ownerToken}`)}` })],
    ['a session cookie that never was', () => ({ authorization: '', cookie: 'homeline_session=hl_nothing' })],
    ['the token in the address', () => ({ authorization: '', 'x-token': ownerToken })],
  ])('is refused with 401 on every guarded route for %s', async (_, headers) => {
    for (const route of routes) {
      if (route.scope === undefined && route.path !== '/v1/tunnel') continue;
      const answer = await ask(route, headers());
      expect([route.method, route.path, answer.status]).toEqual([route.method, route.path, 401]);
      expect(answer.body.code).toBe('unauthorized');
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    }
  });

  it('is refused with 403 on every route for a token that has every scope but the one it needs', async () => {
    for (const route of routes) {
      if (route.scope === undefined || route.scope === '') continue;
      const answer = await ask(route, { authorization: `Bearer ${tokens.everyOther.get(route.scope)}` });
      expect([route.method, route.path, answer.status]).toEqual([route.method, route.path, 403]);
      expect(answer.body.detail).toContain(route.scope);
    }
  });

  it('is refused on every route for the token of an agent, which opens only the tunnel', async () => {
    for (const route of routes) {
      if (route.scope === undefined || route.scope === '') continue;
      const answer = await ask(route, { authorization: `Bearer ${tokens.agent}` });
      expect([route.path, answer.status]).toEqual([route.path, 403]);
    }
  });

  it('opens every route to the owner: nothing answers 401 or 403', async () => {
    for (const route of routes) {
      if (route.path === '/v1/tunnel' || route.path.endsWith('/events')) continue;
      const answer = await ask(route, {});
      expect(
        [401, 403].includes(answer.status) && route.path !== '/v1/sign-in' ? route.path : undefined,
      ).toBeUndefined();
    }
  });

  it('never gives a token more than its maker has', async () => {
    const { token } = (await cloud.post('/v1/tokens', { name: 'm', home: 'home', scopes: ['tokens:manage'] })).body;
    const by = { authorization: `Bearer ${token}` };
    const more = await cloud.post('/v1/tokens', { name: 'n', home: 'home', scopes: ['messages:read'] }, by);
    expect(more.status).toBe(403);
    expect((await cloud.post('/v1/tokens', { name: 'n', scopes: ['tokens:manage'] }, by)).status).toBe(201);
    const seen = (await cloud.get('/v1/tokens', by)).body.items;
    expect(seen.every((each: { home: string }) => each.home === 'home')).toBe(true);
    const owner = (await cloud.get('/v1/tokens')).body.items.find((each: { kind: string }) => each.kind === 'owner');
    expect((await cloud.request('DELETE', `/v1/tokens/${owner.id}`, undefined, by)).status).toBe(404);
  });
});

describe('the tunnel and the events over WebSocket', () => {
  const dial = async (path: string, headers: Record<string, string>, protocol?: string) => {
    const socket = new WebSocket(cloud.url.replace('http', 'ws') + path, protocol ?? [], { headers });
    const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number);
    const opened = once(socket, 'open').then(() => 101);
    socket.on('error', () => undefined);
    opened.catch(() => undefined);
    refused.catch(() => undefined);
    const status = await Promise.race([refused, opened]);
    socket.terminate();
    return status;
  };

  it.each([
    ['no token', () => ({}), 401],
    ['an unknown token', () => ({ authorization: `Bearer hl_${'y'.repeat(43)}` }), 401],
    ['a revoked token', () => ({ authorization: `Bearer ${tokens.revoked}` }), 401],
    ['the owner’s token', () => ({ authorization: `Bearer ${ownerToken}` }), 403],
    ['an agent’s token', () => ({ authorization: `Bearer ${tokens.agent}` }), 101],
  ])('the tunnel answers %s before it accepts', async (_, headers, status) => {
    expect(await dial('/v1/tunnel', headers(), subprotocol)).toBe(status);
  });

  it('wants the subprotocol, and WebSocket', async () => {
    expect(await dial('/v1/tunnel', { authorization: `Bearer ${tokens.agent}` })).toBe(400);
    expect((await cloud.get('/v1/tunnel', { authorization: `Bearer ${tokens.agent}` })).status).toBe(400);
  });

  it.each([
    ['no token', () => ({}), 401],
    ['an agent’s token', () => ({ authorization: `Bearer ${tokens.agent}` }), 403],
    ['a token without the scope', () => ({ authorization: `Bearer ${tokens.everyOther.get('events:read')}` }), 403],
    ['the owner’s token', () => ({ authorization: `Bearer ${ownerToken}` }), 101],
  ])('events/ws answers %s', async (_, headers, status) => {
    expect(await dial('/v1/homes/home/events/ws', headers())).toBe(status);
  });
});
