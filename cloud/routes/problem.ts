// Errors as answers: RFC 9457 problem details. Nothing of our insides leaves: no stack, no cause.
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { errorCodes, GatewayError } from '../../protocol/errors.ts';
import { type AppEnv, InvalidRequest } from './route-kit.ts';

export function newRequestId(): string {
  return `r_${crypto.randomUUID().replaceAll('-', '')}`;
}

/**
 * The members of a problem. `type` is a reference (RFC 9457, 3.1.1) that never holds the request’s Host: a cache or a log
 * would otherwise keep an address that a stranger chose.
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
  const { status } = errorCodes[error.code];
  const members = problemMembers(error, c.var.requestId);
  if (error.refusal !== undefined) Object.assign(members, error.refusal);
  if (more.resource !== undefined) members.resource = more.resource;
  if (error instanceof InvalidRequest) members.issues = error.issues;
  const headers: Record<string, string> = { ...more.headers, 'content-type': 'application/problem+json' };
  const waitMs = error.retryAfterMs ?? (status === 503 || status === 429 ? 5_000 : undefined);
  if (waitMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="homeline"';
  return c.body(JSON.stringify(members), status as ContentfulStatusCode, headers);
}

/** Whatever was thrown, as a GatewayError; undefined if it is none of ours and must be logged. */
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
