// Idempotency-Key: a POST that is repeated gets the first answer, for 24 hours.
import type { Context, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { actions, isActionName } from '../../protocol/actions.ts';
import { canRetry, effectOf, GatewayError } from '../../protocol/errors.ts';
import { secretOf } from './auth.ts';
import { type AppDeps, type AppEnv, bodyText } from './route-kit.ts';

const longestKey = 255;
/** Bytes of a kept request beside its answer: key, fingerprint and index. */
const rowBytes = 512;
/**
 * Characters. A longer answer of a request that may be repeated is not kept: the repeat asks again. A client that read
 * whole messages again and again made the store grow by 61 MiB in 7 seconds.
 */
const longestRepeatable = 4 * 1024;
const twinPollMs = 100;
const twinWaitMs = 60_000;

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * What becomes of the key after this answer:
 * - `keep`: the answer is stored, and a repeat gets it.
 * - `release`: nobody knows yet what happened. The same request, asked again, learns it: the agent knows its key, and the
 *   store the message that it made.
 * - `forget`: the attempt did nothing, so any request may use the key.
 */
type KeyFate = 'keep' | 'release' | 'forget';

function fateOf(error: GatewayError | undefined, isRepeat: boolean): KeyFate {
  if (error === undefined) return 'keep';
  switch (effectOf(error)) {
    case 'pending':
      return 'release';
    case 'unknown':
      return 'keep';
    case 'none':
      // The phone's final word on this key: the agent keeps it too.
      if (error.code === 'phone-refused' && !canRetry(error)) return 'keep';
      // An earlier attempt may still have happened, so the key stays this request's.
      return isRepeat ? 'release' : 'forget';
  }
}

export function idempotent({ store, deadlines, clock, log, quotas }: AppDeps): MiddlewareHandler<AppEnv> {
  /** Twins in this process wait here; twins in other processes poll the store. */
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
    const waitMs = begun.isRetry ? 0 : quotas.keepMore(scope, rowBytes);
    const mayRepeat = isRepeatable(c.req.path);
    if (waitMs > 0) {
      await store.requests.abandon(scope, key);
      // Evicting an older key instead would let an older request happen twice.
      if (!mayRepeat) {
        const words = 'This token has used more Idempotency-Keys within 24 hours than can be remembered.';
        throw new GatewayError('too-many-requests', words, { retryAfterMs: waitMs });
      }
      return next();
    }
    // The agent deduplicates by this if the cloud crashes during the request.
    c.set('callKey', await digest(`${scope} ${key}`));
    c.set('firstBegunMs', begun.firstBegunMs);
    const mark = `${scope} ${key}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    running.set(mark, promise);
    try {
      await next();
      const fate = fateOf(c.var.failure, begun.isRetry);
      const answer = fate === 'keep' ? await answerOf(c) : '';
      if (fate === 'forget') await store.requests.abandon(scope, key);
      else if (fate === 'release' || (mayRepeat && answer.length > longestRepeatable)) {
        await store.requests.release(scope, key);
      } else {
        const body = await seal(secret, answer);
        quotas.kept(scope, body.length);
        await store.requests.finish(scope, key, { status: c.res.status, body });
      }
    } catch (error) {
      // The client has its answer; only a repeat of it is lost.
      log.warn('idempotency.not-kept', { error: String(error) });
    } finally {
      running.delete(mark);
      resolve();
    }
    return undefined;
  };
}

/** Whether the request may be done twice without harm: it marks a message as Read, or calls a repeatable action. */
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

// Kept answers may hold new tokens, whose secrets must not be in the store: they are encrypted with the caller's token.

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
