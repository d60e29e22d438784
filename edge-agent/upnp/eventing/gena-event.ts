// The content and the SEQ of an event: UPnP Device Architecture 2.0 §4.3. Requirements E12–E18, quirks 45, 46.

import { argumentValue } from '../control/soap-envelope.ts';
import { UpnpError } from '../error.ts';
import { parseXml } from '../xml/xml.ts';

/** The state variables of a property set; the last of duplicates counts. Empty when unreadable: an event is only a hint (E19). */
export function readPropertySet(body: Uint8Array, charset: string | undefined): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  try {
    const root = parseXml(body, { lenient: true, maxChars: maxEventChars, ...(charset !== undefined && { charset }) });
    for (const property of root.children) {
      if (property.name !== 'property') continue;
      for (const variable of property.children) variables.set(variable.name, argumentValue(variable));
    }
  } catch (error) {
    if (!(error instanceof UpnpError)) throw error;
  }
  return variables;
}

export const maxEventChars = 512 * 1024;
const maxSeq = 4_294_967_295;

/** A SEQ header as a number; undefined when missing or invalid. Leading zeros are ignored. */
export function parseSeq(header: string | undefined): number | undefined {
  if (header === undefined || !/^\s*\d{1,20}\s*$/.test(header)) return undefined;
  const seq = Number(header);
  return seq <= maxSeq ? seq : undefined;
}

export type SeqOrder = 'next' | 'duplicate' | 'gap';

/**
 * Compares SEQ with the last one taken. An event without SEQ counts as next (E15); 0 means that the publisher restarted
 * its count (E14); 4294967295 wraps to 1 (E12).
 */
export function seqOrderOf(seq: number | undefined, last: number | undefined): SeqOrder {
  if (seq === undefined || last === undefined || seq === 0) return 'next';
  // Numbers after 0 wrap within 1 … 4294967295; a distance below half of that is ahead.
  const ahead = last === 0 ? seq : (seq - last + maxSeq) % maxSeq;
  if (ahead === 1) return 'next';
  return ahead === 0 || ahead > maxSeq / 2 ? 'duplicate' : 'gap';
}
