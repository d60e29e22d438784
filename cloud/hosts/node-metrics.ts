// Prometheus metrics of the Node host. Labels are route patterns and codes, never names or addresses.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AppOptions } from '../app.ts';
import type { Observer } from '../hub/hub-deps.ts';
import type { Metrics } from '../routes/service.ts';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class NodeMetrics {
  readonly observer: Observer;
  readonly onAnswer: NonNullable<AppOptions['onAnswer']>;
  readonly read: Metrics;

  constructor() {
    const registry = new Registry();
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    const requests = new Histogram({
      name: 'homeline_request_seconds',
      help: 'Answers by route and status',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: seconds,
      registers,
    });
    const calls = new Histogram({
      name: 'homeline_call_seconds',
      help: 'Calls to phones by action and outcome',
      labelNames: ['action', 'outcome'] as const,
      buckets: seconds,
      registers,
    });
    const events = new Counter({
      name: 'homeline_events_total',
      help: 'Events stored, and told to watchers',
      labelNames: ['type'] as const,
      registers,
    });
    const tunnels = new Gauge({ name: 'homeline_tunnels', help: 'Agents that are connected', registers });
    const watchers = new Gauge({ name: 'homeline_watchers', help: 'Watchers that follow a home', registers });
    this.observer = {
      call: (action, outcome, durationMs) => calls.observe({ action, outcome }, durationMs / 1000),
      event: (type) => events.inc({ type }),
      tunnel: (change) => tunnels.inc(change),
      watcher: (change) => watchers.inc(change),
    };
    this.onAnswer = ({ method, route, status, durationMs }) =>
      requests.observe({ method, route, status }, durationMs / 1000);
    this.read = async () => ({ contentType: registry.contentType, text: await registry.metrics() });
  }
}
