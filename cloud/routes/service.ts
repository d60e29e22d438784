// For the operator: liveness, readiness of the store, metrics.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import type { Clock } from '../store/clock.ts';
import { type AppDeps, type CloudApp, newApp, unguarded } from './route-kit.ts';

/** Prometheus text with its content type. */
export type Metrics = () => Promise<{ contentType: string; text: string }>;

const text = (description: string) => ({ description, content: { 'text/plain': { schema: z.string() } } });

const healthz = unguarded({
  method: 'get',
  path: '/healthz',
  summary: 'The process answers',
  responses: { 200: text('ok') },
});

const readyz = unguarded({
  method: 'get',
  path: '/readyz',
  summary: 'The store answers too',
  responses: { 200: text('ready') },
});

const counted = unguarded({
  method: 'get',
  path: '/metrics',
  summary: 'Requests, calls, tunnels, events and watchers for Prometheus; no names and no addresses',
  responses: { 200: text('Metrics') },
});

export function serviceRoutes({ store, clock }: AppDeps, metrics: Metrics | undefined): CloudApp {
  const ping = onceASecond(clock, () => store.ping());
  const count = metrics === undefined ? undefined : onceASecond(clock, metrics);
  return newApp()
    .openapi(healthz, (c) => c.text('ok', 200))
    .openapi(readyz, async (c) => {
      await ping();
      return c.text('ready', 200);
    })
    .openapi(counted, async (c) => {
      if (count === undefined)
        throw new GatewayError(
          'not-found',
          'This host keeps no counters: Cloudflare’s Workers Metrics and Workers Logs do.',
        );
      const { contentType, text } = await count();
      return c.text(text, 200, { 'content-type': contentType });
    });
}

/** Anyone may poll these: the check runs at most once a second, and a failed check is cached too. */
function onceASecond<Answer>(clock: Clock, ask: () => Promise<Answer>): () => Promise<Answer> {
  let last: { answer: Promise<Answer>; askedMs: number } | undefined;
  return () => {
    const nowMs = clock.now();
    // If the clock was set back, the cached answer must not live longer.
    if (last === undefined || Math.abs(nowMs - last.askedMs) >= 1_000) last = { answer: ask(), askedMs: nowMs };
    return last.answer;
  };
}
