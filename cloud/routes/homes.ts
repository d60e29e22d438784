// Homes and the agents that connect them.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import { type Home, keepRules } from '../../protocol/model.ts';
import type { Principal } from '../access/principal.ts';
import type { Scope } from '../access/scopes.ts';
import type { Hubs } from '../hub/hubs.ts';
import { type AppDeps, body, type CloudApp, guarded, holder, json, newApp } from './route-kit.ts';
import { homeParam, homeSchema, idParams, lineSchema, page } from './schemas.ts';

const list = guarded('homes:read', {
  method: 'get',
  path: '/homes',
  summary: 'The homes that the token reaches',
  responses: { 200: json(page(homeSchema), 'Homes') },
});

const one = guarded('homes:read', {
  method: 'get',
  path: '/homes/{home}',
  summary: 'One home: whether it is online and since when, its agent and its phones (with phones:read)',
  request: { params: homeParam },
  responses: { 200: json(homeSchema, 'The home') },
});

/** 100 years; `null` keeps messages for longer. */
const mostKeepDays = 36_525;

const change = guarded('homes:manage', {
  method: 'patch',
  path: '/homes/{home}',
  summary: 'Changes settings of the home: its name, how long messages are kept, its country',
  request: {
    params: homeParam,
    body: body(
      z
        .object({
          name: lineSchema(200).optional(),
          keep: z.enum(keepRules).optional(),
          keepDays: z.int().min(1).max(mostKeepDays).nullable().optional(),
          country: z
            .string()
            .toUpperCase()
            .refine(isCountry, 'is no country code of ISO 3166-1 alpha-2')
            .nullable()
            .optional(),
        })
        .strict(),
    ),
  },
  responses: { 200: json(homeSchema, 'The home') },
});

const answer = guarded('homes:manage', {
  method: 'post',
  path: '/homes/{home}/questions/{id}',
  summary: 'Answers a question of the home: whether messages that are missing from a phone are kept or deleted here',
  request: { params: idParams, body: body(z.object({ answer: z.enum(['keep', 'delete']) }).strict()) },
  responses: { 200: json(homeSchema, 'The home; what is deleted goes in the background') },
});

const agentSchema = z
  .object({ id: z.string(), name: z.string(), createdAt: z.string(), online: z.boolean() })
  .openapi('Agent');

const listAgents = guarded('agents:manage', {
  method: 'get',
  path: '/homes/{home}/agents',
  summary: 'Agents that may connect',
  request: { params: homeParam },
  responses: { 200: json(page(agentSchema), 'Agents') },
});

const createAgent = guarded('agents:manage', {
  method: 'post',
  path: '/homes/{home}/agents',
  summary: 'Makes a token for an agent; it is shown once',
  request: { params: homeParam, body: body(z.object({ name: lineSchema(200) }).strict()) },
  responses: { 201: json(z.object({ id: z.string(), name: z.string(), token: z.string() }), 'The agent') },
});

const removeAgent = guarded('agents:manage', {
  method: 'delete',
  path: '/homes/{home}/agents/{id}',
  summary: 'Revokes an agent and closes its tunnel',
  request: { params: idParams },
  responses: { 204: { description: 'It is revoked' } },
});

/** An agent may approve the phones that its configuration trusts only if its token's creator may approve phones. */
function agentScopes(maker: Principal, home: string): Scope[] {
  return maker.may('phones:approve', home) ? ['phones:approve'] : [];
}

/** Phones need a separate scope. */
function shownTo(principal: Principal, home: Home): Home {
  return principal.may('phones:read', home.id) ? home : { ...home, phones: [] };
}

export function homeRoutes({ hubs, access }: AppDeps): CloudApp {
  return newApp()
    .openapi(list, async (c) => {
      const principal = holder(c);
      const homes = await Promise.all(principal.homes.map((home) => hubs.home(home).status()));
      const items = homes.filter((home) => home !== undefined).map((home) => shownTo(principal, home));
      return c.json({ items, next: null }, 200);
    })
    .openapi(one, async (c) => {
      return c.json(shownTo(holder(c), await needHome(hubs, c.req.valid('param').home)), 200);
    })
    .openapi(change, async (c) => {
      const { home } = c.req.valid('param');
      await hubs.home(home).commit([{ type: 'home.change', ...c.req.valid('json') }]);
      return c.json(shownTo(holder(c), await needHome(hubs, home)), 200);
    })
    .openapi(answer, async (c) => {
      const { home, id } = c.req.valid('param');
      const events = await hubs.home(home).commit([{ type: 'question.answer', id, ...c.req.valid('json') }]);
      if (!events.some(({ type }) => type === 'home.updated')) {
        const detail = 'There is no such question, or its numbers have changed: read the home again.';
        throw new GatewayError('not-found', detail);
      }
      return c.json(shownTo(holder(c), await needHome(hubs, home)), 200);
    })
    .openapi(listAgents, async (c) => {
      const { home } = c.req.valid('param');
      const [tokens, status] = await Promise.all([
        access.list(holder(c).token.account, { kind: 'agent', home }),
        hubs.home(home).status(),
      ]);
      const items = tokens.map(({ id, name, createdAtMs }) => ({
        id,
        name,
        createdAt: new Date(createdAtMs).toISOString(),
        online: status?.online === true && status.agent?.id === id,
      }));
      return c.json({ items, next: null }, 200);
    })
    .openapi(createAgent, async (c) => {
      const { home } = c.req.valid('param');
      const { name } = c.req.valid('json');
      const { account } = holder(c).token;
      const { id, token } = await access.issue('agent', { account, home, name, scopes: agentScopes(holder(c), home) });
      return c.json({ id, name, token }, 201);
    })
    .openapi(removeAgent, async (c) => {
      const { home, id } = c.req.valid('param');
      const { account } = holder(c).token;
      const agents = await access.list(account, { kind: 'agent', home });
      const agent = agents.find((each) => each.id === id);
      if (agent === undefined || !(await access.revoke(agent)))
        throw new GatewayError('not-found', 'This home has no such agent.');
      return c.body(null, 204);
    });
}

async function needHome(hubs: Hubs, id: string): Promise<Home> {
  const home = await hubs.home(id).status();
  if (home === undefined) throw new GatewayError('not-found', 'There is no such home.');
  return home;
}

/** Whether the code is a country: Unicode also has codes for groups of countries, for tests, and aliases. */
function isCountry(code: string): boolean {
  if (!/^[A-Z]{2}$/.test(code) || ['EU', 'EZ', 'UN', 'QO', 'XA', 'XB', 'ZZ'].includes(code)) return false;
  if (new Intl.Locale(`und-${code}`).region !== code) return false;
  return new Intl.DisplayNames('en', { type: 'region', fallback: 'none' }).of(code) !== undefined;
}
