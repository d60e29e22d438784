// The description of a service (SCPD): UPnP Device Architecture 2.0 §2.5. Requirements S8–S12.

import { UpnpError } from '../error.ts';
import type { Network } from '../network/network.ts';
import { childOf, textOf, type XmlNode } from '../xml/xml.ts';
import { type FetchOptions, fetchDocument } from './document.ts';

export interface ScpdAction {
  name: string;
  in: string[];
  out: string[];
}

export interface ScpdVariable {
  name: string;
  /** Lower case. */
  dataType: string;
  evented: boolean;
  /** A hint only: devices send values outside the list, and publish wrong lists (S12). */
  allowed: string[];
}

export interface Scpd {
  actions: ScpdAction[];
  stateVariables: ScpdVariable[];
}

/**
 * Fetches the description of a service. Undefined when it is empty, broken or missing: many such devices work, so the
 * caller falls back to its own table of actions (S8).
 * @throws UpnpError unreachable
 */
export async function readScpd(network: Network, url: string, options: FetchOptions = {}): Promise<Scpd | undefined> {
  try {
    return scpdIn((await fetchDocument(network, url, 'scpd', options)).root);
  } catch (error) {
    if (error instanceof UpnpError && error.kind !== 'unreachable') return undefined;
    throw error;
  }
}

/** Skips entries without a name; never throws. */
export function scpdIn(root: XmlNode): Scpd {
  return {
    actions: entriesOf(root, 'actionList', 'action').map(([name, action]) => {
      const args = entriesOf(action, 'argumentList', 'argument');
      const named = (out: boolean) =>
        args.filter(([, argument]) => isOut(argument) === out).map(([argument]) => argument);
      return { name, in: named(false), out: named(true) };
    }),
    stateVariables: entriesOf(root, 'serviceStateTable', 'stateVariable').map(([name, variable]) => ({
      name,
      dataType: textOf(variable, 'dataType')?.toLowerCase() ?? 'string',
      evented: isEvented(variable),
      allowed: (childOf(variable, 'allowedValueList')?.children ?? []).map((value) => value.text.trim()),
    })),
  };
}

function entriesOf(parent: XmlNode, list: string, entry: string): [string, XmlNode][] {
  const found: [string, XmlNode][] = [];
  for (const node of childOf(parent, list)?.children ?? []) {
    const name = textOf(node, 'name');
    if (node.name === entry && name !== undefined) found.push([name, node]);
  }
  return found;
}

/** A missing or unknown direction (INOUT) counts as in (S11). */
function isOut(argument: XmlNode): boolean {
  return textOf(argument, 'direction')?.toLowerCase() === 'out';
}

/** An attribute, or on old devices an element (S10). */
function isEvented(variable: XmlNode): boolean {
  const written = variable.attributes.get('sendEvents') ?? textOf(variable, 'sendEventsAttribute') ?? 'no';
  return ['yes', 'true', '1'].includes(written.trim().toLowerCase());
}
