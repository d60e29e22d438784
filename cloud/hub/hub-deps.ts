// What a host gives the hub, which owns no clock, timer, log or database.
import type { HomeEventType, Trouble } from '../../protocol/model.ts';
import type { Clock } from '../store/clock.ts';
import type { Store } from '../store/store.ts';

export interface Deadlines {
  /** Runs `fire` once after `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, fire: () => void): () => void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
/** Lines for the operator. Phone numbers, message texts and tokens must not be logged. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Counters for the operator. */
export interface Observer {
  /** `outcome` is `ok` or an error code. */
  call(action: string, outcome: string, durationMs: number): void;
  event(type: HomeEventType): void;
  /** +1 for a tunnel that opened, -1 for one that closed. */
  tunnel(change: 1 | -1): void;
  watcher(change: 1 | -1): void;
}

export interface HubDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly log: Log;
  readonly observer: Observer;
  /** Why the store takes no writes now, as far as the host knows. */
  readonly storeTrouble?: (() => Trouble | undefined) | undefined;
  /** How often agents must send `ping`. */
  readonly heartbeatMs: number;
  /** How long a home may be gone before it is reported as offline; 5,000 by default. */
  readonly offlineGraceMs?: number | undefined;
}
