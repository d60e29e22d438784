// Something that a person asked for and that takes a while.
import { useCallback, useState } from 'preact/hooks';
import { useDashboard } from './dashboard-context.ts';

export interface Task {
  isBusy: boolean;
  /** Runs `work`; a failure is told as “`whatFailed`: why”. */
  run: (whatFailed: string, work: () => Promise<void>) => void;
}

export function useTask(): Task {
  const { notices } = useDashboard();
  const [isBusy, setBusy] = useState(false);
  const run = useCallback(
    (whatFailed: string, work: () => Promise<void>) => {
      setBusy(true);
      work()
        .catch((fault: unknown) => notices.fault(whatFailed, fault))
        .finally(() => setBusy(false));
    },
    [notices],
  );
  return { isBusy, run };
}
