// A closed-loop load: each client sends its next request when the last is answered. Times are milliseconds.
import { Agent, request } from 'node:http';

export interface Shot {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
}

export interface Figures {
  clients: number;
  requests: number;
  failed: number;
  p50Ms: number;
  p99Ms: number;
  perSecond: number;
}

/** Runs `clients` at once for `seconds`, after a warm-up of a fifth of that. `shoot` makes each request anew. */
export async function load(clients: number, seconds: number, shoot: (count: number) => Shot): Promise<Figures> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    await volley(agent, clients, seconds / 5, shoot);
    return await volley(agent, clients, seconds, shoot);
  } finally {
    agent.destroy();
  }
}

async function volley(
  agent: Agent,
  clients: number,
  seconds: number,
  shoot: (count: number) => Shot,
): Promise<Figures> {
  const times: number[] = [];
  let failed = 0;
  let count = 0;
  const begun = performance.now();
  const until = begun + seconds * 1_000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < until) {
        const started = performance.now();
        const status = await send(agent, shoot(count++));
        times.push(performance.now() - started);
        if (status < 200 || status > 299) failed++;
      }
    }),
  );
  const elapsedMs = performance.now() - begun;
  times.sort((a, b) => a - b);
  return {
    clients,
    requests: times.length,
    failed,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    perSecond: Math.round((times.length / elapsedMs) * 1_000),
  };
}

function send(agent: Agent, shot: Shot): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = request(shot.url, { agent, method: shot.method, headers: shot.headers }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
      answer.once('error', reject);
    });
    sending.once('error', reject);
    sending.end(shot.body);
  });
}

/** Of sorted numbers; rounded to a thousandth. */
export function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return Math.round(value * 1_000) / 1_000;
}
