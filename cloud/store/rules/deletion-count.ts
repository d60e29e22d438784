// How many messages a phone's absence may delete unasked: the count that home.missing keeps by the day.
import type { MissingNotes } from '../home-store.ts';

/** Within this, deletions at a phone are counted together, so that many small ones do not add up to a large one unasked. */
export const countedTogetherMs = 30 * 24 * 3_600_000;

/** Whether what was deleted on that day still counts. */
export function isCounted(dayStartMs: number, nowMs: number): boolean {
  return dayStartMs + 24 * 3_600_000 > nowMs - countedTogetherMs;
}

/** How many messages of a phone were deleted unasked within `countedTogetherMs`. */
export function recentlyDeleted({ deleted = [] }: MissingNotes, nowMs: number): number {
  return deleted.filter(([day]) => isCounted(day, nowMs)).reduce((sum, [, count]) => sum + count, 0);
}
