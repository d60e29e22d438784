// What a hub does in the background with the commits of its home. A new consumer is one class and one entry in the list of
// home-hub.ts: the hub runs in both hosts, and its clock, deadlines and store come from the host.
import type { HomeEvent } from '../../protocol/model.ts';
import type { Write } from '../store/store.ts';

/** The home of a background task. */
export interface TaskHome {
  readonly id: string;
  /** `p_…` of the phones. */
  phones(): readonly string[];
  /** Commits writes that no background task follows. */
  commit(writes: readonly Write[]): Promise<HomeEvent[]>;
}

/**
 * Follows the commits of one home. A commit does not wait for it, and a task that must not miss one continues after a
 * restart from `store.events.after`: the hub may be evicted between a commit and `follow`.
 */
export interface BackgroundTask {
  /** Catches up. Called when the hub starts, and again at alarms of the host. Never rejects. */
  run(): Promise<void>;
  /** Called after each commit with its writes. Must not throw. */
  follow(writes: readonly Write[]): void;
  /** Resolves when nothing is in progress any more. */
  stop(): Promise<void>;
}
