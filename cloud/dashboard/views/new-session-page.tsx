// The form for a new session.
import { useState } from 'preact/hooks';
import type { SessionClass } from '../../../protocol/phone-model.ts';
import { splitAddresses } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { useDashboard } from './dashboard-context.ts';
import { DetailHeader } from './detail-header.tsx';
import { useTask } from './task.ts';

const everyClass: readonly SessionClass[] = ['Chat', 'File-Transfer', 'SMS', 'MMS', 'e-Mail', 'Mixed'];

export function NewSessionPage() {
  const { home, router, sessions } = useDashboard();
  const task = useTask();
  const [people, setPeople] = useState('');
  const [subject, setSubject] = useState('');
  const [chosenClass, chooseClass] = useState<SessionClass>();
  const [chosenPhone, choosePhone] = useState<string>();
  const phones = home.approvedPhones.value;
  const phone = home.phone(chosenPhone ?? null) ?? phones.find((entry) => entry.online) ?? phones[0];
  const told = phone?.capabilities?.sessionClasses ?? [];
  const classes = told.length > 0 ? told : everyClass;
  const sessionClass =
    [chosenClass, 'Chat' as const, ...classes].find((entry) => entry && classes.includes(entry)) ?? 'Chat';
  const recipients = splitAddresses(people);

  const create = async () => {
    const session = await sessions.create({
      sessionClass,
      recipients,
      ...(phone === undefined ? {} : { phone: phone.id }),
      ...(subject.trim() === '' ? {} : { subject: subject.trim() }),
    });
    router.replace({ page: 'sessions', session: session.id });
  };
  return (
    <>
      <DetailHeader title="New session" />
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          task.run('The session was not begun', create);
        }}
      >
        <label>
          <span>People</span>
          <input
            class="field"
            required
            placeholder="Numbers or addresses, with commas"
            value={people}
            onInput={(event) => setPeople(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Subject</span>
          <input
            class="field"
            placeholder="What it is about (may stay empty)"
            value={subject}
            onInput={(event) => setSubject(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Kind</span>
          <select
            class="field"
            value={sessionClass}
            onChange={(event) => chooseClass(event.currentTarget.value as SessionClass)}
          >
            {classes.map((entry) => (
              <option key={entry} value={entry}>
                {entry}
              </option>
            ))}
          </select>
        </label>
        {phones.length > 1 && (
          <label>
            <span>Phone</span>
            <select class="field" value={phone?.id ?? ''} onChange={(event) => choosePhone(event.currentTarget.value)}>
              {phones.map((entry) => (
                <option key={entry.id} value={entry.id}>
                  {withoutControls(entry.name)}
                </option>
              ))}
            </select>
          </label>
        )}
        {phones.length === 0 && <p class="hint">No phone of this home is approved: a session needs one.</p>}
        <button type="submit" class="button" disabled={task.isBusy || recipients.length === 0 || phones.length === 0}>
          Begin
        </button>
      </form>
    </>
  );
}
