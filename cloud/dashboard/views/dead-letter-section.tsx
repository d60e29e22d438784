// Dead letters: each with its reason, to retry or discard.
import { useEffect } from 'preact/hooks';
import type { DeadLetter } from '../../../protocol/model.ts';
import { withoutControls } from '../text/plain-names.ts';
import { sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { PartyName } from './party.tsx';
import { SecondThought } from './second-thought.tsx';
import { useTask } from './task.ts';

export function DeadLetterSection() {
  const { deadLetters, home, notices } = useDashboard();
  const task = useTask();
  const count = home.current.value?.deadLetters ?? 0;
  const id = home.current.value?.id;
  useEffect(() => {
    if (count === 0) deadLetters.stop();
    else deadLetters.refresh().catch((fault: unknown) => notices.fault('What was not stored cannot be shown', fault));
  }, [deadLetters, notices, count, id]);
  if (count === 0) return null;
  return (
    <section class="card" aria-label="Not stored">
      <h2>
        Not stored{' '}
        <b class="count" data-tone="warn">
          {count}
        </b>
      </h2>
      <p class="hint">
        The cloud refused these for good. The agent at home keeps them, and what they tell of is still on the phone. Try
        again when the cause is gone.
      </p>
      {deadLetters.items.value === undefined ? (
        <p class="hint">Loading…</p>
      ) : (
        <ul class="things">
          {deadLetters.items.value.map((letter) => (
            <LetterLine key={letter.id} letter={letter} />
          ))}
        </ul>
      )}
      {deadLetters.next.value !== null && (
        <button
          type="button"
          class="button quiet"
          disabled={task.isBusy}
          onClick={() => task.run('The older ones did not come', () => deadLetters.loadMore())}
        >
          Older ones
        </button>
      )}
    </section>
  );
}

function LetterLine({ letter }: { letter: DeadLetter }) {
  const { deadLetters, home, notices } = useDashboard();
  const task = useTask();
  const retry = async () => {
    const told = await deadLetters.retry(letter);
    if (told.outcome === 'refused') {
      notices.show({ tone: 'fault', title: 'It was refused again', detail: `${told.reason} (${told.code})` });
    } else {
      notices.show({ tone: 'plain', title: told.outcome === 'stored' ? 'It is stored now' : 'It is on its way again' });
    }
  };
  return (
    <li class="thing">
      <div>
        <LetterWords letter={letter} />
        <p class="hint">
          {withoutControls(home.phone(letter.phone)?.name ?? 'A phone')} · {sinceTime(letter.time)}
        </p>
        <p class="warning">
          {letter.reason} <code>{letter.code}</code>
        </p>
      </div>
      <SecondThought
        words="Discard"
        isBusy={task.isBusy}
        onSure={() => task.run('It was not discarded', () => deadLetters.discard(letter))}
      >
        <button
          type="button"
          class="button"
          disabled={task.isBusy}
          onClick={() => task.run('It could not be tried again', retry)}
        >
          Try again
        </button>
      </SecondThought>
    </li>
  );
}

function LetterWords({ letter: { event, message } }: { letter: DeadLetter }) {
  if (message === undefined) return <b>{eventWords[event] ?? 'Something on the phone'}</b>;
  return (
    <>
      <b>
        {message.folder === 'Received' ? 'From' : 'To'} <PartyName party={message.with} />
      </b>
      <p>
        <bdi>
          {withoutControls(message.subject ? `${message.subject}: ${message.text}` : message.text) || 'No text'}
        </bdi>
      </p>
    </>
  );
}

const eventWords: Readonly<Record<string, string>> = {
  'message.deleted': 'A message was deleted on the phone',
  'session.put': 'A session changed',
  'file.progress': 'A file moved on',
};
