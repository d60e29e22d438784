// The home's settings: its name and country, and how long messages are kept.
import { useEffect, useState } from 'preact/hooks';
import type { Home, KeepRule } from '../../../protocol/model.ts';
import { useDashboard } from './dashboard-context.ts';
import { SecondThought } from './second-thought.tsx';
import { useTask } from './task.ts';

const countries = new Intl.DisplayNames(undefined, { type: 'region', fallback: 'none' });

export function SettingsSection() {
  const { home } = useDashboard();
  const current = home.current.value;
  if (current === undefined) return null;
  return (
    <section class="card" aria-label="Settings">
      <h2>Settings</h2>
      <NameForm key={`name ${current.id}`} current={current} />
      <KeepRuleForm current={current} />
      <KeepDaysForm key={`days ${current.id}`} current={current} />
    </section>
  );
}

function NameForm({ current }: { current: Home }) {
  const { home } = useDashboard();
  const task = useTask();
  const [name, setName] = useState(current.name);
  const [country, setCountry] = useState(current.country ?? '');
  useEffect(() => setName(current.name), [current.name]);
  useEffect(() => setCountry(current.country ?? ''), [current.country]);
  const isChanged = name.trim() !== current.name || country.trim().toUpperCase() !== (current.country ?? '');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const settings = { name: name.trim(), country: country.trim() === '' ? null : country.trim().toUpperCase() };
        task.run('The settings were not changed', () => home.change(settings));
      }}
    >
      <div class="field-row">
        <input
          class="field"
          aria-label="Name of the home"
          maxLength={200}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <input
          class="field country"
          aria-label="Country of the home, two letters"
          placeholder="Country, e.g. IT"
          maxLength={2}
          value={country}
          onInput={(event) => setCountry(event.currentTarget.value)}
        />
        <button type="submit" class="button quiet" disabled={task.isBusy || name.trim() === '' || !isChanged}>
          Save
        </button>
      </div>
      <p class="hint">
        {current.country === null
          ? 'Name your country, so that a number without its country code is known as the same person’s.'
          : `A number without a country code is read as one of ${nameOf(current.country) ?? current.country}.`}
      </p>
    </form>
  );
}

function KeepRuleForm({ current }: { current: Home }) {
  const { home } = useDashboard();
  const task = useTask();
  const set = (keep: KeepRule) => task.run('The setting was not changed', () => home.change({ keep }));
  return current.keep === 'always' ? (
    <div class="setting">
      <p>
        <b>Messages stay here when a phone deletes or loses them.</b>
      </p>
      <p class="hint">
        You can have messages deleted here once a phone has deleted them: when two complete looks at the phone, at least
        ten minutes apart, no longer show them. When more than half of a phone’s messages are missing, you are asked
        first. What is deleted here cannot be brought back.
      </p>
      <SecondThought words="Delete like the phone" isBusy={task.isBusy} onSure={() => set('like-the-phone')} />
    </div>
  ) : (
    <div class="setting">
      <p>
        <b>Messages that a phone deletes are deleted here too.</b>
      </p>
      <p class="hint">
        It takes two complete looks at the phone, at least ten minutes apart. When more than half of a phone’s messages
        are missing, you are asked first.
      </p>
      <button type="button" class="button quiet" disabled={task.isBusy} onClick={() => set('always')}>
        Keep messages here instead
      </button>
    </div>
  );
}

function KeepDaysForm({ current }: { current: Home }) {
  const { home } = useDashboard();
  const task = useTask();
  const [days, setDays] = useState(String(current.keepDays ?? ''));
  useEffect(() => setDays(String(current.keepDays ?? '')), [current.keepDays]);
  const wanted = Number(days);
  const isDays = Number.isInteger(wanted) && wanted >= 1;
  const isChanged = isDays && wanted !== current.keepDays;
  const set = (keepDays: number | null) => task.run('The setting was not changed', () => home.change({ keepDays }));
  return (
    <div class="setting">
      <p>
        <b>
          {current.keepDays === null
            ? 'Messages are kept however old they are.'
            : `Messages older than ${inDays(current.keepDays)} are deleted.`}
        </b>
      </p>
      <p class="hint">
        You can have old messages deleted, here only: the phone keeps its own. They are deleted for good, also the ones
        that are here already.
      </p>
      <div class="field-row">
        <input
          class="field"
          type="number"
          min={1}
          max={36525}
          aria-label="Days after which messages are deleted"
          placeholder="Days, e.g. 365"
          value={days}
          onInput={(event) => setDays(event.currentTarget.value)}
        />
      </div>
      <SecondThought
        key={`${current.keepDays} ${days}`}
        words={isDays ? `Delete what is older than ${inDays(wanted)}` : 'Delete what is older'}
        isBusy={task.isBusy || !isChanged}
        onSure={() => set(wanted)}
      >
        {current.keepDays !== null && (
          <button type="button" class="button quiet" disabled={task.isBusy} onClick={() => set(null)}>
            Keep all from now on
          </button>
        )}
      </SecondThought>
    </div>
  );
}

function inDays(days: number): string {
  return days === 1 ? 'one day' : `${days} days`;
}

function nameOf(country: string | null): string | undefined {
  return country === null ? undefined : countries.of(country);
}
