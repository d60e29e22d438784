// Counts the messages of a phone that were deleted without a question, by day (home.missing).
import type { MissingNotes } from '../home-store.ts';

/** Window over which deletions are summed, so that many small ones cannot evade the question for a large one. */
export const countedTogetherMs = 30 * 24 * 3_600_000;

/** Whether the deletions of that day are within the window. */
export function isCounted(dayStartMs: number, nowMs: number): boolean {
  return dayStartMs + 24 * 3_600_000 > nowMs - countedTogetherMs;
}

/** The number of messages of a phone deleted without a question within `countedTogetherMs`. */
export function recentlyDeleted({ deleted = [] }: MissingNotes, nowMs: number): number {
  return deleted.filter(([day]) => isCounted(day, nowMs)).reduce((sum, [, count]) => sum + count, 0);
}
