// The state of an unsent message, and the actions that the user has.
import { useState } from 'preact/hooks';
import type { Message } from '../../../protocol/model.ts';
import { conversationKeyOf } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { withLocalTimes } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';
import { useTask } from './task.ts';

export function SendStatus({ message }: { message: Message }) {
  switch (message.state) {
    case 'queued':
      return <Queued message={message} />;
    case 'sending':
      return (
        <p class="send-state">
          <Icon name="clock" /> Sending… {message.stateReason}
        </p>
      );
    case 'failed':
      return (
        <p class="send-state" data-tone="fault">
          <Icon name="alert" /> Not sent. {message.stateReason ?? 'The phone gave no reason.'}{' '}
          <WriteAgain message={message} />
        </p>
      );
    case 'unknown':
      return <Unknown message={message} />;
    default:
      return null;
  }
}

function Queued({ message }: { message: Message }) {
  const dashboard = useDashboard();
  const { home } = dashboard;
  const task = useTask();
  const phone = home.phone(message.phone);
  return (
    <p class="send-state">
      <Icon name="clock" /> Queued.{' '}
      {message.stateReason !== undefined
        ? withLocalTimes(message.stateReason)
        : home.current.value?.online
          ? `It goes out as soon as ${withoutControls(phone?.name ?? '') || 'the phone'} is there.`
          : 'It goes out as soon as the home is online.'}{' '}
      <button
        type="button"
        class="link"
        disabled={task.isBusy}
        onClick={() => task.run('It was not cancelled', () => dashboard.cancel(message))}
      >
        Cancel it
      </button>
    </p>
  );
}

/** Sending again needs a confirmation, because the message may arrive twice. */
function Unknown({ message }: { message: Message }) {
  const dashboard = useDashboard();
  const [isAsked, setAsked] = useState(false);
  return (
    <p class="send-state" data-tone="warn">
      <Icon name="question" /> It may or may not have been sent: {message.stateReason ?? 'the phone’s answer was lost.'}{' '}
      {isAsked ? (
        <>
          <b>If the first did go out, it arrives twice.</b>{' '}
          <button
            type="button"
            class="link"
            onClick={() => {
              setAsked(false);
              dashboard.sendAgain(message);
            }}
          >
            Send it again
          </button>{' '}
          <button type="button" class="link" onClick={() => setAsked(false)}>
            Leave it
          </button>
        </>
      ) : (
        <>
          Look at the phone, or ask the recipient, before you send it again.{' '}
          <button type="button" class="link" onClick={() => setAsked(true)}>
            Send again…
          </button>
        </>
      )}
    </p>
  );
}

function WriteAgain({ message }: { message: Message }) {
  const { drafts } = useDashboard();
  return (
    <button
      type="button"
      class="link"
      onClick={() => {
        drafts.set(conversationKeyOf(message), message.body ?? '');
        document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus();
      }}
    >
      Write it again
    </button>
  );
}
