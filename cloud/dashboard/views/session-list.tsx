// The sessions, grouped by status.
import type { Session } from '../../../protocol/model.ts';
import type { SessionStatus } from '../../../protocol/phone-model.ts';
import { formatRoute } from '../route.ts';
import { withoutControls } from '../text/plain-names.ts';
import { briefTime, fullTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';
import { Avatar, PartyNames } from './party.tsx';
import { useTask } from './task.ts';

const groups: readonly { status: SessionStatus; heading: string }[] = [
  { status: 'Pending', heading: 'Pending' },
  { status: 'Running', heading: 'Running' },
  { status: 'Parked', heading: 'Parked' },
  { status: 'Closed', heading: 'Closed' },
];

export function SessionList() {
  const { router, sessions } = useDashboard();
  const task = useTask();
  const route = router.current.value;
  const open = route.page === 'sessions' ? route.session : undefined;
  const items = sessions.items.value;
  return (
    <section class="list" aria-label="Sessions">
      <header class="list-header">
        <h1>Sessions</h1>
        <a class="icon-button" href={formatRoute({ page: 'new-session' })} aria-label="New session" title="New session">
          <Icon name="compose" />
        </a>
      </header>
      <div class="list-body">
        {items === undefined ? (
          <p class="hint list-note">Loading…</p>
        ) : items.length === 0 ? (
          <NoSessions />
        ) : (
          groups.map(({ status, heading }) => (
            <SessionGroup
              key={status}
              heading={heading}
              sessions={items.filter((session) => session.status === status)}
              open={open}
            />
          ))
        )}
        {sessions.next.value !== null && (
          <button
            type="button"
            class="button quiet more"
            disabled={task.isBusy}
            onClick={() => task.run('The older sessions did not come', () => sessions.loadMore())}
          >
            Older sessions
          </button>
        )}
      </div>
    </section>
  );
}

function SessionGroup(props: { heading: string; sessions: readonly Session[]; open: string | undefined }) {
  if (props.sessions.length === 0) return null;
  const newestFirst = props.sessions.toSorted((one, other) => (one.updatedAt < other.updatedAt ? 1 : -1));
  return (
    <>
      <h2 class="list-heading">{props.heading}</h2>
      <ul class="rows">
        {newestFirst.map((session) => (
          <li key={session.id}>
            <a
              class="row"
              href={formatRoute({ page: 'sessions', session: session.id })}
              aria-current={session.id === props.open ? 'page' : undefined}
            >
              <Avatar parties={session.recipients} />
              <span class="row-name">
                {session.subject ? (
                  <bdi>{withoutControls(session.subject)}</bdi>
                ) : (
                  <PartyNames parties={session.recipients} />
                )}
              </span>
              <time class="row-time" dateTime={session.updatedAt} title={fullTime(session.updatedAt)}>
                {briefTime(session.updatedAt)}
              </time>
              <span class="row-line">
                {session.sessionClass} · <PartyNames parties={session.recipients} />
              </span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function NoSessions() {
  return (
    <div class="empty">
      <Icon name="sessions" />
      <h2>No sessions</h2>
      <p>A session is a talk that people join and leave: a chat, say, or the sending of a file.</p>
      <a class="button" href={formatRoute({ page: 'new-session' })}>
        Begin a session
      </a>
    </div>
  );
}
