// The files of a session, their progress, and a button to cancel.
import { useEffect } from 'preact/hooks';
import type { Session } from '../../../protocol/model.ts';
import type { FileInfo } from '../../../protocol/phone-model.ts';
import { withoutControls } from '../text/plain-names.ts';
import { fileSize } from '../text/sizes.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';
import { useTask } from './task.ts';

export function FileList({ session }: { session: Session }) {
  const { files, home } = useDashboard();
  const task = useTask();
  const isThere = home.current.value?.online === true && home.phone(session.phone)?.online === true;
  const mayHaveFiles = session.sessionClass === 'File-Transfer' || session.sessionClass === 'Mixed';
  useEffect(() => {
    // Only the phone knows the files. While it is offline there is nothing to show, and the status bar says why.
    if (isThere && mayHaveFiles) files.open(session).catch(() => undefined);
    return () => files.close();
  }, [files, session.id, isThere, mayHaveFiles]);

  const items = files.items.value ?? [];
  if (items.length === 0) return null;
  const isMoving = items.some((file) => file.status === 'pending' || file.status === 'transferring');
  return (
    <section class="files" aria-label="Files">
      <ul>
        {items.map((file) => (
          <FileLine key={file.fileId} file={file} />
        ))}
      </ul>
      {isMoving && (
        <button
          type="button"
          class="button quiet"
          disabled={task.isBusy}
          onClick={() => task.run('The transfer was not cancelled', () => files.cancel(session))}
        >
          Cancel the transfer
        </button>
      )}
    </section>
  );
}

function FileLine({ file }: { file: FileInfo }) {
  const { name, direction, status, sizeBytes, transferredBytes } = file;
  return (
    <li>
      <Icon name="clip" />
      <span class="file-name">
        <bdi>{withoutControls(name) || 'Unnamed file'}</bdi>{' '}
        <span class="hint">
          {direction === 'send' ? 'to them' : 'from them'} · {fileSize(sizeBytes)}
        </span>
      </span>
      {status === 'transferring' && (
        <progress
          aria-label={`How far ${withoutControls(name)} has come`}
          max={Math.max(1, sizeBytes)}
          value={transferredBytes}
        />
      )}
      <span class="file-status" data-status={status}>
        {status === 'transferring' ? `${percentOf(file)} %` : statusWords[status]}
      </span>
    </li>
  );
}

function percentOf({ transferredBytes, sizeBytes }: FileInfo): number {
  return sizeBytes === 0 ? 100 : Math.min(100, Math.floor((transferredBytes / sizeBytes) * 100));
}

const statusWords: Readonly<Record<FileInfo['status'], string>> = {
  pending: 'Waiting',
  transferring: 'On its way',
  completed: 'Done',
  cancelled: 'Cancelled',
  failed: 'Failed',
};
