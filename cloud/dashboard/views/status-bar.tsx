// What blocks messages now: a broken connection, a full disk, a home that is offline or does not answer, a phone that
// hangs.
import { explain } from '../api.ts';
import { sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { useTask } from './task.ts';

export function StatusBar() {
  const dashboard = useDashboard();
  const { home, live, loadFault } = dashboard;
  const task = useTask();
  const current = home.current.value;
  return (
    <div class="status-bar" role="status">
      {live.state.value === 'broken' ? (
        <p class="status" data-tone="busy">
          <span class="spinner" aria-hidden="true" /> Reconnecting… What you see may be out of date.
        </p>
      ) : loadFault.value !== undefined ? (
        <p class="status" data-tone="warn">
          {explain(loadFault.value)}
          <button
            type="button"
            class="link"
            disabled={task.isBusy}
            onClick={() => task.run('That did not help', () => dashboard.refresh())}
          >
            Try again
          </button>
        </p>
      ) : current?.trouble !== undefined ? (
        <p class="status" data-tone="warn">
          {current.trouble.detail}
        </p>
      ) : current !== undefined && !current.online && current.since !== null ? (
        <p class="status" data-tone="warn">
          <b>Home is offline</b> since <time dateTime={current.since}>{sinceTime(current.since)}</time>. What you send
          waits in the cloud until it is back.
        </p>
      ) : (
        home.approvedPhones.value.map(
          (phone) =>
            phone.trouble !== undefined && (
              <p key={phone.id} class="status" data-tone="warn">
                <bdi>{phone.name}</bdi>: {phone.trouble.detail}
              </p>
            ),
        )
      )}
    </div>
  );
}
