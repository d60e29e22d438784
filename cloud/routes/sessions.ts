// Sessions: lists come from the store; every change is an action at the phone, and the session is read back from there.
import { z } from '@hono/zod-openapi';
import { ANY, sessionClasses, sessionStatuses } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Session } from '../../protocol/model.ts';
import { type PhoneSession, sessionClassSchema } from '../../protocol/phone-model.ts';
import { sessionsOf } from './identifiers.ts';
import { ask, needPhone, phonesToRead } from './phone-choice.ts';
import { type AppDeps, body, type CloudApp, guarded, json, newApp } from './route-kit.ts';
import {
  changeSchema,
  homeParam,
  idParams,
  page,
  pageQuery,
  recipientSchema,
  sessionSchema,
  textFilter,
  wildcard,
} from './schemas.ts';
import { needSession } from './stored.ts';

const people = z.array(recipientSchema).max(limits.parties);
const contentTypes = z.array(z.string().min(1).max(255)).max(64);
const subject = z.string().max(limits.shortTextChars);

const list = guarded('sessions:read', {
  method: 'get',
  path: '/homes/{home}/sessions',
  summary: 'GetSessions: from the store, whether the home is online or not; newest first',
  request: {
    params: homeParam,
    query: pageQuery.extend({
      class: wildcard(sessionClasses),
      status: wildcard(sessionStatuses),
      phone: textFilter,
    }),
  },
  responses: { 200: json(page(sessionSchema), 'Sessions') },
});

const updates = guarded('sessions:read', {
  method: 'get',
  path: '/homes/{home}/sessions/updates',
  summary: 'GetSessionUpdates: what the phones say has changed',
  request: { params: homeParam, query: z.object({ phone: textFilter }) },
  responses: { 200: json(page(changeSchema), 'Changes') },
});

const one = guarded('sessions:read', {
  method: 'get',
  path: '/homes/{home}/sessions/{id}',
  summary: 'One session',
  request: { params: idParams },
  responses: { 200: json(sessionSchema, 'The session') },
});

const create = guarded('sessions:write', {
  method: 'post',
  path: '/homes/{home}/sessions',
  summary: 'CreateSession',
  request: {
    params: homeParam,
    body: body(
      z
        .object({
          phone: z.string().optional(),
          sessionClass: sessionClassSchema,
          recipients: people.min(1),
          subject: subject.default(''),
          contentTypes: contentTypes.default(['text/plain']),
        })
        .strict(),
    ),
  },
  responses: { 201: json(sessionSchema, 'The session') },
});

const modify = guarded('sessions:write', {
  method: 'patch',
  path: '/homes/{home}/sessions/{id}',
  summary: 'ModifySession: what is left out stays as it is',
  request: {
    params: idParams,
    body: body(
      z
        .object({
          addRecipients: people.default([]),
          removeRecipients: people.default([]),
          subject: subject.optional(),
          contentTypes: contentTypes.optional(),
          sessionClass: sessionClassSchema.optional(),
        })
        .strict(),
    ),
  },
  responses: { 200: json(sessionSchema, 'The session') },
});

const step = <const Verb extends string>(verb: Verb, action: string) =>
  guarded('sessions:write', {
    method: 'post',
    path: `/homes/{home}/sessions/{id}/${verb}`,
    summary: action,
    request: { params: idParams },
    responses: { 200: json(sessionSchema, 'The session') },
  });

const accept = step('accept', 'AcceptSession');
const join = step('join', 'JoinSession');
const leave = step('leave', 'LeaveSession');
const close = step('close', 'CloseSession');

