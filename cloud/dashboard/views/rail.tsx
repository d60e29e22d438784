// Navigation: messages, sessions, the home; on small screens a bar at the bottom.
import { formatRoute, type Route } from '../route.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon, type IconName } from './icon.tsx';
import { useTask } from './task.ts';

export function Rail() {
  const { account, conversations, home, isHelpOpen, router, sessions } = useDashboard();
  const task = useTask();
  const page = router.current.value.page;
  const invitations = sessions.items.value?.filter((session) => session.status === 'Pending').length ?? 0;
  const notStored = home.current.value?.deadLetters ?? 0;
  return (
    <nav class="rail" aria-label="Places">
      <img class="rail-logo" src="/favicon.svg" alt="Homeline" width="34" height="34" />
      <Place to={{ page: 'messages' }} icon="messages" isHere={page === 'messages' || page === 'compose'}>
        Messages
        <Count of={conversations.unread.value} words="unread" />
      </Place>
      <Place to={{ page: 'sessions' }} icon="sessions" isHere={page === 'sessions' || page === 'new-session'}>
        Sessions
        <Count of={invitations} words="pending" />
      </Place>
      <Place to={{ page: 'home' }} icon="home" isHere={page === 'home'}>
        Home
        {notStored > 0 ? (
          <Count of={notStored} words="not stored" tone="warn" />
        ) : (
          <i class="dot" data-online={home.current.value?.online === true} aria-hidden="true" />
        )}
      </Place>
      <span class="rail-rest">
        <button
          type="button"
          class="icon-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={() => {
            isHelpOpen.value = true;
          }}
        >
          <Icon name="keyboard" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Sign out"
          title="Sign out"
          disabled={task.isBusy}
          onClick={() => task.run('Signing out did not work', () => account.signOut())}
        >
          <Icon name="leave" />
        </button>
      </span>
    </nav>
  );
}

function Place(props: { to: Route; icon: IconName; isHere: boolean; children: preact.ComponentChildren }) {
  return (
    <a class="place" href={formatRoute(props.to)} aria-current={props.isHere ? 'page' : undefined}>
      <Icon name={props.icon} />
      <span>{props.children}</span>
    </a>
  );
}

function Count({ of, words, tone }: { of: number; words: string; tone?: 'warn' }) {
  if (of === 0) return null;
  return (
    <>
      {' '}
      <b class="count" data-tone={tone}>
        {of > 99 ? '99+' : of}
      </b>
      <span class="unseen"> {words}</span>
    </>
  );
}
