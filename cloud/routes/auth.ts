// Authentication: the Host header (DNS rebinding), the token, and for cookies the origin of the request.
import type { Context, MiddlewareHandler } from 'hono';
import { GatewayError } from '../../protocol/errors.ts';
import type { Access } from '../access/access.ts';
import type { Principal } from '../access/principal.ts';
import { type AppDeps, type AppEnv, appendTo, clientOf } from './route-kit.ts';
import { isFromOurPage, readCookie } from './session-cookie.ts';

/**
 * Refuses unknown host names. A page whose name was rebound to this machine (DNS rebinding) would otherwise be same-origin
 * with it; IP addresses cannot be rebound.
 */
export function checkHost(isOurs: (hostname: string) => boolean): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const hostname = hostnameOf(c.req.header('host') ?? '');
    if (!isLiteral(hostname) && !isOurs(hostname)) {
      const detail = `“${hostname.slice(0, 100)}” is no name of this cloud. If it is, set HOMELINE_BASE_URL to its address.`;
      throw new GatewayError('forbidden', detail);
    }
    await next();
  };
}

function hostnameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

function isLiteral(hostname: string): boolean {
  return hostname === 'localhost' || /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || /^\[[0-9a-f:.]+\]$/.test(hostname);
}

/** Sets the principal of the request; each route authorizes it. @throws GatewayError `too-many-requests` over the token's quota */
export function identify({ access, quotas }: Pick<AppDeps, 'access' | 'quotas'>): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const principal = await principalOf(c, access);
    c.set('principal', principal);
    if (principal !== undefined) {
      c.env.known?.();
      quotas.takeRequest(principal.token, appendTo(c));
    } else if (secretOf(c) !== undefined) {
      // A valid token passes anyway, so that others behind the same address cannot lock its holder out.
      c.set('tooOftenWrong', quotas.badToken(clientOf(c)));
    }
    await next();
  };
}

/** The request's secret: a bearer token, or the session cookie if the request comes from our own page. */
export function secretOf(c: Context<AppEnv>): string | undefined {
  const authorization = c.req.header('authorization');
  if (authorization === undefined) return readCookie(c);
  return /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
}

async function principalOf(c: Context<AppEnv>, access: Access): Promise<Principal | undefined> {
  const secret = secretOf(c);
  if (secret === undefined || secret.length > 512) return undefined;
  const principal = await access.identify(secret);
  if (c.req.header('authorization') !== undefined || principal === undefined) return principal;
  if (principal.token.kind !== 'session') return undefined;
  if (!isFromOurPage(c)) {
    throw new GatewayError('forbidden', 'The session cookie is for this cloud’s own pages. Elsewhere, use a token.');
  }
  return principal;
}
