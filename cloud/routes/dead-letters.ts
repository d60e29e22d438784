// Dead letters: events that the cloud refused permanently. The agent keeps them; they are as private as messages.
import { z } from '@hono/zod-openapi';
import { messageFolderSchema, partySchema } from '../../protocol/phone-model.ts';
import { type AppDeps, type CloudApp, guarded, json, newApp } from './route-kit.ts';
import { homeParam, idParams, page, pageQuery } from './schemas.ts';

const deadLetterSchema = z
  .object({
    id: z.string(),
    phone: z.string(),
    time: z.string().describe('When it was put aside'),
    code: z.string().describe('Of the list of error codes'),
    reason: z.string(),
    event: z.string().describe('What happened at the phone, by its type in the tunnel'),
    message: z
      .object({
        folder: messageFolderSchema,
        with: partySchema.pick({ address: true, displayName: true }),
        subject: z.string().optional(),
        text: z.string(),
        time: z.string(),
      })
      .optional()
      .describe('What a message says, shortened'),
  })
  .openapi('DeadLetter');

const list = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/dead-letters',
  summary: 'What the store refused for good and the agent at home keeps, newest first',
  request: { params: homeParam, query: pageQuery },
  responses: { 200: json(page(deadLetterSchema), 'Dead letters') },
});

const outcomeSchema = z.object({
  outcome: z.enum(['stored', 'refused', 'waiting']),
  code: z.string().optional().describe('Why it was refused again'),
  reason: z.string().optional(),
});

const retry = guarded('messages:update', {
  method: 'post',
  path: '/homes/{home}/dead-letters/{id}/retry',
  summary: 'Sends it to the store again; refused again, it is a dead letter under a new id',
  request: { params: idParams },
  responses: { 200: json(outcomeSchema, 'What came of it; `waiting` when that is not known yet') },
});

const discard = guarded('messages:delete', {
  method: 'delete',
  path: '/homes/{home}/dead-letters/{id}',
  summary: 'Forgets it; what it tells of stays on the phone as it is',
  request: { params: idParams },
  responses: { 204: { description: 'It is forgotten' } },
});

export function deadLetterRoutes({ hubs }: AppDeps): CloudApp {
  return newApp()
    .openapi(list, async (c) => {
      return c.json(await hubs.home(c.req.valid('param').home).deadLetters(c.req.valid('query')), 200);
    })
    .openapi(retry, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(outcomeSchema.parse(await hubs.home(home).settleDeadLetter(id, 'retry')), 200);
    })
    .openapi(discard, async (c) => {
      const { home, id } = c.req.valid('param');
      await hubs.home(home).settleDeadLetter(id, 'discard');
      return c.body(null, 204);
    });
}
