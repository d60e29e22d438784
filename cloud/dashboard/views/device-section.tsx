// Signed-in devices, and sign-out of this one, another one, or all others.
import { useEffect } from 'preact/hooks';
import type { Device } from '../state/devices.ts';
import { sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { SecondThought } from './second-thought.tsx';
import { useTask } from './task.ts';

export function DeviceSection() {
  const { account, devices, notices } = useDashboard();
  const task = useTask();
  useEffect(() => {
    devices.refresh().catch((fault: unknown) => notices.fault('The signed-in devices cannot be shown', fault));
  }, [devices, notices]);
  const others = devices.items.value?.filter(({ current }) => !current) ?? [];
  return (
    <section class="card">
      <h2>Signed-in devices</h2>
      <p class="hint">Each of these devices can read your messages. Sign out any that you do not know.</p>
      <p>You are signed in on this device.</p>
      <ul class="things">
        {others.map((device) => (
          <DeviceLine key={device.id} device={device} />
        ))}
      </ul>
      <span class="thing-actions">
        <button
          type="button"
          class="button quiet"
          disabled={task.isBusy}
          onClick={() => task.run('Signing out did not work', () => account.signOut())}
        >
          Sign out
        </button>
        {others.length > 0 && (
          <SecondThought
            words="End all other sessions"
            isBusy={task.isBusy}
            onSure={() => task.run('The others were not signed out', () => devices.signOutOthers())}
          />
        )}
      </span>
    </section>
  );
}

function DeviceLine({ device }: { device: Device }) {
  const { devices } = useDashboard();
  const task = useTask();
  return (
    <li class="thing">
      <div>
        <b>
          <bdi>{device.device}</bdi>
        </b>
        <p class="hint">
          Signed in {sinceTime(device.createdAt)} · last used {sinceTime(device.lastUsedAt)}
        </p>
      </div>
      <SecondThought
        words="End session"
        isBusy={task.isBusy}
        onSure={() => task.run('It was not signed out', () => devices.signOut(device))}
      />
    </li>
  );
}
