// The state of a slow user action.
import { useCallback, useState } from 'preact/hooks';
import { useDashboard } from './dashboard-context.ts';

export interface Task {
  isBusy: boolean;
  /** Runs `work`; shows a failure as “`whatFailed`: reason”. */
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
