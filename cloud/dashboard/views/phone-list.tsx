// The phones that the agent sees, and the household's approval of each.
import type { Phone } from '../../../protocol/model.ts';
import { withoutControls } from '../text/plain-names.ts';
import { sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { useTask } from './task.ts';

export function PhoneList() {
  const { home } = useDashboard();
  const phones = home.phones.value;
  return (
    <section class="card">
      <h2>Phones</h2>
      <p class="hint">
        Only what an approved phone holds leaves your network. Revoking stops that at once; what is already here stays
        until you delete it.
      </p>
      {phones.length === 0 ? (
        <p>
          None found yet. The agent looks for telephony servers on its network; to try Homeline without one, run{' '}
          <code>npm run phone</code>.
        </p>
      ) : (
        <ul class="things">
          {phones.map((phone) => (
            <PhoneLine key={phone.id} phone={phone} />
          ))}
        </ul>
      )}
    </section>
  );
}

function PhoneLine({ phone }: { phone: Phone }) {
  const { home } = useDashboard();
  const task = useTask();
  const since = home.phoneSince.value.get(phone.id);
  const classes = phone.capabilities?.classes.map((entry) => entry.messageClass) ?? [];
  const ask = (approved: boolean) =>
    task.run(approved ? 'The phone was not approved' : 'The phone was not revoked', () =>
      home.approve(phone, approved),
    );
  return (
    <li class="thing">
      <i class="dot" data-online={phone.online} aria-hidden="true" />
      <div>
        <b>
          <bdi>{withoutControls(phone.name)}</bdi>
        </b>
        <p class="hint">
          {phone.online ? 'Online' : 'Offline'}
          {since !== undefined && ` since ${sinceTime(since)}`} · {phone.address}
          {classes.length > 0 && ` · ${classes.join(', ')}`}
        </p>
        {phone.trouble !== undefined && <p class="warning">{phone.trouble.detail}</p>}
        {phone.moved !== undefined && (
          <p class="hint">
            It moved from {phone.moved.from} to {phone.moved.to} {sinceTime(phone.moved.time)}.
          </p>
        )}
        {phone.changed !== undefined && (
          <p class="warning">
            <b>Is this still your phone?</b> It was at {phone.changed.from}. Now something at {phone.changed.to} uses
            its name{phone.changed.from === phone.changed.to && ' and describes itself differently'}. Nothing is sent to
            it until you say that it is yours.
          </p>
        )}
        {!phone.approved && phone.changed === undefined && (
          <p class="warning">
            Not approved: its messages stay at home. Approve it only if you know this phone is the household’s.
          </p>
        )}
      </div>
      {phone.changed !== undefined ? (
        <span class="thing-actions">
          <button type="button" class="button" disabled={task.isBusy} onClick={() => ask(true)}>
            It is mine
          </button>
          <button type="button" class="button quiet" disabled={task.isBusy} onClick={() => ask(false)}>
            It is not
          </button>
        </span>
      ) : phone.approved ? (
        <button type="button" class="button quiet" disabled={task.isBusy} onClick={() => ask(false)}>
          Revoke
        </button>
      ) : (
        <button type="button" class="button" disabled={task.isBusy} onClick={() => ask(true)}>
          Approve
        </button>
      )}
    </li>
  );
}
