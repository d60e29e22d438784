// API tokens: created with a name and scopes, shown once, revocable immediately.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import type { Principal } from '../access/principal.ts';
import { offeredScopes } from '../access/scopes.ts';
import type { TokenRecord } from '../store/token-store.ts';
import { type AppDeps, body, type CloudApp, guarded, holder, json, newApp } from './route-kit.ts';
import { lineSchema, page } from './schemas.ts';

const tokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z.enum(['owner', 'api']),
    home: z.string().nullable(),
    scopes: z.array(z.string()),
    createdAt: z.string(),
  })
  .openapi('Token');

const list = guarded('tokens:manage', {
  method: 'get',
  path: '/tokens',
  summary: 'Tokens in use, without their secrets',
  responses: { 200: json(page(tokenSchema), 'Tokens') },
});

const create = guarded('tokens:manage', {
  method: 'post',
  path: '/tokens',
  summary: 'Makes a token; it is shown once',
  request: {
    body: body(
      z
        .object({
          name: lineSchema(200),
          home: z.string().optional(),
          scopes: z.array(z.enum(offeredScopes)).min(1),
        })
        .strict(),
    ),
  },
  responses: { 201: json(tokenSchema.extend({ token: z.string() }), 'The token') },
});

const remove = guarded('tokens:manage', {
  method: 'delete',
  path: '/tokens/{id}',
  summary: 'Revokes a token',
  request: { params: z.object({ id: z.string() }) },
  responses: { 204: { description: 'It is revoked' } },
});

export function tokenRoutes({ access, clock, log }: AppDeps): CloudApp {
  /** A token that is bound to a home can manage tokens of that home only. */
  const visible = async (principal: Principal): Promise<TokenRecord[]> => {
    const { account, home } = principal.token;
    if (home !== null) return access.list(account, { kind: 'api', home });
    const kinds = ['owner', 'api'] as const;
    return (await Promise.all(kinds.map((kind) => access.list(account, { kind })))).flat();
  };
  return newApp()
    .openapi(list, async (c) => {
      const tokens = await visible(holder(c));
      return c.json({ items: tokens.map(tokenOf).reverse(), next: null }, 200);
    })
    .openapi(create, async (c) => {
      const given = c.req.valid('json');
      const principal = holder(c);
      const { account, home: bound } = principal.token;
      const grant = { account, home: given.home ?? bound, name: given.name, scopes: [...new Set(given.scopes)] };
      const { id, token } = await access.issue('api', grant, principal);
      const { name, home } = grant;
      const createdAt = new Date(clock.now()).toISOString();
      return c.json({ id, token, name, kind: 'api' as const, home, scopes: grant.scopes, createdAt }, 201);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      const principal = holder(c);
      const token = (await visible(principal)).find((each) => each.id === id);
      if (token !== undefined && !principal.mayRevoke(token)) {
        throw new GatewayError('forbidden', 'This token has rights that yours lacks: only the owner can revoke it.');
      }
      if (token === undefined || !(await access.revoke(token))) {
        throw new GatewayError('not-found', 'There is no such token.');
      }
      if (token.kind === 'owner') log.warn('owner-token.revoked', { token: id });
      return c.body(null, 204);
    });
}

function tokenOf({ id, name, kind, home, scopes, createdAtMs }: TokenRecord) {
  const createdAt = new Date(createdAtMs).toISOString();
  return { id, name, kind: kind === 'owner' ? kind : ('api' as const), home, scopes, createdAt };
}
