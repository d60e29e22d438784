// Coalesces many requests for the same work into few runs.

/**
 * Runs `work` immediately; calls during a run share one more run after it, at least `pauseMs` later. Each caller's
 * promise settles with a run that began after the call.
 */
export function coalesced(work: () => Promise<void>, pauseMs = 150): () => Promise<void> {
  let running: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;
  const run = () => {
    running = work().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    // Also during the pause: otherwise a newer run could finish first, and the earlier caller would get stale data.
    if (waiting !== undefined) return waiting;
    if (running === undefined) return run();
    waiting = running
      .catch(() => undefined)
      .then(() => new Promise((resolve) => setTimeout(resolve, pauseMs)))
      .then(() => {
        waiting = undefined;
        return run();
      });
    return waiting;
  };
}
