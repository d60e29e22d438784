// One session: its status, participants and messages.
import { useEffect, useState } from 'preact/hooks';
import type { Session } from '../../../protocol/model.ts';
import { explain } from '../api.ts';
import { stepsFor } from '../state/session-steps.ts';
import { partyName, splitAddresses } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { Composer } from './composer.tsx';
import { useDashboard } from './dashboard-context.ts';
import { DetailHeader } from './detail-header.tsx';
import { FileList } from './file-list.tsx';
import { Icon } from './icon.tsx';
import { Avatar, PartyName, PartyNames } from './party.tsx';
import { useTask } from './task.ts';
import { ThreadView } from './thread-view.tsx';

export function SessionPage({ id }: { id: string }) {
  const dashboard = useDashboard();
  const { sessions, thread } = dashboard;
  const [fault, setFault] = useState<unknown>();
  const session = sessions.get(id);
  const isListed = sessions.items.value !== undefined;
  const isMissing = isListed && session === undefined;

  useEffect(() => {
    if (isMissing) sessions.load(id).catch(setFault);
  }, [sessions, id, isMissing]);

  if (session === undefined) {
    return (
      <>
        <DetailHeader title="Session" />
        <p class="thread-note">{fault === undefined ? 'Loading…' : explain(fault)}</p>
      </>
    );
  }
  return (
    <>
      <DetailHeader
        mark={<Avatar parties={session.recipients} />}
        title={
          session.subject ? <bdi>{withoutControls(session.subject)}</bdi> : <PartyNames parties={session.recipients} />
        }
        line={
          <>
            {session.sessionClass} · <b data-session={session.status}>{session.status}</b>
          </>
        }
      >
        <SessionSteps session={session} />
      </DetailHeader>
      <People session={session} />
      <FileList session={session} />
      {thread.value?.key === id && <ThreadView thread={thread.value} />}
      {session.status === 'Running' ? (
        <Composer draftKey={id} isSession onSend={(written) => dashboard.sendInSession(session, written)} />
      ) : (
        <p class="composer-note">
          {session.status === 'Closed'
            ? 'This session is closed.'
            : 'Nothing can be said here before the session runs.'}
        </p>
      )}
    </>
  );
}

function SessionSteps({ session }: { session: Session }) {
  const { home, sessions } = useDashboard();
  const task = useTask();
  const phone = home.phone(session.phone);
  const isThere = phone?.online === true;
  useEffect(() => {
    // If the phone's own addresses are unknown, offer every step.
    if (phone !== undefined && isThere) home.loadAddresses(phone).catch(() => undefined);
  }, [home, phone?.id, isThere]);
  return (
    <div class="detail-actions">
      {stepsFor(session, home.addresses.value.get(session.phone)).map(({ step, words }) => (
        <button
          key={step}
          type="button"
          class={step === 'accept' ? 'button' : 'button quiet'}
          disabled={task.isBusy}
          onClick={() => task.run(`“${words}” did not work`, () => sessions.take(session, step))}
        >
          {words}
        </button>
      ))}
    </div>
  );
}

function People({ session }: { session: Session }) {
  const { home, sessions } = useDashboard();
  const own = home.addresses.value.get(session.phone);
  const task = useTask();
  const [typed, setTyped] = useState('');
  const isOpen = session.status !== 'Closed';
  return (
    <details class="people">
      <summary>
        {session.recipients.length === 1 ? '1 person' : `${session.recipients.length} people`}
        {session.initiator && (
          <span class="hint">
            {' '}
            · begun by <PartyName party={session.initiator} />
          </span>
        )}
      </summary>
      <ul>
        {session.recipients.map((party) => (
          <li key={party.address}>
            <PartyName party={party} />
            <span class="hint">
              {[own?.has(party.address) && 'this home', party.state].filter(Boolean).join(' · ')}
            </span>
            {isOpen && (
              <button
                type="button"
                class="icon-button"
                aria-label={`Remove ${partyName(party)}`}
                title="Remove from the session"
                disabled={task.isBusy}
                onClick={() =>
                  task.run('The person was not removed', () =>
                    sessions.change(session, { removeRecipients: [party.address] }),
                  )
                }
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
      {isOpen && (
        <form
          class="field-row"
          onSubmit={(event) => {
            event.preventDefault();
            task.run('Nobody was added', async () => {
              await sessions.change(session, { addRecipients: splitAddresses(typed) });
              setTyped('');
            });
          }}
        >
          <input
            class="field"
            aria-label="Add people"
            placeholder="Add a number or an address"
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
          <button type="submit" class="button quiet" disabled={task.isBusy || splitAddresses(typed).length === 0}>
            Add
          </button>
        </form>
      )}
    </details>
  );
}
