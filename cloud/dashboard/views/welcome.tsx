// Empty states: what the place is for, and the next step.
import { formatRoute } from '../route.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';

/** Shown beside a list without a selection. */
export function NothingOpen() {
  const { conversations } = useDashboard();
  if (conversations.items.value?.length === 0) return <FirstSteps />;
  return (
    <div class="empty">
      <Icon name="messages" />
      <p>
        Choose a conversation, or press <kbd>c</kbd> to begin one.
      </p>
      <p class="hint">
        <kbd>?</kbd> shows all keys.
      </p>
    </div>
  );
}

/** Shown beside the list of sessions. */
export function NoSessionOpen() {
  return (
    <div class="empty">
      <Icon name="sessions" />
      <p>Choose a session, or begin one.</p>
    </div>
  );
}

/** Shown without messages: the next setup step. */
export function FirstSteps() {
  const { home } = useDashboard();
  const current = home.current.value;
  return (
    <div class="empty">
      <Icon name="messages" />
      {current === undefined || current.since === null ? (
        <>
          <h2>No agent has called from this home yet</h2>
          <p>
            The agent is the small program on your own network that talks to the phone.{' '}
            <a href={formatRoute({ page: 'home' })}>Create its token</a>, then start it there:
          </p>
          <pre>npm run agent</pre>
        </>
      ) : home.phones.value.length === 0 ? (
        <>
          <h2>The agent has found no phone yet</h2>
          <p>It looks for a telephony server on its network. To try Homeline without one, start the demo phone:</p>
          <pre>npm run phone</pre>
        </>
      ) : home.approvedPhones.value.length === 0 ? (
        <>
          <h2>A phone was found and waits for your word</h2>
          <p>
            Nothing leaves your network before you <a href={formatRoute({ page: 'home' })}>approve the phone</a>.
          </p>
        </>
      ) : (
        <>
          <h2>All is ready, and nobody has written yet</h2>
          <p>
            <a href={formatRoute({ page: 'compose' })}>Write the first message</a>, or make the demo phone receive one:
          </p>
          <pre>npm run phone -- say +390110001 "Dinner at 8?"</pre>
        </>
      )}
    </div>
  );
}
