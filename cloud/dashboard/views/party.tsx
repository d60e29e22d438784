// Names of people, isolated from the surrounding text direction, and their avatars.
import { partyName } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { Icon } from './icon.tsx';

interface Named {
  address: string;
  displayName?: string | undefined;
}

export function PartyName({ party }: { party: Named }) {
  return <bdi title={withoutControls(party.address)}>{partyName(party)}</bdi>;
}

export function PartyNames({ parties }: { parties: readonly Named[] }) {
  if (parties.length === 0) return <>Nobody</>;
  return parties.map((party, index) => (
    <span key={party.address}>
      {index > 0 && ', '}
      <PartyName party={party} />
    </span>
  ));
}

const hues = 8;

export function Avatar({ parties }: { parties: readonly Named[] }) {
  const [first] = parties;
  const name = withoutControls(first?.displayName ?? '');
  const hue =
    [...(first?.address ?? '')].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973, 7) % hues;
  const initial = /^\p{L}/u.exec(name)?.[0];
  return (
    <span class={`avatar hue-${hue}`} aria-hidden="true">
      {parties.length > 1 ? <Icon name="sessions" /> : (initial?.toLocaleUpperCase() ?? <Icon name="messages" />)}
    </span>
  );
}
