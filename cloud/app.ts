// The Hono application from its parts. Pure: hosts/ hand in store, hubs, clock and sockets.
import type { Context } from 'hono';
import { contextStorage } from 'hono/context-storage';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { routePath } from 'hono/route';
import { GatewayError } from '../protocol/errors.ts';
import { actionRoutes } from './routes/actions.ts';
import { checkHost, identify } from './routes/auth.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { docsRoutes } from './routes/docs.ts';
import { eventRoutes } from './routes/events.ts';
import { fileRoutes } from './routes/files.ts';
import { homeRoutes } from './routes/homes.ts';
import { idempotent } from './routes/idempotency.ts';
import { KeptAnswer } from './routes/kept-answer.ts';
import { messageRoutes } from './routes/messages.ts';
import { phoneRoutes } from './routes/phones.ts';
import { asGatewayError, newRequestId, problem } from './routes/problem.ts';
import type { QuotaSettings } from './routes/quota-settings.ts';
import { Quotas } from './routes/quotas.ts';
import { bodyLimits, RequestBodies } from './routes/request-body.ts';
import { type AppDeps, type CloudApp, newApp } from './routes/route-kit.ts';
import { sendRoutes } from './routes/sends.ts';
import { type Metrics, serviceRoutes } from './routes/service.ts';
import { cookieNameOf } from './routes/session-cookie.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { signedInDeviceRoutes } from './routes/signed-in-devices.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { type ServeAgent, tunnelRoutes } from './routes/tunnel.ts';

export interface DashboardFile {
  body: Uint8Array<ArrayBuffer> | string;
  contentType: string;
  cacheControl: string;
}

export interface AppOptions extends Omit<AppDeps, 'quotas'> {
  /** What is not told is quotasUnlessTold. */
  readonly quotas?: Partial<QuotaSettings> | undefined;
  readonly serveAgent: ServeAgent;
  /** Whether a name in the Host header is the cloud's; addresses and `localhost` always are. */
  readonly isOurs: (hostname: string) => boolean;
  /** Whether people reach the cloud by https. */
  readonly isSecure: () => boolean;
  /** The dashboard's files by path; undefined where there is none. */
  readonly dashboard?:
    | ((request: { path: string; isNavigation: boolean }) => Promise<DashboardFile | KeptAnswer | undefined>)
    | undefined;
  readonly metrics?: Metrics | undefined;
  /** Told of every answer: `route` is the pattern, never the address with its identifiers. */
  readonly onAnswer?:
    | ((answer: { requestId: string; method: string; route: string; status: number; durationMs: number }) => void)
    | undefined;
}

export function createApp(given: AppOptions): CloudApp {
  const deps = { ...given, quotas: new Quotas(given.quotas ?? {}, given.clock) };
  const app = newApp();
  const bodies = new RequestBodies(deps.deadlines);

  app.use(async (c, next) => {
    const beganMs = deps.clock.now();
    const requestId = newRequestId();
    c.set('requestId', requestId);
    c.set('isSecure', deps.isSecure());
    c.header('x-request-id', requestId);
    c.header('x-content-type-options', 'nosniff');
    c.header('referrer-policy', 'no-referrer');
    c.header('content-security-policy', contentSecurityPolicy);
    c.header('x-frame-options', 'DENY');
    if (c.req.path.startsWith('/v1/')) c.header('cache-control', 'no-store');
    await next();
    // Hono answers HEAD as GET and lets the body go. What would feed it must end, or it goes on for ever.
    if (c.req.method === 'HEAD') await c.res.body?.cancel();
    if (deps.onAnswer === undefined) return;
    const route = routePath(c, -1);
    const durationMs = deps.clock.now() - beganMs;
    deps.onAnswer({ requestId, method: c.req.method, route, status: c.res.status, durationMs });
  });
  app.use(async (c, next) => {
    if (c.env.refusal !== undefined) throw c.env.refusal;
    await next();
  });
  // So that a call to a phone knows its request, however deep in a route it is made.
  app.use(contextStorage());
  app.use(checkHost(deps.isOurs));
  app.use('/v1/*', async (c, next) => {
    c.set('bodies', bodies);
    // Before the client sends the body. Not hono's body limit, which reads all of it here: see routes/request-body.ts.
    if (Number(c.req.header('content-length') ?? 0) > bodyLimits.known.bytes) {
      throw new GatewayError('too-large', 'The body is over 1 MiB.');
    }
    await next();
  });
  app.use('/v1/*', identify(deps));
  app.use('/v1/*', idempotent(deps));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));

  for (const routes of [
    signInRoutes(deps),
    signedInDeviceRoutes(deps),
    homeRoutes(deps),
    phoneRoutes(deps),
    actionRoutes(deps),
    messageRoutes(deps),
    sendRoutes(deps),
    sessionRoutes(deps),
    fileRoutes(deps),
    deadLetterRoutes(deps),
    eventRoutes(deps),
    tokenRoutes(deps),
    tunnelRoutes(deps, deps.serveAgent),
  ]) {
    app.route('/v1', routes);
  }
  app.route('/', serviceRoutes(deps, deps.metrics));
  app.route(
    '/',
    docsRoutes(() => withIdempotencyKey(app.getOpenAPI31Document(description))),
  );

  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: cookieNameOf(deps.isSecure()),
  });

  app.notFound(async (c) => {
    const { method, path } = c.req;
    const isPage = (method === 'GET' || method === 'HEAD') && !path.startsWith('/v1/');
    const isNavigation = c.req.header('accept')?.includes('text/html') === true;
    const file = isPage ? await deps.dashboard?.({ path, isNavigation }) : undefined;
    if (file instanceof KeptAnswer) return file.answer(c);
    if (file !== undefined) {
      return c.body(file.body, 200, { 'content-type': file.contentType, 'cache-control': file.cacheControl });
    }
    return problem(c, new GatewayError('not-found', 'There is nothing at this address.'));
  });

  app.onError((thrown, c) => {
    const error = asGatewayError(thrown);
    if (error !== undefined) return problem(c, error);
    deps.log.error('request.failed', { requestId: c.var.requestId, error: thrown.stack ?? String(thrown) });
    return problem(c, new GatewayError('internal', 'The log of the cloud holds the cause, under this requestId.'));
  });
  return app;
}

const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A repeat within 24 hours gets the first answer, with “Idempotency-Replayed: true”.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
} as const;

const description = {
  openapi: '3.1.0',
  info: {
    title: 'Homeline',
    version: '1',
    description: 'A household’s phone messages. A POST under /v1 takes an Idempotency-Key, kept for 24 hours.',
  },
};

function refuseMethod(c: Context, methods: string[]): Response {
  // HEAD goes without saying where there is GET (RFC 9110 §9.1).
  const allow = methods.filter((method) => method !== 'HEAD').join(', ');
  const error = new GatewayError('method-not-allowed', `${c.req.method} is not for this address: ${allow}.`);
  return problem(c, error, { headers: { allow } });
}

/** The application reads it for every POST of somebody who is known, so no route declares it by itself. */
function withIdempotencyKey(document: ReturnType<CloudApp['getOpenAPI31Document']>) {
  for (const { post } of Object.values(document.paths ?? {})) {
    if (post?.security === undefined || post.security.length === 0) continue;
    post.parameters = [...(post.parameters ?? []), idempotencyKey];
  }
  return document;
}
