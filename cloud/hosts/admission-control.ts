// Who dials in: a fleet that comes back at once is let in as fast as it can be served, a few at a time and in its order.
// Whoever would wait in vain is told when to come instead: work for agents that have given up would delay all others.
import { GatewayError } from '../../protocol/errors.ts';

/** Under way at once: enough to hide the way to a distant store, few enough that calls have their turn in between. */
const atOnce = 16;
/**
 * The event loop accepts one connection a turn (libuv 1.52), and who is not accepted yet waits unseen. While one comes in
 * each turn, turns are kept short: one is let in for so many who come.
 */
const comingForOne = 2;
/**
 * An agent waits 30 seconds for the answer to its dialling (edge-agent/tunnel/client.ts). As much as a third of them may
 * pass before it is accepted, where a machine is busy with other things too. Who may expect to wait this…
 */
const longestWaitMs = 8_000;
/** … and who has waited this, because it went more slowly than it had, is put off. */
const patienceMs = 10_000;
const longestPutOffMs = 120_000;
/** What one takes until that has been measured: too little costs some a second try, too much leaves the door idle. */
const firstGuessMs = 2;
/** To look at one who comes, and to put him off, takes about as much of what it takes to let one in. */
const lookShare = 1 / 3;
/** How much the latest counts in the average: that of about fifty. */
const weight = 0.02;
/** What took longer was something else: a process that was suspended, a disk that was busy. */
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
  /** Connections since the last who was let in, and whether there was one in this turn. */
  #came = 0;
  #isComing = false;
  #eachMs = firstGuessMs;
  #measuredMs = 0;
  /** Who came since then. */
  #lookedAt = 0;
  /** Until when there is enough to do with those who were told to come back. */
  #bookedMs = 0;
  #turn: NodeJS.Immediate | undefined;
  #closed = false;

  /** `nowMs`: of a clock that only goes on. */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** A connection was accepted, whatever it is for. */
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

  /** Lets nobody in any more, whoever waits included. */
  close(): void {
    this.#closed = true;
    const nowMs = this.#nowMs();
    for (const { refuse } of this.#waiting.splice(0)) refuse(this.#putOff(nowMs, 0));
  }

  /** Each is told a later time than the one before, so that they come as they can be served. */
  #putOff(nowMs: number, waitMs: number): GatewayError {
    // In half the time that it seems to take: a door that is idle until they come loses more than it costs to put off some
    // again, and once the crowd is gone it goes faster.
    const booked = Math.max(this.#bookedMs, nowMs + waitMs / 2) + this.#eachMs / 2;
    this.#bookedMs = Math.min(booked, nowMs + longestPutOffMs);
    return new GatewayError('overloaded', 'Too many dial in at once: come back later.', {
      retryAfterMs: this.#bookedMs - nowMs,
    });
  }

  /** In the next turn of the event loop: what came in meanwhile on other sockets goes first. */
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
