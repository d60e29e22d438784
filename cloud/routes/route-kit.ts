// The dependencies of routes, and how a route is declared: scope, responses and schemas (OpenAPI 3.1).
import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { GatewayError } from '../../protocol/errors.ts';
import { firstControl, firstUncarriable } from '../../protocol/text.ts';
import type { Access } from '../access/access.ts';
import type { Principal } from '../access/principal.ts';
import type { Scope } from '../access/scopes.ts';
import type { Deadlines, Log } from '../hub/hub-deps.ts';
import type { Hubs } from '../hub/hubs.ts';
import type { Clock } from '../store/clock.ts';
import type { Store } from '../store/store.ts';
import type { Quotas } from './quotas.ts';
import type { BodySource, RequestBodies } from './request-body.ts';
import type { SocketHandler } from './sockets.ts';
import { readUtf8 } from './utf8.ts';

/** The dependencies that the host hands to every route. */
export interface AppDeps {
  readonly store: Store;
  readonly hubs: Hubs;
  readonly access: Access;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly log: Log;
  readonly quotas: Quotas;
  /** How often the tokens of open streams are checked again (stream-tokens.ts). */
  readonly recheckMs?: number | undefined;
}

export interface AppEnv {
  Bindings: {
    /** Set by the host for a WebSocket upgrade request: the route passes the handler of the socket. */
    accept?: (handler: SocketHandler) => void;
    /** Set by the host if it cannot serve this request now. */
    refusal?: GatewayError;
    /** Set by the host: the client address by which unauthenticated attempts are counted. */
    client?: string;
    /** Set by the host; called when the request's token is valid. */
    known?: () => void;
    /** Set by the host; called before the body is read, for a client that expects `100 Continue` (RFC 9110, 10.1.1). */
    wantBody?: () => void;
  };
  Variables: {
    requestId: string;
    /** Whether browsers reach the cloud by https. */
    isSecure: boolean;
    principal: Principal | undefined;
    bodies: RequestBodies;
    /** Set if this address presented invalid tokens too often: thrown in place of a plain 401. */
    tooOftenWrong?: GatewayError | undefined;
    /** The error of which the answer tells. Set by `problem`. */
    failure?: GatewayError;
    /** Identifies the request to the agent if it came with an Idempotency-Key. */
    callKey?: string;
    /** When that request was first begun, epoch milliseconds; unchanged when it is retried after a crash. */
    firstBegunMs?: number;
  };
}

export type CloudApp = OpenAPIHono<AppEnv>;

export function newApp(): CloudApp {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new InvalidRequest(result.target, result.error);
    },
  });
}

export interface Issue {
  /** The path of the field: `body.to.0`, `query.limit`. */
  at: string;
  message: string;
}

/** Cap the list: an uncapped one can be larger than the hostile body itself. */
const mostIssues = 20;
const longestWords = 1000;

/** A request that does not match its schema; lists each invalid field. */
export class InvalidRequest extends GatewayError {
  readonly issues: readonly Issue[];

  constructor(place: string, faults: z.ZodError | readonly Issue[]) {
    const where = place === 'json' ? 'body' : place;
    const all =
      'issues' in faults
        ? faults.issues.map((issue) => ({ at: [where, ...issue.path].join('.'), message: issue.message }))
        : faults;
    const issues = all
      .slice(0, mostIssues)
      .map(({ at, message }) => ({ at: at.slice(0, longestWords), message: message.slice(0, longestWords) }));
    super('invalid-request', issues.map((issue) => `${issue.at}: ${issue.message}`).join('; '));
    this.issues = issues;
  }
}

const problem = {
  description: 'What went wrong (RFC 9457)',
  content: {
    'application/problem+json': {
      schema: z
        .object({
          type: z.string(),
          title: z.string(),
          status: z.int(),
          detail: z.string(),
          code: z.string(),
          requestId: z.string(),
          upnpCode: z.int().optional(),
          upnpDescription: z.string().optional(),
          resource: z.string().optional().describe('The stored thing that this is about'),
          issues: z.array(z.object({ at: z.string(), message: z.string() })).optional(),
        })
        .openapi('Problem'),
    },
  },
};

/** Who may use a route: holders of a scope, anyone signed in, or only the owner. */
export type Guard = Scope | 'anyone-signed-in' | 'owner';

/** A route for holders of the scope; if the path names a home, the scope must hold for that home. */
export function guarded<const Path extends string, Route extends Omit<RouteConfig, 'path'> & { path: Path }>(
  scope: Guard,
  route: Route,
) {
  const scopes = scope === 'anyone-signed-in' ? [] : [scope];
  return createRoute<Path, Route>({
    ...route,
    security: [{ token: scopes }, { session: scopes }],
    middleware: [
      async (c: Context<AppEnv>, next: () => Promise<void>) => {
        authorize(c, scope);
        const wanted = route.request?.body;
        const text = wanted === undefined ? undefined : await bodyText(c);
        // Some clients declare JSON and send an empty body.
        if (text === '' && wanted?.required === false) Object.assign(c.req.bodyCache, { text: Promise.resolve('{}') });
        await next();
      },
    ],
    responses: { ...route.responses, '4XX': problem, '5XX': problem },
  });
}

/** A route without authentication. Its body gets a stranger's limits, even with a token: short, and a few seconds. */
export function unguarded<const Path extends string, Route extends Omit<RouteConfig, 'path'> & { path: Path }>(
  route: Route,
) {
  return createRoute<Path, Route>({
    ...route,
    security: [],
    middleware: [
      async (c: Context<AppEnv>, next: () => Promise<void>) => {
        if (route.request?.body !== undefined) await bodyText(c, 'everybody');
        await next();
      },
    ],
    responses: { ...route.responses, '4XX': problem, '5XX': problem },
  });
}

