// Addresses and names of people as they are stored: on one line, also where an agent of an earlier version sent more.
import type { Party } from '../../../protocol/phone-model.ts';
import { firstControl, oneLine } from '../../../protocol/text.ts';

/** A line break in an address would make two people of it, and a header of its own in a mail that answers it. */
export function onOneLine(party: Party): Party {
  const { address, displayName } = party;
  if (firstControl(address) === undefined && firstControl(displayName ?? '') === undefined) return party;
  return {
    ...party,
    address: oneLine(address),
    ...(displayName !== undefined && { displayName: oneLine(displayName) }),
  };
}
