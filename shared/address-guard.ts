// Where this program may connect to when somebody else names the address: a device's LOCATION, a household's webhook.
// A name is looked up once and the address that passed is dialled, so that a second answer of the DNS cannot lead
// elsewhere; each redirect passes the guard like the first address.
import { addressKind, canonicalAddress } from './ip-address.ts';

/** Why a canonical address must not be dialled, as the end of a sentence; undefined when it may be. */
export type AddressRule = (canonical: string) => string | undefined;

export type GuardedAddress = { readonly address: string } | { readonly objection: string };

/** The first of a host's addresses to which the rule does not object, in canonical form. */
export function guardedAddress(candidates: readonly string[], rule: AddressRule): GuardedAddress {
  let objection = 'leads to no address';
  for (const candidate of candidates) {
    const address = canonicalAddress(candidate);
    const found = address === undefined ? 'is no IP address' : rule(address);
    if (address !== undefined && found === undefined) return { address };
    objection = found ?? objection;
  }
  return { objection };
}

/** For a cloud: nothing of its own machine, of its own network, or of its provider's metadata service. */
export function publicOnly(canonical: string): string | undefined {
  const kind = addressKind(canonical);
  return kind === 'public' ? undefined : `is ${kind}, not a public address`;
}
