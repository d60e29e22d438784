// The conversations, newest first, with search.
import type { Conversation, Message } from '../../../protocol/model.ts';
import { formatRoute } from '../route.ts';
import { conversationKeyOf, isOwn, shownParties } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { briefTime, fullTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';
import { Avatar, PartyNames } from './party.tsx';
import { useTask } from './task.ts';
import { FirstSteps } from './welcome.tsx';

export function ConversationList() {
  const { conversations, notices, router } = useDashboard();
  const route = router.current.value;
  const open = route.page === 'messages' ? route.conversation : undefined;
  const query = conversations.query.value;
  const visible = conversations.visible.value;
  return (
    <section class="list" aria-label="Conversations">
      <header class="list-header">
        <h1>Messages</h1>
        <a class="icon-button" href={formatRoute({ page: 'compose' })} aria-label="New message" title="New message (c)">
          <Icon name="compose" />
        </a>
      </header>
      <label class="search">
        <Icon name="search" />
        <span class="unseen">Search messages</span>
        <input
          type="search"
          placeholder="Search"
          value={query}
          onInput={(event) =>
            conversations.search(event.currentTarget.value, (fault) => notices.fault('The search did not work', fault))
          }
        />
      </label>
      <div class="list-body">
        {conversations.items.value === undefined ? (
          <p class="hint list-note">Loading…</p>
        ) : query.trim() !== '' ? (
          <SearchResults visible={visible} open={open} />
        ) : visible.length === 0 ? (
          <>
            <p class="hint list-note wide-only">No messages yet.</p>
            <div class="narrow-only">
              <FirstSteps />
            </div>
          </>
        ) : (
          <Rows conversations={visible} open={open} />
        )}
        <MoreButton />
      </div>
    </section>
  );
}

function SearchResults({ visible, open }: { visible: readonly Conversation[]; open: string | undefined }) {
  const { conversations } = useDashboard();
  const found = conversations.found.value;
  if (visible.length === 0 && found.length === 0) {
    return <p class="hint list-note">Nothing holds “{conversations.query.value.trim()}”.</p>;
  }
  return (
    <>
      <Rows conversations={visible} open={open} />
      {found.length > 0 && (
        <>
          <h2 class="list-heading">Messages</h2>
          <ul class="rows">
            {found.map((message) => (
              <FoundRow key={message.id} message={message} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Rows({ conversations, open }: { conversations: readonly Conversation[]; open: string | undefined }) {
  const { thread } = useDashboard();
  return (
    <ul class="rows">
      {conversations.map((conversation) => (
        <Row
          key={conversation.key}
          conversation={conversation}
          isOpen={conversation.key === open || (open !== undefined && thread.value?.isOf(conversation.key) === true)}
        />
      ))}
    </ul>
  );
}

function Row({ conversation, isOpen }: { conversation: Conversation; isOpen: boolean }) {
  const { sessions } = useDashboard();
  const { last, parties, session, unread } = conversation;
  const subject = session === null ? undefined : sessions.get(session)?.subject;
  const href =
    session === null
      ? formatRoute({ page: 'messages', conversation: conversation.key })
      : formatRoute({ page: 'sessions', session });
  return (
    <li>
      <a class="row" href={href} aria-current={isOpen ? 'page' : undefined} data-unread={unread > 0}>
        <Avatar parties={parties} />
        <span class="row-name">
          {subject ? <bdi>{withoutControls(subject)}</bdi> : <PartyNames parties={parties} />}
        </span>
        <time class="row-time" dateTime={last.time} title={fullTime(last.time)}>
          {briefTime(last.time)}
        </time>
        <span class="row-line">
          <LastLine message={last} />
        </span>
        {unread > 0 && (
          <span class="row-badge">
            <b class="count">{unread > 99 ? '99+' : unread}</b>
            <span class="unseen"> unread</span>
          </span>
        )}
      </a>
    </li>
  );
}

function LastLine({ message }: { message: Message }) {
  const text = preview(message.subject ?? message.body ?? '');
  return (
    <>
      {message.state === 'failed' && <b class="row-fault">Not sent: </b>}
      {message.state === 'unknown' && <b class="row-fault">Not certain: </b>}
      {(message.state === 'queued' || message.state === 'sending') && <i>Waiting: </i>}
      {message.state === 'sent' && 'You: '}
      <bdi>{text || withoutControls(message.attachments[0]?.name ?? '') || 'No text'}</bdi>
    </>
  );
}

/** A row shows one line: laying out 256 K characters takes the browser seconds. */
const previewChars = 300;

function preview(text: string): string {
  return withoutControls(text.slice(0, previewChars));
}

function FoundRow({ message }: { message: Message }) {
  const key = conversationKeyOf(message);
  const href =
    message.sessionId === null
      ? formatRoute({ page: 'messages', conversation: key, message: message.id })
      : formatRoute({ page: 'sessions', session: message.sessionId });
  return (
    <li>
      <a class="row" href={href}>
        <Avatar parties={shownParties(message)} />
        <span class="row-name">
          <PartyNames parties={shownParties(message)} />
        </span>
        <time class="row-time" dateTime={message.time} title={fullTime(message.time)}>
          {briefTime(message.time)}
        </time>
        <span class="row-line">
          {isOwn(message) && 'You: '}
          <bdi>{preview(message.body ?? message.subject ?? '')}</bdi>
        </span>
      </a>
    </li>
  );
}

function MoreButton() {
  const { conversations } = useDashboard();
  const task = useTask();
  if (conversations.next.value === null || conversations.query.value.trim() !== '') return null;
  return (
    <button
      type="button"
      class="button quiet more"
      disabled={task.isBusy}
      onClick={() => task.run('The older conversations did not come', () => conversations.loadMore())}
    >
      Older conversations
    </button>
  );
}
