// A new conversation: recipients and the first message.
import { useState } from 'preact/hooks';
import { formatRoute } from '../route.ts';
import { plainKey, splitAddresses } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { Composer } from './composer.tsx';
import { useDashboard } from './dashboard-context.ts';
import { DetailHeader } from './detail-header.tsx';

export function ComposePage() {
  const dashboard = useDashboard();
  const { conversations, home, router } = dashboard;
  const [typed, setTyped] = useState('');
  const to = splitAddresses(typed);
  const known = (conversations.items.value ?? []).flatMap((item) => (item.session === null ? item.parties : []));
  if (home.approvedPhones.value.length === 0) {
    return (
      <>
        <DetailHeader title="New message" />
        <p class="composer-note">
          No phone of this home is approved, so nothing can be sent.{' '}
          <a href={formatRoute({ page: 'home' })}>Approve a phone</a>
        </p>
      </>
    );
  }
  return (
    <>
      <DetailHeader title="New message" />
      <div class="compose-to">
        <label for="compose-to">To</label>
        <input
          id="compose-to"
          class="field"
          list="known-addresses"
          autocomplete="off"
          placeholder="Number or address; several with commas"
          value={typed}
          ref={(input) => {
            if (input !== null && typed === '' && document.activeElement === document.body) input.focus();
          }}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <datalist id="known-addresses">
          {known.map((party) => (
            <option key={party.address} value={party.address}>
              {withoutControls(party.displayName ?? '')}
            </option>
          ))}
        </datalist>
      </div>
      <div class="compose-space" />
      <Composer
        draftKey="compose"
        takesFocus={false}
        recipients={to.length}
        obstacle={to.length === 0 ? 'Say first to whom it goes.' : undefined}
        suggested={to.some((address) => /^[^\s:]+@[^\s]+$/u.test(address)) ? { messageClass: 'e-Mail' } : {}}
        onSend={(written) => {
          dashboard.send(to, written);
          router.replace({ page: 'messages', conversation: plainKey(to) });
        }}
      />
    </>
  );
}
