// What the hub is handed by its host: it owns no clock, no timer, no log and no database of its own.
import type { HomeEventType, Trouble } from '../../protocol/model.ts';
import type { Clock } from '../store/clock.ts';
import type { Store } from '../store/store.ts';

export interface Deadlines {
  /** Runs `fire` once after `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, fire: () => void): () => void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
/** Lines for the operator. Numbers, texts of messages and tokens never go in. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** What is counted for the operator. */
export interface Observer {
  /** `outcome` is `ok` or an error code. */
  call(action: string, outcome: string, durationMs: number): void;
  event(type: HomeEventType): void;
  /** +1 for a tunnel that came, -1 for one that went. */
  tunnel(change: 1 | -1): void;
  watcher(change: 1 | -1): void;
}

export interface HubDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly log: Log;
  readonly observer: Observer;
  /** What keeps the store from taking anything now, as far as the host knows. */
  readonly storeTrouble?: (() => Trouble | undefined) | undefined;
  /** How often agents must send `ping`. */
  readonly heartbeatMs: number;
  /** How long a home may be away before anybody is told; 5,000 unless told. */
  readonly offlineGraceMs?: number | undefined;
}
