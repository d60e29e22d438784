// Decides when a request under an Idempotency-Key may begin, and how long its answer is kept.
import type { BegunRequest } from '../request-store.ts';

export const requestKeptMs = 24 * 3_600_000;
/** More than the longest deadline of a call (120 s): the process that began it must be gone by then. */
const staleMs = 180_000;

export interface RequestState {
  fingerprint: string;
  firstBegunMs: number;
  begunMs: number;
  answer?: { status: number; body: string } | undefined;
}

/** `isRunning`: false where the process that began it is known to be gone. */
export function beginOf(
  found: RequestState | undefined,
  fingerprint: string,
  { nowMs, isRunning }: { nowMs: number; isRunning: boolean },
): BegunRequest {
  if (found === undefined || nowMs >= found.firstBegunMs + requestKeptMs) {
    return { state: 'new', firstBegunMs: nowMs, isRetry: false };
  }
  if (found.fingerprint !== fingerprint) return { state: 'conflict' };
  if (found.answer !== undefined) return { state: 'done', ...found.answer };
  if (isRunning && nowMs < found.begunMs + staleMs) return { state: 'running' };
  return { state: 'new', firstBegunMs: found.firstBegunMs, isRetry: true };
}
