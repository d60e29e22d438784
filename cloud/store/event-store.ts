// Events as the store keeps them for watchers that come back: for 24 hours.
import type { HomeEvent } from '../../protocol/model.ts';

export interface EventStore {
  /**
   * Events after `after` in their order. The point may be an event's id, any ULID for its time, or empty for the very
   * beginning; undefined when it is no longer kept, or lies ahead of the last event and of the present.
   */
  after(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined>;
}
