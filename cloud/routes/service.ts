// For whoever runs the cloud: is the process there, does the store answer, what was counted.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import { type App, newApp, type Parts, unguarded } from './surface.ts';

/** Prometheus text, and its content type. */
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

export function serviceRoutes({ store }: Parts, metrics: Metrics | undefined): App {
  return newApp()
    .openapi(healthz, (c) => c.text('ok', 200))
    .openapi(readyz, async (c) => {
      await store.ping();
      return c.text('ready', 200);
    })
    .openapi(counted, async (c) => {
      if (metrics === undefined)
        throw new GatewayError(
          'not-found',
          'This host keeps no counters: Cloudflare’s Workers Metrics and Workers Logs do.',
        );
      const { contentType, text } = await metrics();
      return c.text(text, 200, { 'content-type': contentType });
    });
}
