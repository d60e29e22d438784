// Asks the household what to do when a phone has lost so many messages that it may be a mistake.
import type { Question } from '../../../protocol/model.ts';
import { withoutControls } from '../text/plain-names.ts';
import { sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { SecondThought } from './second-thought.tsx';
import { useTask } from './task.ts';

export function QuestionSection() {
  const { home } = useDashboard();
  const questions = home.current.value?.questions ?? [];
  if (questions.length === 0) return null;
  return (
    <section class="card" aria-label="Questions">
      <h2>Your decision is needed</h2>
      <ul class="things">
        {questions.map((question) => (
          <QuestionLine key={question.id} question={question} />
        ))}
      </ul>
    </section>
  );
}

function QuestionLine({ question }: { question: Question }) {
  const { home } = useDashboard();
  const task = useTask();
  const name = withoutControls(home.phone(question.phone)?.name ?? 'A phone');
  const answer = (said: 'keep' | 'delete') => task.run('Your answer was not stored', () => home.answer(question, said));
  return (
    <li class="thing">
      <div>
        <p>
          <b>
            {name} no longer has {question.count} of its {question.of} messages.
          </b>
        </p>
        <p class="hint">
          First seen {sinceTime(question.time)}. They are still here. If you deleted them on the phone, delete them here
          too. If the phone was reset or has lost them, keep them.
        </p>
      </div>
      <SecondThought words="Delete them here" isBusy={task.isBusy} onSure={() => answer('delete')}>
        <button type="button" class="button" disabled={task.isBusy} onClick={() => answer('keep')}>
          Keep them
        </button>
      </SecondThought>
    </li>
  );
}
