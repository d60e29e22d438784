// Many wishes for the same work, few runs of it.

/**
 * Runs `work` at once; wishes that come while it runs are met by one more run after it, not sooner than
 * `pauseMs` later. Each caller's promise settles with a run that began after its wish.
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
    // Also in the pause: overtaken by a run of its own, an earlier wish would end with what was true before.
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
