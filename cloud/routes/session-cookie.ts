// The cookie of a dashboard session, and the origins from which it is accepted.
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { GatewayError } from '../../protocol/errors.ts';
import type { AppEnv } from './route-kit.ts';

/**
 * With https the `__Host-` prefix makes the browser accept the cookie from this host only: no sibling domain, no plain
 * http. The prefix needs `Secure`, which Safari rejects on http://localhost.
 */
export const secureCookie = '__Host-homeline_session';
export const plainCookie = 'homeline_session';

export function cookieNameOf(isSecure: boolean): string {
  return isSecure ? secureCookie : plainCookie;
}

export function readCookie(c: Context<AppEnv>): string | undefined {
  return getCookie(c, cookieNameOf(c.var.isSecure));
}

/** `Lax`, so that a link in a mail opens the dashboard signed in; `isFromOurPage` blocks other sites from the API. */
export function giveCookie(c: Context<AppEnv>, secret: string, maxAge: number): void {
  const secure = c.var.isSecure;
  setCookie(c, cookieNameOf(secure), secret, { httpOnly: true, sameSite: 'Lax', secure, path: '/', maxAge });
  if (secure) deleteCookie(c, plainCookie, { path: '/' });
}

export function forgetCookies(c: Context<AppEnv>): void {
  if (c.var.isSecure) deleteCookie(c, secureCookie, { path: '/', secure: true });
  // Also clear the cookie of versions that had no prefix.
  deleteCookie(c, plainCookie, { path: '/' });
}

/** Uses Fetch metadata if the browser sends it (secure contexts), otherwise the Origin header. */
export function isFromOurPage(c: Context<AppEnv>): boolean {
  const isSafe = c.req.method === 'GET' && c.req.header('upgrade') === undefined;
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && isSafe)) return false;
  const origin = c.req.header('origin');
  if (origin === undefined) return isSafe || site === 'same-origin';
  return URL.parse(origin)?.host === c.req.header('host');
}

/**
 * For sign-in and sign-out, which need no cookie: another site must not do either for its visitor. Browsers send Origin
 * with every cross-origin form post; other programs send none.
 */
export function refuseStrangePages(c: Context<AppEnv>): void {
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  const isOurs = origin === undefined || URL.parse(origin)?.host === c.req.header('host');
  if (isOurs && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new GatewayError('forbidden', 'Sign in and out on this cloud’s own page.');
}
