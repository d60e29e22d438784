// Messages: listed from the store, read and deleted at the phone.
import { z } from '@hono/zod-openapi';
import { messageClasses, messageFolders, messageStatuses } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import { publicMessage } from '../store/rules/public-message.ts';
import { isAnswerAbout, messagesOf, sessionsOf } from './identifiers.ts';
import { ask, phonesToRead } from './phone-choice.ts';
import { type AppDeps, type CloudApp, guarded, json, newApp } from './route-kit.ts';
import {
  arrivalSchema,
  conversationSchema,
  flag,
  homeParam,
  hopSchema,
  idParams,
  messageSchema,
  page,
  pageQuery,
  textFilter,
  wildcard,
} from './schemas.ts';
import { needMessage } from './stored.ts';

const search = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/messages',
  summary: 'SearchMessages: from the store, whether the home is online or not; newest first',
  request: {
    params: homeParam,
    query: pageQuery.extend({
      class: wildcard(messageClasses),
      folder: wildcard(messageFolders),
      status: wildcard(messageStatuses),
      session: textFilter,
      phone: textFilter,
      from: textFilter,
      onPhone: flag,
      // The empty key is a conversation too: the one with withheld numbers.
      conversation: z
        .string()
        .max(limits.parties * limits.addressChars)
        .optional(),
      q: textFilter,
    }),
  },
  responses: { 200: json(page(messageSchema), 'Messages') },
});

const admission = guarded('messages:update', {
  method: 'get',
  path: '/homes/{home}/messages/new',
  summary: 'GetNewMessages: what the phones call new; some of them forget it once told',
  request: { params: homeParam, query: z.object({ phone: textFilter }) },
  responses: { 200: json(page(arrivalSchema), 'New messages') },
});

const one = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/messages/{id}',
  summary: 'One message, without marking it read',
  request: { params: idParams },
  responses: { 200: json(messageSchema, 'The message') },
});

const read = guarded('messages:update', {
  method: 'post',
  path: '/homes/{home}/messages/{id}/read',
  summary: 'ReadMessage: marks it read at the phone and answers it with its body',
  request: { params: idParams },
  responses: { 200: json(messageSchema, 'The message') },
});

const remove = guarded('messages:delete', {
  method: 'delete',
  path: '/homes/{home}/messages/{id}',
  summary: 'DeleteMessage: at the phone, then here; a send that never reached a phone is deleted here only',
  request: { params: idParams },
  responses: { 204: { description: 'It is deleted' } },
});

const trace = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/messages/{id}/trace',
  summary: 'The way of a message: each hop with its time, by the clock that was there, and its reason',
  request: { params: idParams },
  responses: { 200: json(page(hopSchema), 'Hops, oldest first; of more than 32 the first 8 and the latest') },
});

const conversations = guarded('messages:read', {
  method: 'get',
  path: '/homes/{home}/conversations',
  summary: 'All that was said with the same people, newest first, with the number of unread messages in the home',
  request: { params: homeParam, query: pageQuery },
  responses: { 200: json(page(conversationSchema).extend({ unread: z.int() }), 'Conversations') },
});

export function messageRoutes({ store, hubs, clock }: AppDeps): CloudApp {
  return newApp()
    .openapi(search, async (c) => {
      const { class: messageClass, q: text, limit, cursor, ...filter } = c.req.valid('query');
      const { home } = c.req.valid('param');
      return c.json(await store.messages.list(home, { ...filter, messageClass, text }, { limit, cursor }), 200);
    })
    .openapi(admission, async (c) => {
      const { home } = c.req.valid('param');
      const phones = await phonesToRead(hubs.home(home), c.req.valid('query').phone);
      const lists = await Promise.all(
        phones.map(async (phone) => {
          const { NewMessages } = await ask(hubs.home(home), phone, 'GetNewMessages', {});
          const [ids, sessions] = await Promise.all([
            messagesOf(store, home, phone, new Set(NewMessages.map((message) => message.messageId))),
            sessionsOf(store, home, phone, new Set(NewMessages.flatMap((message) => message.sessionId ?? []))),
          ]);
          return NewMessages.map((message) => ({
            ...message,
            id: ids.get(message.messageId) ?? null,
            phone,
            session: sessions.get(message.sessionId ?? '') ?? null,
          }));
        }),
      );
      return c.json({ items: lists.flat(), next: null }, 200);
    })
    .openapi(one, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(publicMessage(await needMessage(store, home, id)), 200);
    })
    .openapi(trace, async (c) => {
      const { home, id } = c.req.valid('param');
      const { hops = [] } = await needMessage(store, home, id);
      const items = hops.map(([hop, timeMs, reason]) => ({
        hop,
        time: new Date(timeMs).toISOString(),
        ...(reason !== undefined && { reason }),
      }));
      return c.json({ items, next: null }, 200);
    })
    .openapi(read, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json(await markRead(home, await needMessage(store, home, id)), 200);
    })
    .openapi(remove, async (c) => {
      const { home, id } = c.req.valid('param');
      await removeMessage(home, await needMessage(store, home, id));
      return c.body(null, 204);
    })
    .openapi(conversations, async (c) => {
      const { home } = c.req.valid('param');
      const [found, unread] = await Promise.all([
        store.conversations.list(home, c.req.valid('query')),
        store.conversations.countUnread(home),
      ]);
      return c.json({ ...found, unread }, 200);
    });

  async function markRead(home: string, record: MessageRecord): Promise<Message> {
    const { id, phone, messageId, epoch } = record;
    if (record.status === 'Read' && (record.body !== null || !record.onPhone)) return publicMessage(record);
    const answer = await atPhone(home, record, async (MessageID, by) => {
      const { MessageRequested } = await ask(hubs.home(home), by, 'ReadMessage', { MessageID }, undefined, id);
      return MessageRequested;
    });
    if (answer === undefined || phone === null || messageId === null || !isAnswerAbout(record, answer)) {
      await hubs.home(home).commit([{ type: 'message.read', id }]);
    } else {
      await hubs.home(home).commit([
        {
          type: 'message.put',
          id,
          phone,
          epoch: epoch ?? 0,
          session: record.sessionId,
          message: { ...answer, messageId, status: 'Read', time: record.time },
          fingerprint: record.fingerprint ?? '',
        },
      ]);
    }
    return publicMessage(await needMessage(store, home, id));
  }

  async function removeMessage(home: string, record: MessageRecord): Promise<void> {
    const { id } = record;
    if (record.state === 'sending') {
      throw new GatewayError('conflict', 'The message is on its way: delete it when it is known what became of it.');
    }
    await atPhone(home, record, (MessageID, by) =>
      ask(hubs.home(home), by, 'DeleteMessage', { MessageID }, undefined, id),
    );
    await hubs.home(home).commit([{ type: 'message.delete', id }]);
  }

  /** Calls the phone about its message. Undefined if the phone does not have it: then only the cloud's copy changes. */
  async function atPhone<Answer>(
    home: string,
    { id, phone, messageId, onPhone }: MessageRecord,
    act: (messageId: string, phone: string) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (phone === null || messageId === null || !onPhone) return undefined;
    try {
      return await act(messageId, phone);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (error.code === 'not-on-phone') {
        await hubs.home(home).commit([{ type: 'message.absent', id, atMs: clock.now() }]);
        return undefined;
      }
      // 701, no such message. This does not set `onPhone`: only the agent, which compares whole lists, reports that.
      if (error.refusal?.upnpCode === 701) return undefined;
      throw error;
    }
  }
}
