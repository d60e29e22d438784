// One conversation: its parties, its thread and a composer.
import type { Conversation } from '../../../protocol/model.ts';
import { formatRoute } from '../route.ts';
import { shownParties } from '../text/parties.ts';
import { Composer } from './composer.tsx';
import { useDashboard } from './dashboard-context.ts';
import { DetailHeader } from './detail-header.tsx';
import { Icon } from './icon.tsx';
import { Avatar, PartyNames } from './party.tsx';
import { ThreadView } from './thread-view.tsx';

export function ConversationPage({ conversationKey }: { conversationKey: string }) {
  const dashboard = useDashboard();
  const { conversations, home } = dashboard;
  const thread = dashboard.thread.value;
  const messages = thread?.messages.value;
  const latest = messages?.at(-1);
  const present = thread?.key === conversationKey ? thread.presentKey.value : conversationKey;
  const named = conversations.get(present)?.parties ?? (latest && shownParties(latest));
  const parties: Conversation['parties'] = named ?? conversationKey.split('\n').map((address) => ({ address }));
  // Reply to the address as the other side last wrote it: that is the spelling that the phone knows.
  const addresses = parties.map((party) => party.address).filter((address) => address !== '');
  const spoken = parties.filter((party) => party.displayName).map((party) => party.address);
  return (
    <>
      <DetailHeader
        mark={<Avatar parties={parties} />}
        title={<PartyNames parties={parties} />}
        line={spoken.length > 0 ? <bdi>{spoken.join(', ')}</bdi> : undefined}
      />
      {thread?.key === conversationKey && <ThreadView thread={thread} />}
      {home.approvedPhones.value.length === 0 ? (
        <p class="composer-note">
          No phone of this home is approved, so nothing can be sent.{' '}
          <a href={formatRoute({ page: 'home' })}>Approve a phone</a>
        </p>
      ) : addresses.length === 0 ? (
        <p class="composer-note">
          <Icon name="alert" /> The sender is not known, so there is no address to answer to.
        </p>
      ) : (
        <Composer
          draftKey={conversationKey}
          recipients={addresses.length}
          suggested={{ messageClass: latest?.messageClass, phone: latest?.phone, subject: latest?.subject }}
          onSend={(written) => dashboard.send(addresses, written, conversationKey)}
        />
      )}
    </>
  );
}
