// Signed-in devices: the owner lists the dashboard's sessions and ends them.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import type { TokenRecord } from '../store/token-store.ts';
import { type AppDeps, type CloudApp, guarded, holder, json, newApp } from './route-kit.ts';
import { page } from './schemas.ts';
import { forgetCookies } from './session-cookie.ts';

const sessionSchema = z
  .object({
    id: z.string(),
    device: z.string().describe('In words for people, from the browser’s User-Agent'),
    createdAt: z.string(),
    lastUsedAt: z.string().describe('To within ten minutes'),
    expiresAt: z.string().nullable(),
    current: z.boolean().describe('The session that asks'),
  })
  .openapi('SignedInDevice');

const list = guarded('owner', {
  method: 'get',
  path: '/me/sessions',
  summary: 'The devices that are signed in to the dashboard, newest first',
  responses: { 200: json(page(sessionSchema), 'Sessions') },
});

const endOne = guarded('owner', {
  method: 'delete',
  path: '/me/sessions/{id}',
  summary: 'Signs one device out; its open streams end',
  request: { params: z.object({ id: z.string() }) },
  responses: { 204: { description: 'It is signed out' } },
});

const endAll = guarded('owner', {
  method: 'delete',
  path: '/me/sessions',
  summary: 'Signs all devices out; with ?except=current, all others',
  request: { query: z.object({ except: z.literal('current').optional() }).strict() },
  responses: { 204: { description: 'They are signed out' } },
});

export function signedInDeviceRoutes({ access }: AppDeps): CloudApp {
  return newApp()
    .openapi(list, async (c) => {
      const { account, id: current } = holder(c).token;
      const sessions = await access.sessions(account);
      return c.json({ items: sessions.map((session) => sessionOf(session, current)), next: null }, 200);
    })
    .openapi(endOne, async (c) => {
      const { account, id: current } = holder(c).token;
      const { id } = c.req.valid('param');
      const session = (await access.sessions(account)).find((each) => each.id === id);
      if (session === undefined || !(await access.revoke(session))) {
        throw new GatewayError('not-found', 'There is no such session.');
      }
      if (id === current) forgetCookies(c);
      return c.body(null, 204);
    })
    .openapi(endAll, async (c) => {
      const { account, id: current } = holder(c).token;
      const keepsCurrent = c.req.valid('query').except === 'current';
      const sessions = await access.sessions(account);
      for (const session of sessions) if (session.id !== current) await access.revoke(session);
      const own = keepsCurrent ? undefined : sessions.find(({ id }) => id === current);
      // Last, so that a request that was interrupted can be retried.
      if (own !== undefined) await access.revoke(own);
      if (own !== undefined) forgetCookies(c);
      return c.body(null, 204);
    });
}

function sessionOf({ id, device, createdAtMs, lastUsedMs, expiresAtMs }: TokenRecord, current: string) {
  return {
    id,
    device: device ?? 'Unknown device',
    createdAt: new Date(createdAtMs).toISOString(),
    lastUsedAt: new Date(lastUsedMs ?? createdAtMs).toISOString(),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    current: id === current,
  };
}
