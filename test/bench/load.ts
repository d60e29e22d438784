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

/** Builds each request. */
export type Shoot = (count: number) => Shot;

/** The ways take turns: what else the machine does meets all of them. */
const rounds = 3;

/**
 * Loads each way with `clients` at once for `seconds` in all, after a warm-up of a fifth of that. Answers the figures in
 * the order of the ways.
 */
export async function loadInTurns(clients: number, seconds: number, ways: readonly Shoot[]): Promise<Figures[]> {
  const lanes = ways.map((shoot) => new Lane(clients, shoot));
  try {
    for (const lane of lanes) await lane.run(seconds / 5);
    for (const lane of lanes) lane.forget();
    for (let round = 0; round < rounds; round++) for (const lane of lanes) await lane.run(seconds / rounds);
    return lanes.map((lane) => lane.figures());
  } finally {
    for (const lane of lanes) lane.close();
  }
}

/** One way, its connections and what was measured on it. */
class Lane {
  readonly #clients: number;
  readonly #shoot: Shoot;
  readonly #agent: Agent;
  #times: number[] = [];
  #failed = 0;
  #elapsedMs = 0;
  #count = 0;

  constructor(clients: number, shoot: Shoot) {
    this.#clients = clients;
    this.#shoot = shoot;
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
  }

  async run(seconds: number): Promise<void> {
    const begun = performance.now();
    const until = begun + seconds * 1_000;
    const client = async () => {
      while (performance.now() < until) {
        const started = performance.now();
        const status = await send(this.#agent, this.#shoot(this.#count++));
        this.#times.push(performance.now() - started);
        if (status < 200 || status > 299) this.#failed++;
      }
    };
    await Promise.all(Array.from({ length: this.#clients }, client));
    this.#elapsedMs += performance.now() - begun;
  }

  forget(): void {
    this.#times = [];
    this.#failed = 0;
    this.#elapsedMs = 0;
  }

  figures(): Figures {
    const times = this.#times.sort((a, b) => a - b);
    return {
      clients: this.#clients,
      requests: times.length,
      failed: this.#failed,
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      perSecond: Math.round((times.length / this.#elapsedMs) * 1_000),
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** One request; answers its status. */
export function send(agent: Agent, shot: Shot): Promise<number> {
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
