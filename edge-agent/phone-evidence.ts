// By what a phone that comes back is told from another that takes its name while it is off.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PhoneEvidence } from '../protocol/frames.ts';
import type { DeviceDescription } from './upnp/description/description.ts';
import { parseHttpUrl } from './upnp/network/http-url.ts';

/**
 * Of a phone whose description was just read from there. The digest is of what a restart leaves as it is: no ports, no
 * name that people give.
 */
export function deviceEvidenceOf(device: DeviceDescription, location: string): PhoneEvidence {
  const { udn, deviceType, manufacturer = '', modelName = '', services } = device;
  const types = services.map(({ serviceType }) => serviceType).sort();
  const url = parseHttpUrl(location);
  const address = url?.address ?? parseHttpUrl(services[0]?.controlUrl ?? '')?.address;
  const text = JSON.stringify([udn.toLowerCase(), deviceType, manufacturer, modelName, types]);
  const hardware = address === undefined ? undefined : hardwareOf(address);
  return {
    ...(address !== undefined && { address }),
    ...(url !== undefined && { host: url.host }),
    digest: createHash('sha256').update(text).digest('base64url'),
    ...(hardware !== undefined && { hardware }),
  };
}

/** Linux’s table of neighbours, IPv4: address, type, flags, hardware address, mask, interface. */
const neighbours = '/proc/net/arp';

/** The network card behind an address, where this machine can tell: it has just talked to it. */
export function hardwareOf(address: string, table = neighbours): string | undefined {
  const fromAddress = /:([0-9a-f]{1,4}):([0-9a-f]{1,2})ff:fe([0-9a-f]{2}):([0-9a-f]{1,4})$/.exec(address);
  if (fromAddress !== null) {
    // EUI-64 (RFC 4291, appendix A): the card's address with its second-lowest bit of the first octet turned.
    const [one = '', two = '', three = '', four = ''] = fromAddress.slice(1);
    const hex = one.padStart(4, '0') + two.padStart(2, '0') + three + four.padStart(4, '0');
    const octets = hex.match(/../g) ?? [];
    const first = (Number.parseInt(octets[0] ?? '0', 16) ^ 2).toString(16).padStart(2, '0');
    return [first, ...octets.slice(1)].join(':');
  }
  let lines: string[];
  try {
    lines = readFileSync(table, 'utf8').split('\n');
  } catch {
    // Not Linux, or not allowed.
    return undefined;
  }
  const card = lines.find((line) => line.startsWith(`${address} `))?.split(/\s+/)[3];
  return card === undefined || card === '00:00:00:00:00:00' ? undefined : card;
}

/** Whether an approval that was given for `approved` counts for a phone that is seen like this. */
export function isAsApproved(approved: PhoneEvidence | undefined, seen: PhoneEvidence): boolean {
  return approved === undefined || (approved.address === seen.address && approved.digest === seen.digest);
}
