// The hops of a message: stored in its record, and capped.
import type { StoredHop } from '../message-store.ts';

/** A send that is retried for days would grow without end: the first and the latest hops are kept. */
const firstHops = 8;
const mostHops = 32;

export function appendHops(
  before: readonly StoredHop[] | undefined,
  more: readonly StoredHop[] | undefined,
): { hops?: readonly StoredHop[] } {
  const hops = [...(before ?? []), ...(more ?? [])];
  if (hops.length === 0) return {};
  return { hops: hops.length <= mostHops ? hops : [...hops.slice(0, firstHops), ...hops.slice(firstHops - mostHops)] };
}
