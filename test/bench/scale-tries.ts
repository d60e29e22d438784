// Every connection attempt of a fleet, from dialling to welcome; the agents themselves log repeated trouble only once.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { FleetAgent } from './scale-fleet.ts';

/** How an attempt failed, other than by a Retry-After. */
type Failure =
  /** No connection within the agent's deadline, or none at all. */
  | 'not connected'
  /** Connected, and no answer to the upgrade within the agent's deadline. */
  | 'not answered'
  /** The other end disconnected before it answered. */
  | 'broken off'
  /** Upgraded, and closed without a welcome. */
  | 'not welcomed'
  | `answered ${number}`;

interface Try {
  readonly agent: FleetAgent;
  readonly welcomesBefore: number;
  readonly dialledMs: number;
  connectedMs?: number;
  answeredMs?: number;
  endedMs?: number;
  end?: 'unheard' | 'put off' | Failure;
}

export interface TryFigures {
  tries: number;
  /** Connection refused. */
  unheard: number;
  /** Reached the socket of a killed host, which the system closes after its connections. */
  metTheKilled: number;
  /** 503 with Retry-After. */
  putOff: number;
  /** Any other failure. */
  failedHellos: number;
  /** Number and durations by kind. */
  failures: string;
  /** Times from dial to connection, to answer, to welcome. */
  slowestConnectMs: number;
  slowestAnswerMs: number;
  slowestWelcomeMs: number;
}

export class Tries {
  readonly #agents = new Map<string, FleetAgent>();
  readonly #tries: Try[] = [];

  /** Also counts the attempts of this agent. */
  add(agent: FleetAgent): void {
    this.#agents.set(`Bearer ${agent.token}`, agent);
  }

  start(): void {
    subscribe('http.client.request.start', this.#onDial);
  }

  stop(): void {
    unsubscribe('http.client.request.start', this.#onDial);
  }

  /** `goneMs`: when the killed host had exited, on the clock of `performance.now()`. */
  figures(goneMs = 0): TryFigures {
    const failures = new Map<Failure, number[]>();
    let [unheard, metTheKilled, putOff] = [0, 0, 0];
    for (const { end, dialledMs, endedMs = dialledMs } of this.#tries) {
      if (end === undefined) continue;
      if (end === 'unheard') unheard++;
      else if (end === 'put off') putOff++;
      else if (dialledMs < goneMs) metTheKilled++;
      else {
        const timesMs = failures.get(end) ?? [];
        timesMs.push(endedMs - dialledMs);
        failures.set(end, timesMs);
      }
    }
    return {
      tries: this.#tries.length,
      unheard,
      metTheKilled,
      putOff,
      failedHellos: [...failures.values()].reduce((total, { length }) => total + length, 0),
      failures: [...failures].map(([kind, timesMs]) => describe(kind, timesMs)).join(', ') || 'none',
      slowestConnectMs: this.#slowest(({ dialledMs, connectedMs = dialledMs }) => connectedMs - dialledMs),
      slowestAnswerMs: this.#slowest(({ connectedMs = 0, answeredMs = connectedMs }) => answeredMs - connectedMs),
      slowestWelcomeMs: this.#slowest((one) => (welcomed(one) ? one.agent.welcomedMs - (one.answeredMs ?? 0) : 0)),
    };
  }

  #slowest(stage: (one: Try) => number): number {
    return Math.round(this.#tries.reduce((most, one) => Math.max(most, stage(one)), 0));
  }

  readonly #onDial = (message: unknown) => {
    const { request } = message as { request: ClientRequest };
    const agent = this.#agents.get(String(request.getHeader('authorization')));
    if (agent === undefined) return;
    const one: Try = { agent, welcomesBefore: agent.welcomes, dialledMs: performance.now() };
    this.#tries.push(one);
    const end = (how: NonNullable<Try['end']>) => {
      one.end ??= how;
      one.endedMs ??= performance.now();
    };
    request.socket?.once('connect', () => {
      one.connectedMs = performance.now();
    });
    request.once('timeout', () => end(one.connectedMs === undefined ? 'not connected' : 'not answered'));
    request.once('response', ({ statusCode = 0 }) => {
      one.answeredMs = performance.now();
      end(statusCode === 503 ? 'put off' : `answered ${statusCode}`);
    });
    request.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') end('unheard');
      else end(one.connectedMs === undefined ? 'not connected' : 'broken off');
    });
    request.once('upgrade', (_answer, socket) => {
      one.answeredMs = performance.now();
      socket.once('close', () => welcomed(one) || end('not welcomed'));
    });
  };
}

function welcomed({ agent, welcomesBefore, end }: Try): boolean {
  return end === undefined && agent.welcomes > welcomesBefore;
}

function describe(kind: Failure, timesMs: readonly number[]): string {
  const [least, most] = [Math.min, Math.max].map((extreme) => Math.round(timesMs.reduce((a, b) => extreme(a, b))));
  return `${timesMs.length} ${kind} after ${least} to ${most} ms`;
}
