// The way of a message: kept with its record, and bounded.
import type { StoredHop } from '../message-store.ts';

/** A send that is tried for days would grow without end: its first and its latest hops are kept. */
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
