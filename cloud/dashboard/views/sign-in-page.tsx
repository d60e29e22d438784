// Sign-in by the link that the cloud prints when it starts, or by an owner token.
import { useState } from 'preact/hooks';
import { useDashboard } from './dashboard-context.ts';

const headings = {
  spent: 'This sign-in link no longer works',
  refused: 'This token was not accepted',
  ended: 'You were signed out',
} as const;

const reasons = {
  spent: 'A link opens the dashboard once, within 15 minutes of being made. This one was used already, or is too old.',
  refused: 'It may be mistyped, revoked, or not the owner’s. An owner token begins with hl_.',
  ended: 'The time of this sign-in is over, or it was revoked.',
} as const;

export function SignInPage() {
  const { account } = useDashboard();
  const state = account.state.value;
  if (state.kind === 'checking' || state.kind === 'signed-in') return <p class="opening">Opening…</p>;
  if (state.kind === 'unreachable') {
    return (
      <Page heading="The cloud does not answer">
        <p>{state.detail}</p>
        <button type="button" class="button" onClick={() => void account.retry()}>
          Try again
        </button>
      </Page>
    );
  }
  return (
    <Page heading={state.why ? headings[state.why] : 'Your household’s messages, wherever you are'}>
      {state.why && <p role="alert">{reasons[state.why]}</p>}
      <section>
        <h2>Sign in with a link</h2>
        <p>
          Homeline prints a fresh link each time it starts. On the machine it runs on, start it again and open the link:
        </p>
        <pre>npm start</pre>
        <p>or, where only the cloud runs,</p>
        <pre>npm run cloud</pre>
      </section>
      <TokenForm />
    </Page>
  );
}

function TokenForm() {
  const { account } = useDashboard();
  const [token, setToken] = useState('');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== '') void account.signInWithToken(token.trim());
      }}
    >
      <h2>
        <label for="owner-token">Or paste the owner token</label>
      </h2>
      <div class="field-row">
        <input
          id="owner-token"
          class="field"
          type="password"
          autocomplete="current-password"
          placeholder="hl_…"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <button type="submit" class="button" disabled={token.trim() === ''}>
          Sign in
        </button>
      </div>
      <p class="hint">It was shown when the cloud started for the very first time.</p>
    </form>
  );
}

function Page({ heading, children }: { heading: string; children: preact.ComponentChildren }) {
  return (
    <main class="sign-in">
      <img src="/favicon.svg" alt="" width="56" height="56" />
      <p class="brand">Homeline</p>
      <h1>{heading}</h1>
      {children}
    </main>
  );
}
