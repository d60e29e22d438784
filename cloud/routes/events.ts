// Live events of a home as server-sent events (WHATWG HTML, 9.2) or over a WebSocket; both resume after the last event's id.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import type { ShownEvent } from '../access/event-view.ts';
import type { Principal } from '../access/principal.ts';
import type { Deadlines } from '../hub/hub-deps.ts';
import type { Reset } from '../hub/hubs.ts';
import { watchCloseCode } from '../hub/watchers.ts';
import { textOfEvent } from '../store/event-text.ts';
import { type AppDeps, acceptSocket, type CloudApp, guarded, holder, newApp, wantSocket } from './route-kit.ts';
import { homeParam } from './schemas.ts';
import type { Socket, SocketListener } from './sockets.ts';
import { StreamTokens } from './stream-tokens.ts';
import { TokenWatch } from './token-watch.ts';

const commentMs = 15_000;
/** How long a browser waits before it reconnects. */
const retryMs = 1_000;
/** Backlog of chunks for a slow reader; at this length the watch is not read any further. */
const chunksAhead = 16;

const afterQuery = z.object({ after: z.string().max(64).optional().describe('The id of the last event received') });

const sse = guarded('events:read', {
  method: 'get',
  path: '/homes/{home}/events',
  summary: 'Events as they happen, as server-sent events; Last-Event-ID (or ?after=) resumes',
  description:
    'After a `reset` event the point to resume from was too old: read everything again. The content of an event takes ' +
    'the scope of what it carries (messages:read, sessions:read, files:read, phones:read, homes:read); without it, ' +
    '`data` holds ids only.',
  request: { params: homeParam, query: afterQuery },
  responses: { 200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } } },
});

const socket = guarded('events:read', {
  method: 'get',
  path: '/homes/{home}/events/ws',
  summary: 'The same events, each a JSON text of a WebSocket; ?after= resumes',
  request: { params: homeParam, query: afterQuery },
  responses: { 101: { description: 'Events' } },
});

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Without this header reverse proxies buffer events.
  'x-accel-buffering': 'no',
};

export function eventRoutes(deps: AppDeps): CloudApp {
  const { hubs, access, clock, deadlines, quotas } = deps;
  const streamTokens = new StreamTokens(deps);
  const open = async (principal: Principal, home: string, after: string | undefined): Promise<TokenWatch> => {
    const { token } = principal;
    const stream = quotas.openStream(token.id);
    const opened = await hubs
      .home(home)
      .watch(after, token)
      .catch((error) => {
        stream.closed();
        throw error;
      });
    void opened.closed.then(stream.closed);
    const watch = new TokenWatch(opened, principal, clock);
    watch.start(streamTokens);
    // Race: the token may have been revoked while the watch was being opened.
    const isInUse = await access.isInUse(token).catch((error) => {
      watch.stop();
      throw error;
    });
    if (isInUse) return watch;
    watch.stop();
    throw new GatewayError('unauthorized', 'This token is no longer in use.');
  };
  return newApp()
    .openapi(sse, async (c) => {
      const { home } = c.req.valid('param');
      // HEAD also reaches this handler, and its stream would never be closed.
      if (c.req.method === 'HEAD') return c.body(null, 200, streamHeaders);
      const after = c.req.header('last-event-id') || c.req.valid('query').after;
      const watch = await open(holder(c), home, after);
      return c.body(eventStream(watch, deadlines), 200, streamHeaders);
    })
    .openapi(socket, async (c) => {
      const { home } = c.req.valid('param');
      const { after } = c.req.valid('query');
      // Before the watch is opened: a watch without a socket would never end.
      wantSocket(c);
      const watch = await open(holder(c), home, after);
      return acceptSocket(c, { open: (opened) => follow(watch, opened) });
    });
}

function eventStream(watch: TokenWatch, deadlines: Deadlines): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let cancelComment = () => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // An id without data dispatches no event, but a client that has seen none yet resumes from it.
        controller.enqueue(encoder.encode(`: homeline\nretry: ${retryMs}\nid: ${watch.from}\n\n`));
        const comment = () => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(':\n\n'));
          cancelComment = deadlines.after(commentMs, comment);
        };
        cancelComment = deadlines.after(commentMs, comment);
        void watch.closed.then(() => {
          cancelComment();
          // Stop reading the watch and drop the backlog: this reader may no longer see it.
          if (watch.ended === 'tokenEnded' && (controller.desiredSize ?? 1) <= 0) controller.error(tokenEnded);
        });
      },
      async pull(controller) {
        const event = await watch.next();
        if (event !== undefined) {
          controller.enqueue(encoder.encode(eventText(event)));
          return;
        }
        // If the reader cancelled, the stream is already closed.
        if (watch.ended !== 'stopped') controller.close();
      },
      cancel() {
        watch.stop();
      },
    },
    { highWaterMark: chunksAhead },
  );
}

function eventText(event: ShownEvent | Reset): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${textOfEvent(event)}\n\n`;
}

const tokenEnded = new Error('The token of this stream is no longer in use.');

function follow(watch: TokenWatch, socket: Socket): SocketListener {
  const pump = async () => {
    for (let event = await watch.next(); event !== undefined; event = await watch.next()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.send(textOfEvent(event), resolve);
      await promise;
    }
  };
  const close = () => socket.close(watchCloseCode(watch.ended), watch.ended ?? 'lost');
  // Also while a send is blocked by a peer that does not read.
  void watch.closed.then(close);
  pump().catch(() => watch.end('lost'));
  return { text: () => undefined, closed: () => watch.stop() };
}
