// The cookie of a dashboard session, and from which pages it counts.
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { GatewayError } from '../../protocol/errors.ts';
import type { AppEnv } from './route-kit.ts';

/**
 * Where people come by https, the browser itself sees to it that nobody but this very host sets the cookie: no sibling
 * under the same domain, no plain http. The prefix needs `Secure`, which Safari does not take on http://localhost.
 */
export const secureCookie = '__Host-homeline_session';
export const plainCookie = 'homeline_session';

export function cookieNameOf(isSecure: boolean): string {
  return isSecure ? secureCookie : plainCookie;
}

export function readCookie(c: Context<AppEnv>): string | undefined {
  return getCookie(c, cookieNameOf(c.var.isSecure));
}

/** `Lax`, so that a link in a mail opens the dashboard signed in; `isFromOurPage` keeps other sites from the API. */
export function giveCookie(c: Context<AppEnv>, secret: string, maxAge: number): void {
  const secure = c.var.isSecure;
  setCookie(c, cookieNameOf(secure), secret, { httpOnly: true, sameSite: 'Lax', secure, path: '/', maxAge });
  if (secure) deleteCookie(c, plainCookie, { path: '/' });
}

export function forgetCookies(c: Context<AppEnv>): void {
  if (c.var.isSecure) deleteCookie(c, secureCookie, { path: '/', secure: true });
  // Also the one of versions before the prefix.
  deleteCookie(c, plainCookie, { path: '/' });
}

/** Fetch metadata where the browser sends it (secure contexts), the Origin header where it does not. */
export function isFromOurPage(c: Context<AppEnv>): boolean {
  const isSafe = c.req.method === 'GET' && c.req.header('upgrade') === undefined;
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && isSafe)) return false;
  const origin = c.req.header('origin');
  if (origin === undefined) return isSafe || site === 'same-origin';
  return URL.parse(origin)?.host === c.req.header('host');
}

/**
 * For signing in and out, which need no cookie: a foreign page may do neither for its visitor. A browser names the origin
 * of every form that it posts across origins; a program that is no browser names none.
 */
export function refuseStrangePages(c: Context<AppEnv>): void {
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  const isOurs = origin === undefined || URL.parse(origin)?.host === c.req.header('host');
  if (isOurs && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new GatewayError('forbidden', 'Sign in and out on this cloud’s own page.');
}
