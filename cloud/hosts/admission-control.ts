// Admission control for tunnels: a fleet that reconnects at once is let in a few agents at a time, in its order. An agent
// that would time out in the queue is told when to retry, because work for it would only delay the others.
import { GatewayError } from '../../protocol/errors.ts';

/** Concurrent handshakes: enough to hide the latency of a distant store, few enough that calls run in between. */
const atOnce = 16;
/**
 * The event loop accepts one connection a turn (libuv 1.52); connections that are not accepted yet are invisible here.
 * While each turn brings one, turns are kept short: one agent is let in for so many that arrive.
 */
const comingForOne = 2;
/**
 * An agent waits 30 seconds for the answer (edge-agent/tunnel/client.ts). On a busy machine a third of them may pass before
 * the connection is accepted. An agent that is expected to wait longer than this is refused at once…
 */
const longestWaitMs = 8_000;
/** … and one that has waited longer than this is refused too: the queue was slower than expected. */
const patienceMs = 10_000;
const longestPutOffMs = 120_000;
/** The time of a handshake until one was measured: too low costs some agents a retry, too high wastes capacity. */
const firstGuessMs = 2;
/** The cost of refusing an agent, as a part of the cost of letting one in. */
const lookShare = 1 / 3;
/** The weight of the latest handshake in the moving average: it spans about fifty. */
const weight = 0.02;
/** A longer time measures something else: a suspended process, a busy disk. */
const longestMeasureMs = 50;

interface Arrival {
  sinceMs: number;
  enter(): Promise<void>;
  refuse(why: GatewayError): void;
}

export class AdmissionControl {
  readonly #nowMs: () => number;
  readonly #waiting: Arrival[] = [];
  #underWay = 0;
  /** Connections since the last agent was let in, and whether this turn had one. */
  #came = 0;
  #isComing = false;
  #eachMs = firstGuessMs;
  #measuredMs = 0;
  /** Arrivals since then. */
  #lookedAt = 0;
  /** The agents that were told to retry fill the capacity until then. */
  #bookedMs = 0;
  #turn: NodeJS.Immediate | undefined;
  #closed = false;

  /** `nowMs`: of a monotonic clock. */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** A connection of any kind was accepted. */
  came(): void {
    this.#came++;
    this.#isComing = true;
  }

  /** Lets in when it is its turn, and resolves with it. Throws `overloaded` at once when that would take too long. */
  admit(enter: () => Promise<void>): Promise<void> {
    const nowMs = this.#nowMs();
    this.#lookedAt++;
    const waitMs = this.#waiting.length * this.#eachMs;
    if (waitMs > longestWaitMs || this.#closed) return Promise.reject(this.#putOff(nowMs, waitMs));
    if (this.#underWay + this.#waiting.length === 0) this.#measureFrom(nowMs);
    this.#letInSoon();
    return new Promise((resolve, refuse) => {
      this.#waiting.push({ sinceMs: nowMs, enter: () => enter().then(resolve, refuse), refuse });
    });
  }

  /** Refuses everybody, also the agents in the queue. */
  close(): void {
    this.#closed = true;
    const nowMs = this.#nowMs();
    for (const { refuse } of this.#waiting.splice(0)) refuse(this.#putOff(nowMs, 0));
  }

  /** Each refused agent gets a later time than the one before, so that they return at the rate of service. */
  #putOff(nowMs: number, waitMs: number): GatewayError {
    // Half of the estimate: idle capacity costs more than a second refusal, and handshakes get faster as the crowd shrinks.
    const booked = Math.max(this.#bookedMs, nowMs + waitMs / 2) + this.#eachMs / 2;
    this.#bookedMs = Math.min(booked, nowMs + longestPutOffMs);
    return new GatewayError('overloaded', 'Too many dial in at once: come back later.', {
      retryAfterMs: this.#bookedMs - nowMs,
    });
  }

  /** In the next turn of the event loop, after what arrived on other sockets. */
  #letInSoon(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#putOffTheLate();
      const next = this.#waiting.splice(0, Math.min(this.#places(), atOnce - this.#underWay));
      this.#underWay += next.length;
      for (const { enter } of next) void enter().then(() => this.#done());
      if (this.#waiting.length > 0 && this.#underWay < atOnce) this.#letInSoon();
    });
  }

  #places(): number {
    const places = this.#isComing ? Math.floor(this.#came / comingForOne) : atOnce;
    if (places > 0) this.#came = 0;
    this.#isComing = false;
    return places;
  }

  #putOffTheLate(): void {
    const nowMs = this.#nowMs();
    const inTime = this.#waiting.findIndex(({ sinceMs }) => nowMs - sinceMs <= patienceMs);
    const late = this.#waiting.splice(0, inTime === -1 ? this.#waiting.length : inTime);
    for (const { refuse } of late) refuse(this.#putOff(nowMs, this.#waiting.length * this.#eachMs));
  }

  #measureFrom(nowMs: number): void {
    this.#measuredMs = nowMs;
    this.#lookedAt = 0;
  }

  #done(): void {
    this.#underWay--;
    const nowMs = this.#nowMs();
    const tookMs = (nowMs - this.#measuredMs) / (1 + this.#lookedAt * lookShare);
    this.#eachMs += weight * (Math.min(tookMs, longestMeasureMs) - this.#eachMs);
    this.#measureFrom(nowMs);
    if (this.#waiting.length > 0) this.#letInSoon();
  }
}
