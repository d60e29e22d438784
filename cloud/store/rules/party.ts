// Puts stored addresses and names on one line; agents of earlier versions did not.
import type { Party } from '../../../protocol/phone-model.ts';
import { firstControl, oneLine } from '../../../protocol/text.ts';

/** A line break in an address would make two people of one, and inject a header into a mail that answers it. */
export function onOneLine(party: Party): Party {
  const { address, displayName } = party;
  if (firstControl(address) === undefined && firstControl(displayName ?? '') === undefined) return party;
  return {
    ...party,
    address: oneLine(address),
    ...(displayName !== undefined && { displayName: oneLine(displayName) }),
  };
}