export function sessionRoutes({ store, hubs, clock }: AppDeps): CloudApp {
  return newApp()
    .openapi(list, async (c) => {
      const { class: sessionClass, status, phone, limit, cursor } = c.req.valid('query');
      const { home } = c.req.valid('param');
      return c.json(await store.sessions.list(home, { sessionClass, status, phone }, { limit, cursor }), 200);
    })
    .openapi(updates, async (c) => {
      const { home } = c.req.valid('param');
      const phones = await phonesToRead(hubs.home(home), c.req.valid('query').phone);
      const lists = await Promise.all(
        phones.map(async (phone) => {
          const { SessionUpdates } = await ask(hubs.home(home), phone, 'GetSessionUpdates', {});
          const wanted = new Set(SessionUpdates.map((update) => update.sessionId));
          const ids = await sessionsOf(store, home, phone, wanted);
          return SessionUpdates.map((update) => ({ ...update, id: ids.get(update.sessionId) ?? null, phone }));
        }),
      );
      return c.json({ items: lists.flat(), next: null }, 200);
    })
    .openapi(one, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await needSession(store, home, id), 200);
    })
    .openapi(create, async (c) => {
      const { home } = c.req.valid('param');
      const given = c.req.valid('json');
      const phone = await needPhone(hubs.home(home), given.phone);
      const { SessionID, made } = await ask(
        hubs.home(home),
        phone,
        'CreateSession',
        {
          SessionClass: given.sessionClass,
          SessionRecipients: given.recipients,
          Subject: given.subject,
          SupportedContentType: given.contentTypes.join(','),
        },
        c.var.callKey,
      );
      if (made === undefined) {
        throw new GatewayError('phone-malformed', 'The agent made the session but did not name it.');
      }
      const now = new Date(clock.now()).toISOString();
      const session = await readBack(home, { id: made, phone, sessionId: SessionID }, () => ({
        sessionId: SessionID,
        sessionClass: given.sessionClass,
        status: 'Pending',
        subject: given.subject,
        contentTypes: given.contentTypes,
        recipients: given.recipients,
        startedAt: now,
        updatedAt: now,
      }));
      return c.json(session, 201, { location: `/v1/homes/${home}/sessions/${made}` });
    })
    .openapi(modify, async (c) => {
      const { home, id } = c.req.valid('param');
      const given = c.req.valid('json');
      const session = await needSession(store, home, id);
      await ask(hubs.home(home), session.phone, 'ModifySession', {
        SessionID: session.sessionId,
        SessionRecipientsToAdd: given.addRecipients,
        SessionRecipientsToRemove: given.removeRecipients,
        Subject: given.subject ?? session.subject ?? '',
        SupportedContentType: (given.contentTypes ?? session.contentTypes).join(','),
        SessionClass: given.sessionClass ?? session.sessionClass,
      });
      return c.json(await readBack(home, session, () => undefined), 200);
    })
    .openapi(accept, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await settle(home, id, 'AcceptSession', c.var.callKey), 200);
    })
    .openapi(join, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await settle(home, id, 'JoinSession', c.var.callKey), 200);
    })
    .openapi(leave, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await settle(home, id, 'LeaveSession', c.var.callKey), 200);
    })
    .openapi(close, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await settle(home, id, 'CloseSession', c.var.callKey), 200);
    });

  async function settle(
    home: string,
    id: string,
    action: 'AcceptSession' | 'JoinSession' | 'LeaveSession' | 'CloseSession',
    key: string | undefined,
  ): Promise<Session> {
    const session = await needSession(store, home, id);
    await ask(hubs.home(home), session.phone, action, { SessionID: session.sessionId }, key);
    // Some phones forget a session once it is closed.
    const forgotten = (): PhoneSession | undefined =>
      action === 'CloseSession'
        ? { ...phoneSessionOf(session), status: 'Closed', updatedAt: new Date(clock.now()).toISOString() }
        : undefined;
    return readBack(home, session, forgotten);
  }

  /** The session as the phone lists it now; if the phone does not list it, `otherwise`, or the stored session. */
  async function readBack(
    home: string,
    { id, phone, sessionId }: Pick<Session, 'id' | 'phone' | 'sessionId'>,
    otherwise: () => PhoneSession | undefined,
  ): Promise<Session> {
    const filter = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
    const { SessionsList } = await ask(hubs.home(home), phone, 'GetSessions', filter);
    const session = SessionsList.find((listed) => listed.sessionId === sessionId) ?? otherwise();
    if (session !== undefined) await hubs.home(home).commit([{ type: 'session.put', id, phone, session }]);
    return needSession(store, home, id);
  }
}

function phoneSessionOf(session: Session): PhoneSession {
  const { sessionId, sessionClass, status, contentTypes, recipients, updatedAt } = session;
  const phoneSession: PhoneSession = { sessionId, sessionClass, status, contentTypes, recipients, updatedAt };
  if (session.subject !== null) phoneSession.subject = session.subject;
  if (session.initiator !== null) phoneSession.initiator = session.initiator;
  if (session.startedAt !== null) phoneSession.startedAt = session.startedAt;
  return phoneSession;
}
