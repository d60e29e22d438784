// Who may do what: every route of the OpenAPI document, with every kind of token and every scope alone, in two homes.
// What is expected follows from the document's `security`, so that a new route is covered as soon as it is described.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { offeredScopes } from '../../../cloud/access/scopes.ts';
import { actions } from '../../../protocol/actions.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { ownerToken, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';
import { sampleOf } from './sampled-body.ts';

interface Route {
  name: string;
  method: string;
  path: string;
  /** Undefined: no token needed. `''`: any token. `owner`: only the owner. Otherwise a scope. */
  needs: string | undefined;
  body: unknown;
}

const homes = { own: 'home', other: 'cabin' };
// Quotas have a test of their own.
const settings = { home: homes.other, ratePerSecond: 0, badTokensPerMinute: 0 };
const cloud = new RunningCloud(settings);
let agent: ScriptedAgent;
let routes: Route[] = [];
let guarded: Route[] = [];
/** What stands for a path's parameters: things that are there, so that a refused request would have changed them. */
let there: Record<string, string> = {};
const alone = new Map<string, string>();
let session = '';

/** A phone that refuses at once: nobody waits for the answer to a call that was let through. */
const refusing = Object.fromEntries(Object.keys(actions).map((name) => [name, () => ({ code: 'phone-refused' })]));

beforeAll(async () => {
  // The same data, first for one home and then for the other: an account with two.
  await cloud.start();
  settings.home = homes.own;
  await cloud.restart();
  const made = await cloud.homeWithPhone(refusing);
  agent = made.agent;
  const message = phoneMessage({ messageId: 'm-1', status: 'Unread' });
  await agent.deliver({
    type: 'message.put',
    udn: 'uuid:phone-1',
    epoch: 0,
    id: messageId(1),
    message,
    fingerprint: '',
  });
  const { paths, components } = (await cloud.get('/openapi.json')).body;
  routes = Object.entries(paths as object).flatMap(([path, item]) =>
    Object.entries(item as object).map(([method, { security, requestBody }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      needs: security.length === 0 ? undefined : (security[0]?.token?.[0] ?? ''),
      body: requestBody && sampleOf(requestBody.content['application/json'].schema, components.schemas),
    })),
  );
  guarded = routes.filter(({ needs }) => needs !== undefined);
  const make = async (given: object) => (await cloud.post('/v1/tokens', given)).body;
  for (const scope of offeredScopes) {
    alone.set(scope, (await make({ name: `only ${scope}`, home: homes.own, scopes: [scope] })).token);
  }
  const target = await make({ name: 'target', scopes: ['homes:read'] });
  const otherAgent = (await cloud.post(`/v1/homes/${homes.own}/agents`, { name: 'target' })).body;
  session = await signIn();
  const [device] = (await cloud.get('/v1/me/sessions')).body.items;
  there = {
    '/messages/{id}': messageId(1),
    '/tokens/{id}': target.id,
    '/agents/{id}': otherAgent.id,
    '/me/sessions/{id}': device.id,
    '{phone}': made.phone.id,
    '{action}': 'DeleteMessage',
  };
  // Two starts of workerd on a busy machine.
}, 240_000);
afterAll(() => cloud.stop());

