// Idempotency-Key: a POST that is repeated gets the first answer, for 24 hours.
import type { Context, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { actions, isActionName } from '../../protocol/actions.ts';
import { type ErrorCodeName, GatewayError } from '../../protocol/errors.ts';
import { secretOf } from './auth.ts';
import { type AppDeps, type AppEnv, bodyText } from './route-kit.ts';

const longestKey = 255;
/** What a kept request takes beside its answer: key, fingerprint and index. */
const rowBytes = 512;
/** A longer answer of a request that may be repeated is not kept: the repeat asks again. Filled with whole messages read
 * again and again, the store grew by 61 MiB in 7 seconds. */
const longestRepeatable = 4 * 1024;
const twinPollMs = 100;
const twinWaitMs = 60_000;

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What is said where an answer of the agent, of the home's hub or of the store was lost. */
const lost: ReadonlySet<ErrorCodeName> = new Set([
  'outcome-pending',
  'tunnel-lost',
  'deadline-exceeded',
  'too-many-requests',
  'store-unavailable',
]);

/**
 * Whether nobody knows yet what came of the request. The same request, asked again, is told it by the agent, or finds
 * the message that was stored. A send that was stored and failed is answered, and not thrown.
 */
function isOpen({ error }: Context<AppEnv>): boolean {
  return error instanceof GatewayError && lost.has(error.code);
}

/**
 * Whether this attempt had no effect, so that the same key may try again. Every other answer is kept: also a refusal
 * by the phone, and an outcome that nobody knows.
 */
function isWithoutEffect({ res, error }: Context<AppEnv>): boolean {
  if (error instanceof GatewayError && error.code === 'phone-unreachable') return true;
  return [400, 401, 403, 404, 405, 409, 413, 415, 429, 503, 504].includes(res.status);
}

export function idempotent({ store, deadlines, clock, log, quotas }: AppDeps): MiddlewareHandler<AppEnv> {
  /** Twins in this process wait here; those of other processes ask the store again and again. */
  const running = new Map<string, Promise<void>>();

  const begin = async (scope: string, key: string, fingerprint: string) => {
    const untilMs = clock.now() + twinWaitMs;
    for (;;) {
      await running.get(`${scope} ${key}`);
      const begun = await store.requests.begin(scope, key, fingerprint);
      if (begun.state !== 'running') return begun;
      if (clock.now() >= untilMs) {
        throw new GatewayError('conflict', 'The first request with this Idempotency-Key is still under way.');
      }
      await new Promise<void>((resolve) => deadlines.after(twinPollMs, resolve));
    }
  };

  return async (c, next) => {
    const key = c.req.header('idempotency-key');
    if (c.req.method !== 'POST' || key === undefined) return next();
    const scope = c.var.principal?.token.id;
    const secret = secretOf(c);
    if (scope === undefined || secret === undefined) return next();
    if (key === '' || key.length > longestKey) {
      throw new GatewayError('invalid-request', `An Idempotency-Key has 1 to ${longestKey} characters.`);
    }
    const fingerprint = await digest(`${c.req.method} ${c.req.path}\n${await bodyText(c)}`);
    const begun = await begin(scope, key, fingerprint);
    if (begun.state === 'conflict') {
      throw new GatewayError('idempotency-conflict', 'Use a new Idempotency-Key for another request.');
    }
    if (begun.state === 'done') {
      const answer: Answer = JSON.parse(await open(secret, begun.body));
      const headers = { ...answer.headers, 'idempotency-replayed': 'true' };
      return c.body(answer.body, answer.status as ContentfulStatusCode, headers);
    }
    const waitMs = begun.isAnew ? 0 : quotas.keepMore(scope, rowBytes);
    const mayRepeat = isRepeatable(c.req.path);
    if (waitMs > 0) {
      await store.requests.abandon(scope, key);
      // Forgetting an older key in its place would let an older request happen twice.
      if (!mayRepeat) {
        const words = 'This token has used more Idempotency-Keys within 24 hours than can be remembered.';
        throw new GatewayError('too-many-requests', words, { retryAfterMs: waitMs });
      }
      return next();
    }
    // The agent knows the request by this, should the cloud die in the middle of it.
    c.set('callKey', await digest(`${scope} ${key}`));
    c.set('firstBegunMs', begun.firstBegunMs);
    const mark = `${scope} ${key}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    running.set(mark, promise);
    try {
      await next();
      if (isOpen(c) || (begun.isAnew && isWithoutEffect(c))) await store.requests.release(scope, key);
      else if (isWithoutEffect(c)) await store.requests.abandon(scope, key);
      else {
        const answer = await answerOf(c);
        if (mayRepeat && answer.length > longestRepeatable) await store.requests.release(scope, key);
        else {
          const body = await seal(secret, answer);
          quotas.kept(scope, body.length);
          await store.requests.finish(scope, key, { status: c.res.status, body });
        }
      }
    } catch (error) {
      // The answer stands; only its repetition is lost.
      log.warn('idempotency.not-kept', { error: String(error) });
    } finally {
      running.delete(mark);
      resolve();
    }
    return undefined;
  };
}

/** Whether the request may be done twice without harm: a message is marked Read, or an action that changes nothing is called. */
function isRepeatable(path: string): boolean {
  const [, action = ''] = /\/actions\/(\w+)$/.exec(path) ?? [];
  return (
    /^\/v1\/homes\/[^/]+\/messages\/[^/]+\/read$/.test(path) || (isActionName(action) && actions[action].repeatable)
  );
}

async function answerOf(c: Context<AppEnv>): Promise<string> {
  const headers: Record<string, string> = {};
  for (const name of ['content-type', 'location']) {
    const value = c.res.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  const answer: Answer = { status: c.res.status, headers, body: await c.res.clone().text() };
  return JSON.stringify(answer);
}

async function digest(text: string): Promise<string> {
  return base64(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

// Kept answers may hold new tokens, whose secrets the store must not know: only the asker's own token opens them.

async function seal(secret: string, text: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const cipher = { name: 'AES-GCM', iv };
  const sealed = await crypto.subtle.encrypt(cipher, await keyOf(secret), new TextEncoder().encode(text));
  return `${base64(iv)}.${base64(new Uint8Array(sealed))}`;
}

async function open(secret: string, sealed: string): Promise<string> {
  const [iv = '', data = ''] = sealed.split('.');
  const cipher = { name: 'AES-GCM', iv: bytes(iv) };
  return new TextDecoder().decode(await crypto.subtle.decrypt(cipher, await keyOf(secret), bytes(data)));
}

async function keyOf(secret: string) {
  const material = new TextEncoder().encode(`homeline idempotency ${secret}`);
  return crypto.subtle.importKey('raw', await crypto.subtle.digest('SHA-256', material), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ]);
}

function base64(data: Uint8Array): string {
  let binary = '';
  for (const byte of data) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
