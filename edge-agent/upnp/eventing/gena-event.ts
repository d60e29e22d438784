// An event's content and its place in the order: UPnP Device Architecture 2.0 §4.3. Requirements E12–E18, quirks 45, 46.

import { argumentValue } from '../control/soap-envelope.ts';
import { UpnpError } from '../error.ts';
import { parseXml } from '../xml/xml.ts';

/** The state variables in a property set; where one comes twice the last counts. Empty when it cannot be read: an event is only a hint (E19). */
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

/** A SEQ header as a number; undefined when it is missing or none. Leading zeros mean nothing. */
export function parseSeq(header: string | undefined): number | undefined {
  if (header === undefined || !/^\s*\d{1,20}\s*$/.test(header)) return undefined;
  const seq = Number(header);
  return seq <= maxSeq ? seq : undefined;
}

export type Place = 'next' | 'duplicate' | 'gap';

/**
 * Where an event stands after the last one that was taken. Without a number it is taken as it comes (E15); 0 means that
 * the publisher began anew (E14); after 4294967295 comes 1 (E12).
 */
export function seqPlaceOf(seq: number | undefined, last: number | undefined): Place {
  if (seq === undefined || last === undefined || seq === 0) return 'next';
  // The numbers after the first run in a circle of 1 … 4294967295; less than half of it ahead is ahead.
  const ahead = last === 0 ? seq : (seq - last + maxSeq) % maxSeq;
  if (ahead === 1) return 'next';
  return ahead === 0 || ahead > maxSeq / 2 ? 'duplicate' : 'gap';
}
