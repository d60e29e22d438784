// The whole page: the sign-in page, or the household's messages.
import type { JSX } from 'preact';
import { explain } from '../api.ts';
import type { Route } from '../route.ts';
import { ComposePage } from './compose-page.tsx';
import { ConversationList } from './conversation-list.tsx';
import { ConversationPage } from './conversation-page.tsx';
import { useDashboard } from './dashboard-context.ts';
import { HomePage } from './home-page.tsx';
import { KeysDialog } from './keys-dialog.tsx';
import { NewSessionPage } from './new-session-page.tsx';
import { NoticeList } from './notice-list.tsx';
import { Rail } from './rail.tsx';
import { SessionList } from './session-list.tsx';
import { SessionPage } from './session-page.tsx';
import { SignInPage } from './sign-in-page.tsx';
import { StatusBar } from './status-bar.tsx';
import { TraceDialog } from './trace-dialog.tsx';
import { NoSessionOpen, NothingOpen } from './welcome.tsx';

export function App() {
  const { account, home, loadFault } = useDashboard();
  const isReady = account.state.value.kind === 'signed-in';
  return (
    <>
      {isReady ? home.current.value ? <Panes /> : <Opening fault={loadFault.value} /> : <SignInPage />}
      <NoticeList />
      <KeysDialog />
      <TraceDialog />
    </>
  );
}

function Panes() {
  const { router } = useDashboard();
  const { list, detail, shows } = panesOf(router.current.value);
  return (
    <div class="app" data-shows={shows}>
      <Rail />
      <StatusBar />
      {list}
      <main class="detail" id="detail">
        {detail}
      </main>
    </div>
  );
}

/** `shows`: the pane to show on a screen with room for one. */
function panesOf(route: Route): { list?: JSX.Element; detail: JSX.Element; shows: 'list' | 'detail' | 'page' } {
  switch (route.page) {
    case 'messages':
      return route.conversation === undefined
        ? { list: <ConversationList />, detail: <NothingOpen />, shows: 'list' }
        : {
            list: <ConversationList />,
            detail: <ConversationPage key={route.conversation} conversationKey={route.conversation} />,
            shows: 'detail',
          };
    case 'compose':
      return { list: <ConversationList />, detail: <ComposePage />, shows: 'detail' };
    case 'sessions':
      return route.session === undefined
        ? { list: <SessionList />, detail: <NoSessionOpen />, shows: 'list' }
        : { list: <SessionList />, detail: <SessionPage key={route.session} id={route.session} />, shows: 'detail' };
    case 'new-session':
      return { list: <SessionList />, detail: <NewSessionPage />, shows: 'detail' };
    case 'home':
      return { detail: <HomePage />, shows: 'page' };
  }
}

function Opening({ fault }: { fault: unknown }) {
  if (fault === undefined) return <p class="opening">Opening…</p>;
  return (
    <main class="sign-in">
      <h1>This home cannot be shown</h1>
      <p>{explain(fault)}</p>
      <button type="button" class="button" onClick={() => location.reload()}>
        Try again
      </button>
    </main>
  );
}
