// Sign-in to the dashboard: a sign-in link or the owner's token opens a session, which lives in a cookie.
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { GatewayError } from '../../protocol/errors.ts';
import type { Issued } from '../access/access.ts';
import { deviceOf } from '../access/device.ts';
import type { Principal } from '../access/principal.ts';
import { offeredScopes } from '../access/scopes.ts';
import {
  type AppDeps,
  type AppEnv,
  body,
  type CloudApp,
  clientOf,
  guarded,
  holder,
  json,
  newApp,
  unguarded,
} from './route-kit.ts';
import { forgetCookies, giveCookie, refuseStrangePages } from './session-cookie.ts';

const meSchema = z
  .object({
    account: z.string(),
    name: z.string(),
    kind: z.enum(['owner', 'api', 'agent', 'session', 'sign-in']),
    homes: z.array(z.string()),
    scopes: z.array(z.string()),
  })
  .openapi('Me');

const signIn = unguarded({
  method: 'post',
  path: '/sign-in',
  summary: 'Opens a session from the code of a sign-in link, or from the owner’s token; sets a cookie',
  request: {
    body: body(
      z.union([
        z.object({ code: z.string().min(1).max(512) }).strict(),
        z.object({ token: z.string().min(1).max(512) }).strict(),
      ]),
    ),
  },
  responses: { 200: json(meSchema, 'Who is signed in') },
});

const signOut = unguarded({
  method: 'post',
  path: '/sign-out',
  summary: 'Ends the session of the cookie',
  responses: { 204: { description: 'Nobody is signed in' } },
});

const me = guarded('anyone-signed-in', {
  method: 'get',
  path: '/me',
  summary: 'Whose token this is, and what it may do',
  responses: { 200: json(meSchema, 'The holder') },
});

export function signInRoutes({ access, clock, quotas }: AppDeps): CloudApp {
  return newApp()
    .openapi(signIn, async (c) => {
      refuseStrangePages(c);
      const session = await openSession(c, c.req.valid('json'));
      giveCookie(c, session.token, Math.floor(((session.expiresAtMs ?? clock.now()) - clock.now()) / 1000));
      const principal = await access.identify(session.token);
      if (principal === undefined) throw new GatewayError('internal', 'The new session is not known.');
      return c.json(meOf(principal), 200);
    })
    .openapi(signOut, async (c) => {
      refuseStrangePages(c);
      const token = c.var.principal?.token;
      if (token?.kind === 'session') await access.revoke(token);
      forgetCookies(c);
      return c.body(null, 204);
    })
    .openapi(me, (c) => c.json(meOf(holder(c)), 200));

  async function openSession(c: Context<AppEnv>, given: { code: string } | { token: string }): Promise<Issued> {
    const device = deviceOf(c.req.header('user-agent'));
    // A valid code or token works even if others behind the same address failed too often.
    const failed = (words: string) => quotas.failedSignIn(clientOf(c)) ?? new GatewayError('unauthorized', words);
    if ('code' in given) {
      const session = await access.signIn(given.code, device);
      if (session !== undefined) return session;
      throw failed('This sign-in link was used, or is older than 15 minutes. Make a new one.');
    }
    const principal = await access.identify(given.token);
    if (principal !== undefined) return access.signInAs(principal, device);
    throw failed('This token is not known, or no longer in use.');
  }
}

function meOf(principal: Principal) {
  const { account, name, kind } = principal.token;
  return {
    account,
    name,
    kind,
    homes: [...principal.homes],
    scopes: offeredScopes.filter((scope) => principal.may(scope)),
  };
}
