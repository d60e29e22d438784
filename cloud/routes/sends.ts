// Sending a message, on its own or within a session.
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { GatewayError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Session } from '../../protocol/model.ts';
import {
  attachmentSchema,
  type MessageClass,
  messageClassSchema,
  type Party,
  type SessionClass,
} from '../../protocol/phone-model.ts';
import { newUlid, ulidOf } from '../../shared/ulid.ts';
import type { MessageRecord } from '../store/message-store.ts';
import { choosePhone } from './phone-choice.ts';
import { problem } from './problem.ts';
import {
  type AppDeps,
  type AppEnv,
  appendTo,
  body,
  type CloudApp,
  guarded,
  holder,
  InvalidRequest,
  json,
  newApp,
} from './route-kit.ts';
import { homeParam, idParams, messageSchema, page, pageQuery, recipientSchema } from './schemas.ts';
import { needSession } from './stored.ts';

const draft = z
  .object({
    phone: z.string().optional().describe('Needed when several approved phones are online'),
    messageClass: messageClassSchema,
    to: z.array(recipientSchema).min(1).max(limits.parties),
    subject: z.string().max(limits.shortTextChars).optional(),
    body: z.string().max(limits.bodyChars),
    contentType: z.string().max(255).default('text/plain'),
    sessionId: z.string().optional().describe('`s_…`'),
    attachments: z.array(attachmentSchema).max(limits.attachments).default([]),
    ifOffline: z.enum(['queue', 'fail']).default('queue'),
    deliverBy: z.iso.datetime({ offset: true }).optional().describe('Give up after this time'),
  })
  .strict();
type Draft = z.infer<typeof draft>;

const taken = json(messageSchema, 'The phone took it');
const waiting = json(messageSchema, 'It is stored, and goes out when the home can send it');

const send = guarded('messages:send', {
  method: 'post',
  path: '/homes/{home}/messages',
  summary: 'SendMessage: stored first, sent once',
  request: { params: homeParam, body: body(draft, ['body']) },
  responses: { 201: taken, 202: waiting },
});

const sendInSession = guarded('messages:send', {
  method: 'post',
  path: '/homes/{home}/sessions/{id}/messages',
  summary: 'SendMessage within a session: to those who take part, unless told otherwise',
  request: {
    params: idParams,
    body: body(
      draft
        .omit({ phone: true, sessionId: true })
        .extend({ messageClass: messageClassSchema.optional(), to: draft.shape.to.optional() })
        .strict(),
      ['body'],
    ),
  },
  responses: { 201: taken, 202: waiting },
});

const listInSession = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/sessions/{id}/messages',
  summary: 'Messages within a session, newest first',
  request: { params: idParams, query: pageQuery },
  responses: { 200: json(page(messageSchema), 'Messages') },
});

export function sendRoutes({ store, hubs, clock, quotas }: AppDeps): CloudApp {
  return newApp()
    .openapi(send, async (c) => {
      const given = c.req.valid('json');
      const { home } = c.req.valid('param');
      const session = given.sessionId === undefined ? undefined : await needSession(store, home, given.sessionId);
      if (session !== undefined && given.phone !== undefined && given.phone !== session.phone) {
        throw new InvalidRequest('json', [{ at: 'body.phone', message: 'is not the phone of the session' }]);
      }
      return deliver(c, home, given, session?.phone ?? given.phone ?? null, session?.id ?? null);
    })
    .openapi(sendInSession, async (c) => {
      const { home, id } = c.req.valid('param');
      const given = c.req.valid('json');
      const session = await needSession(store, home, id);
      const to = given.to ?? present(session);
      if (to.length === 0) {
        throw new InvalidRequest('json', [{ at: 'body.to', message: 'is needed: nobody takes part in this session' }]);
      }
      const messageClass = given.messageClass ?? classWithin[session.sessionClass];
      return deliver(c, home, { ...given, to, messageClass }, session.phone, session.id);
    })
    .openapi(listInSession, async (c) => {
      const { home, id } = c.req.valid('param');
      await needSession(store, home, id);
      return c.json(await store.messages.list(home, { session: id }, c.req.valid('query')), 200);
    });

  async function deliver(
    c: Context<AppEnv>,
    home: string,
    given: Draft,
    phone: string | null,
    sessionId: string | null,
  ) {
    const nowMs = clock.now();
    const deliverByMs = given.deliverBy === undefined ? null : Date.parse(given.deliverBy);
    if (deliverByMs !== null && deliverByMs <= nowMs) {
      throw new InvalidRequest('json', [{ at: 'body.deliverBy', message: 'is past' }]);
    }
    quotas.takeSend(holder(c).token.id, appendTo(c));
    const record: MessageRecord = {
      id: await newMessageId(c, nowMs),
      messageId: null,
      home,
      phone,
      messageClass: given.messageClass,
      folder: 'Outgoing',
      status: 'Read',
      sessionId,
      from: { address: '' },
      to: given.to,
      subject: given.subject ?? null,
      body: given.body,
      contentType: given.contentType,
      attachments: given.attachments,
      time: new Date(nowMs).toISOString(),
      state: 'queued',
      onPhone: false,
      epoch: null,
      fingerprint: null,
      deliverByMs,
    };
    const ask = (by: string | null) => hubs.home(home).send({ ...record, phone: by }, given.ifOffline, c.var.requestId);
    const { message, error } = await ask(phone).catch(async (thrown: unknown) => {
      const isUndecided = phone === null && thrown instanceof GatewayError && thrown.code === 'invalid-request';
      if (!isUndecided) throw thrown;
      // Usually the home has one usable phone. Otherwise this throws, and the error names the choices.
      return ask((await choosePhone(hubs.home(home), undefined)) ?? null);
    });
    const headers = { location: `/v1/homes/${home}/messages/${message.id}` };
    // The failed message stays in the store, so that people can see what happened to it.
    if (error !== undefined) return problem(c, error, { resource: message.id, headers }) as never;
    return message.state === 'sent' ? c.json(message, 201, headers) : c.json(message, 202, headers);
  }
}

/** `m_…`, derived from the Idempotency-Key, so that a retry after a crash of the cloud makes no second message. */
async function newMessageId(c: Context<AppEnv>, nowMs: number): Promise<string> {
  const { callKey, firstBegunMs } = c.var;
  if (callKey === undefined || firstBegunMs === undefined) return `m_${newUlid(nowMs)}`;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(callKey)));
  return `m_${ulidOf(firstBegunMs, digest)}`;
}

/** Participants that have not left. */
function present(session: Session): Party[] {
  return session.recipients.filter((party) => party.state !== 'left').map(({ state: _, ...party }) => party);
}

const classWithin: Readonly<Record<SessionClass, MessageClass>> = {
  'e-Mail': 'e-Mail',
  SMS: 'SMS',
  MMS: 'MMS',
  Chat: 'Instant Message',
  'File-Transfer': 'Instant Message',
  Mixed: 'Instant Message',
};