function authorize(c: Context<AppEnv>, scope: Guard): void {
  const principal = holder(c);
  if (scope === 'anyone-signed-in') return;
  if (scope === 'owner') {
    if (principal.isOwner) return;
    throw new GatewayError('forbidden', 'This is for the owner alone.');
  }
  const home = c.req.param('home');
  if (home === undefined ? principal.may(scope) : principal.may(scope, home)) return;
  if (home !== undefined && !principal.homes.includes(home)) {
    const bound = principal.token.home;
    if (bound === null) throw new GatewayError('not-found', 'There is no such home.');
    throw new GatewayError('forbidden', 'This token is for another home.');
  }
  throw new GatewayError('forbidden', `This token lacks the scope “${scope}”.`);
}

/** The principal of the request. @throws GatewayError `unauthorized` without a valid token */
export function holder(c: Context<AppEnv>): Principal {
  const principal = c.get('principal');
  if (principal !== undefined) return principal;
  if (c.var.tooOftenWrong !== undefined) throw c.var.tooOftenWrong;
  throw new GatewayError('unauthorized', 'Send “Authorization: Bearer hl_…” with a token that is in use.');
}

export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

/**
 * The text of the body; it can be called more than once.
 * @throws InvalidRequest with the byte's position if the body is not UTF-8: a lenient decoder would silently change it
 */
export async function bodyText(c: Context<AppEnv>, route: 'guarded' | 'everybody' = 'guarded'): Promise<string> {
  const { req, env, var: about } = c;
  if (req.bodyCache.text !== undefined) return req.bodyCache.text;
  const source: BodySource = {
    length: lengthOf(c),
    bytes: () => {
      env.wantBody?.();
      return req.bytes();
    },
    stream: () => {
      env.wantBody?.();
      return req.raw.body;
    },
  };
  const token = about.principal?.token.id;
  const bytes =
    route === 'everybody' || token === undefined
      ? await about.bodies.ofStranger(clientOf(c), source)
      : await about.bodies.ofToken(token, source);
  const read = readUtf8(bytes);
  if ('malformedAt' in read) {
    const { malformedAt: place } = read;
    const byte = `0x${bytes[place]?.toString(16).toUpperCase().padStart(2, '0')}`;
    throw new InvalidRequest('json', [
      { at: 'body', message: `is not UTF-8 from byte ${place} on, counted from 0 (${byte})` },
    ]);
  }
  // Hono looks here first, so it does not decode the body again.
  Object.assign(req.bodyCache, { text: Promise.resolve(read.text) });
  return read.text;
}

/** Appends a response header, on error responses too. */
export function appendTo(c: Context<AppEnv>): (name: string, value: string) => void {
  return (name, value) => c.header(name, value, { append: true });
}

/** The declared length of the body; undefined if it is chunked or not declared. */
function lengthOf({ req }: Context<AppEnv>): number | undefined {
  if (req.header('transfer-encoding') !== undefined) return undefined;
  const length = req.header('content-length');
  return length === undefined ? undefined : Number(length);
}

/** The client address by which unauthenticated attempts are counted. */
export function clientOf({ env }: Context<AppEnv>): string {
  return env.client ?? 'unknown';
}

/**
 * A JSON body. Characters that no message can carry are refused, not dropped: dropping them would change the text. Control
 * characters are refused outside multi-line fields: a mail line would read the text after a line break as a header.
 */
export function body<Schema extends z.ZodType>(schema: Schema, ofSeveralLines: readonly string[] = []) {
  const checked = schema.superRefine((value, context) =>
    refuseCharacters(value, { path: [], ofSeveralLines }, context),
  );
  return { required: true, content: { 'application/json': { schema: checked } } } as const;
}

function refuseCharacters(
  value: unknown,
  at: { path: readonly string[]; ofSeveralLines: readonly string[] },
  context: z.RefinementCtx,
): void {
  const { path, ofSeveralLines } = at;
  if (typeof value === 'string') {
    const isLine = path[0] === undefined || !ofSeveralLines.includes(path[0]);
    const message = refusedIn(value, isLine);
    if (message !== undefined) context.addIssue({ code: 'custom', path: [...path], message });
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      refuseCharacters(inner, { path: [...path, name], ofSeveralLines }, context);
    }
  }
}

function refusedIn(value: string, isLine: boolean): string | undefined {
  const uncarriable = firstUncarriable(value);
  if (uncarriable !== undefined) return `holds ${uncarriable}, which no message can carry`;
  const control = isLine ? firstControl(value) : undefined;
  return control === undefined ? undefined : controlWords(control);
}

/** `control`: a name from `firstControl`. */
function controlWords(control: string): string {
  return `holds ${control}: a line break or another control character cannot stand here`;
}

/** Accepts the WebSocket with a handler. @throws GatewayError `invalid-request` if this is no upgrade request */
export function acceptSocket(c: Context<AppEnv>, handler: SocketHandler): Response {
  wantSocket(c)(handler);
  return c.body(null);
}

/** The function that takes the socket's handler. @throws GatewayError `invalid-request` if this is no upgrade request */
export function wantSocket(c: Context<AppEnv>): NonNullable<AppEnv['Bindings']['accept']> {
  const { accept } = c.env;
  if (accept === undefined) throw new GatewayError('invalid-request', 'This address speaks WebSocket only.');
  return accept;
}