async function signIn(): Promise<string> {
  const answer = await fetch(`${cloud.url}/v1/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: ownerToken }),
  });
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

/** The route's address: with what is there, or with nothing that is there. */
function addressOf({ path }: Route, home: string, isThere: boolean): string {
  let address = path.replace('{home}', home);
  for (const [pattern, id] of Object.entries(there)) {
    const place = pattern.replace(/.*(?=\{)/, '');
    if (address.includes(pattern)) address = address.replace(place, isThere ? id : 'none');
  }
  return address.replaceAll(/\{[^}]+\}/g, 'none');
}

/** Without a word of who asks, unless the headers say so. */
async function ask(route: Route, home: string, headers: Record<string, string>, isThere: boolean) {
  const controller = new AbortController();
  const response = await fetch(cloud.url + addressOf(route, home, isThere), {
    method: route.method,
    headers: { ...headers, ...(route.body !== undefined && { 'content-type': 'application/json' }) },
    ...(route.body !== undefined && { body: JSON.stringify(route.body) }),
    signal: controller.signal,
  });
  // A stream has no end: the status is what is asked for.
  const isStream = response.headers.get('content-type')?.includes('event-stream') === true;
  if (!isStream) await response.arrayBuffer();
  controller.abort();
  return response.status;
}

/** Does it with all of them, several at once: thousands of requests, one after the other, take minutes in workerd. */
async function each<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** All that a refused request could have changed. */
async function state(): Promise<unknown> {
  const paths = ['messages', 'phones', 'sessions', 'agents', 'conversations'];
  const all = [...paths.map((path) => `/v1/homes/${homes.own}/${path}`), `/v1/homes/${homes.other}`, '/v1/tokens'];
  const answers = await Promise.all(all.map(async (path) => (await cloud.get(path)).body));
  const devices = (await cloud.get('/v1/me/sessions')).body.items.map(({ id }: { id: string }) => id);
  const { flow: _, ...home } = (await cloud.get(`/v1/homes/${homes.own}`)).body;
  return { answers, devices, home };
}

/** Sends all of them, and sees to it that each is refused and that nothing has changed, nor was a phone called. */
async function expectRefused(
  cases: { route: Route; home: string; headers: Record<string, string>; status: number[] }[],
) {
  const before = await state();
  const calls = agent.frames.filter(({ type }) => type === 'call').length;
  const wrong: string[] = [];
  await each(cases, async ({ route, home, headers, status }) => {
    const got = await ask(route, home, headers, true);
    if (!status.includes(got)) wrong.push(`${route.name} at ${home}: ${got} in place of ${status.join(' or ')}`);
  });
  expect(wrong).toEqual([]);
  expect(await state()).toEqual(before);
  expect(agent.frames.filter(({ type }) => type === 'call')).toHaveLength(calls);
}

const isOfHome = ({ path }: Route) => path.includes('{home}');

describe('every route', { timeout: 300_000 }, () => {
  it('says what it needs, by a scope that there is', () => {
    expect(routes.length).toBeGreaterThan(40);
    const known = ['', 'owner', ...offeredScopes];
    expect(guarded.filter(({ needs = '' }) => !known.includes(needs))).toEqual([]);
  });

  it('that changes something needs more than a scope of reading', () => {
    const changing = guarded.filter(
      ({ method, needs = '' }) => method !== 'GET' && (needs === '' || /:read$/.test(needs)),
    );
    expect(changing.map(({ name }) => name)).toEqual([]);
  });

  it('refuses strangers: no token, an unknown one, a revoked one, and a code for signing in', async () => {
    const revoked = (await cloud.post('/v1/tokens', { name: 'revoked', scopes: offeredScopes })).body;
    await cloud.request('DELETE', `/v1/tokens/${revoked.id}`);
    const code = (await cloud.host.signInLink()).split('#sign-in=')[1] ?? '';
    const ended = await signIn();
    const [device] = (await cloud.get('/v1/me/sessions')).body.items;
    await cloud.request('DELETE', `/v1/me/sessions/${device.id}`);
    const strangers = [{}, bearer(`hl_${'x'.repeat(43)}`), bearer(revoked.token), bearer(code), { cookie: ended }];
    await expectRefused(
      guarded.flatMap((route) => strangers.map((headers) => ({ route, home: homes.own, headers, status: [401] }))),
    );
  });

  it('refuses the session of our page to other pages, and where nothing says which page it is', async () => {
    const foreign = { cookie: session, origin: 'https://evil.example' };
    await expectRefused(
      guarded.flatMap((route) => [
        { route, home: homes.own, headers: foreign, status: [403] },
        ...(route.method === 'GET' ? [] : [{ route, home: homes.own, headers: { cookie: session }, status: [403] }]),
      ]),
    );
  });

  it('refuses an agent, whose token opens the tunnel alone', async () => {
    const headers = bearer(await cloud.host.issueAgentToken('agent of the matrix'));
    const closed = guarded.filter(({ needs }) => needs !== '');
    await expectRefused(closed.map((route) => ({ route, home: homes.own, headers, status: [403] })));
  });

  it.each([...offeredScopes])('is refused to a token that has %s alone, unless it needs that', async (scope) => {
    const headers = bearer(alone.get(scope) ?? '');
    const closed = guarded.filter(({ needs }) => needs !== '' && needs !== scope);
    await expectRefused(closed.map((route) => ({ route, home: homes.own, headers, status: [403] })));
  });

  it.each([...offeredScopes])('of another home is refused to a token that has %s in its own', async (scope) => {
    const headers = bearer(alone.get(scope) ?? '');
    await expectRefused(
      guarded.filter(isOfHome).map((route) => ({ route, home: homes.other, headers, status: [403] })),
    );
  });

  it.each([...offeredScopes])('that needs %s is open to a token that has it', async (scope) => {
    const wrong: string[] = [];
    const open = guarded.filter(({ needs }) => needs === scope);
    await each(open, async (route) => {
      const status = await ask(route, homes.own, bearer(alone.get(scope) ?? ''), false);
      if (status === 401 || (status === 403 && !givesRights(route))) wrong.push(`${route.name}: ${status}`);
    });
    expect(wrong).toEqual([]);
  });

  it('is open to the owner’s token, and of homes that are not there says so', async () => {
    const wrong: string[] = [];
    await each(guarded, async (route) => {
      const status = await ask(route, homes.own, bearer(ownerToken), false);
      if (isEnd(route) ? false : status === 401 || status === 403) wrong.push(`${route.name}: ${status}`);
      if (isOfHome(route)) {
        const nowhere = await ask(route, 'nowhere', bearer(ownerToken), false);
        if (nowhere !== 404) wrong.push(`${route.name} of no home: ${nowhere}`);
      }
    });
    expect(wrong).toEqual([]);
  });
});

/** Nobody gives what he does not have: a refusal of its own. */
function givesRights({ name }: Route): boolean {
  return name === 'POST /v1/tokens';
}

/** What would end the sessions of the test. */
function isEnd({ name }: Route): boolean {
  return name === 'DELETE /v1/me/sessions';
}
