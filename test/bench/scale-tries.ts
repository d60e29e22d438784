// Every try of a fleet to connect, from dialling to welcome: the agents themselves tell of a trouble once, not each time.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { FleetAgent } from './scale-fleet.ts';

/** What a try came to that is neither a welcome nor a word when to come instead. */
type Failure =
  /** No connection within the agent's deadline, or none at all. */
  | 'not connected'
  /** Connected, and no answer to the upgrade within the agent's deadline. */
  | 'not answered'
  /** The other end broke off before it had answered. */
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
  /** Nobody listened. */
  unheard: number;
  /** Came upon the socket of a killed host, which the system closes after its connections. */
  metTheKilled: number;
  /** 503 with the time to come back. */
  putOff: number;
  /** Whatever else a try came to but a welcome. */
  failedHellos: number;
  /** How many of which kind, and after how long. */
  failures: string;
  /** From dialling to the connection, from there to the answer, from there to the welcome. */
  slowestConnectMs: number;
  slowestAnswerMs: number;
  slowestWelcomeMs: number;
}

export class Tries {
  readonly #agents = new Map<string, FleetAgent>();
  readonly #tries: Try[] = [];

  /** Counts the tries of this agent too. */
  add(agent: FleetAgent): void {
    this.#agents.set(`Bearer ${agent.token}`, agent);
  }

  start(): void {
    subscribe('http.client.request.start', this.#onDial);
  }

  stop(): void {
    unsubscribe('http.client.request.start', this.#onDial);
  }

  /** `goneMs`: when a host that was killed had ended, before the next one was started; of `performance.now()`. */
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
