// Errors as answers: RFC 9457 problem details, without stack and cause, which would show our internals to strangers.
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { canRetry, errorCodes, GatewayError } from '../../protocol/errors.ts';
import { type AppEnv, InvalidRequest } from './route-kit.ts';

/** For an error that does not say when to retry. A guess: a router redial or a deploy takes about as long. */
const standardWaitMs = 5_000;

export function newRequestId(): string {
  return `r_${crypto.randomUUID().replaceAll('-', '')}`;
}

/**
 * The members of a problem. `type` is a relative reference (RFC 9457, 3.1.1): with the request's Host in it, a cache or a
 * log would keep an address that a stranger chose.
 */
export function problemMembers(error: GatewayError, requestId: string): Record<string, unknown> {
  const { status, title } = errorCodes[error.code];
  const { code, message: detail } = error;
  return { type: `/docs/errors/${code}`, title, status, detail, code, requestId };
}

/** The one translation from GatewayError to HTTP. */
export function problem(
  c: Context<AppEnv>,
  error: GatewayError,
  more: { resource?: string; headers?: Record<string, string> } = {},
): Response {
  c.set('failure', error);
  const { status } = errorCodes[error.code];
  const members = problemMembers(error, c.var.requestId);
  if (error.refusal !== undefined) Object.assign(members, error.refusal);
  if (more.resource !== undefined) members.resource = more.resource;
  if (error instanceof InvalidRequest) members.issues = error.issues;
  const headers: Record<string, string> = { ...more.headers, 'content-type': 'application/problem+json' };
  const waitMs = error.retryAfterMs ?? (canRetry(error) ? standardWaitMs : undefined);
  if (waitMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="homeline"';
  return c.body(JSON.stringify(members), status as ContentfulStatusCode, headers);
}

/** A thrown value as a GatewayError; undefined if it is an unexpected error, which must be logged. */
export function asGatewayError(error: unknown): GatewayError | undefined {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof HTTPException)) return undefined;
  switch (error.status) {
    case 400:
      return new InvalidRequest('json', [{ at: 'body', message: 'This is not JSON.' }]);
    case 413:
      return new GatewayError('too-large', 'The body is over 1 MiB.');
    case 415:
      return new GatewayError('unsupported-media-type', 'Send the body as “Content-Type: application/json”.');
    default:
      return undefined;
  }
}
