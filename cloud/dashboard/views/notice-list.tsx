// Notices, and the live region for screen readers.
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';

export function NoticeList() {
  const { notices } = useDashboard();
  const announcement = notices.announcement.value;
  return (
    <>
      <div class="unseen" role="status" aria-live="polite">
        <p key={announcement.id}>{announcement.sentence}</p>
      </div>
      <ul class="notices" aria-live="assertive">
        {notices.shown.value.map((notice) => (
          <li key={notice.id} class="notice" data-tone={notice.tone}>
            <div>
              <b>{notice.title}</b>
              {notice.detail && <p>{notice.detail}</p>}
            </div>
            <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => notices.dismiss(notice.id)}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
