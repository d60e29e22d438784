// Stored events: kept for 24 hours, for watchers that reconnect.
import type { HomeEvent } from '../../protocol/model.ts';

export interface EventStore {
  /**
   * Events after `after`, oldest first. `after` is an event's id, any ULID for its time, or empty for the beginning.
   * Undefined when that point is no longer kept, or lies ahead of both the last event and the present.
   */
  after(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined>;
}
