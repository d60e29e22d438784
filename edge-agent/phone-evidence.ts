// The evidence that tells a returning phone from an impostor that uses its UDN while it is off.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PhoneEvidence } from '../protocol/frames.ts';
import type { DeviceDescription } from './upnp/description/description.ts';
import { parseHttpUrl } from './upnp/network/http-url.ts';

/**
 * The evidence of a phone whose description was just fetched from the location. The digest covers what survives a
 * restart: no ports and no user-given names.
 */
export function deviceEvidenceOf(device: DeviceDescription, location: string): PhoneEvidence {
  const { udn, deviceType, manufacturer = '', modelName = '', services } = device;
  const types = services.map(({ serviceType }) => serviceType).sort();
  const url = parseHttpUrl(location);
  const address = url?.address ?? parseHttpUrl(services[0]?.controlUrl ?? '')?.address;
  const text = JSON.stringify([udn.toLowerCase(), deviceType, manufacturer, modelName, types]);
  const hardware = address === undefined ? undefined : macAddressOf(address);
  return {
    ...(address !== undefined && { address }),
    ...(url !== undefined && { host: url.host }),
    digest: createHash('sha256').update(text).digest('base64url'),
    ...(hardware !== undefined && { hardware }),
  };
}

/** Linux’s ARP table, IPv4: address, type, flags, hardware address, mask, interface. */
const neighbours = '/proc/net/arp';

/** The MAC address behind an IP address, if this machine knows it: they have just communicated. */
export function macAddressOf(address: string, table = neighbours): string | undefined {
  const fromAddress = /:([0-9a-f]{1,4}):([0-9a-f]{1,2})ff:fe([0-9a-f]{2}):([0-9a-f]{1,4})$/.exec(address);
  if (fromAddress !== null) {
    // EUI-64 (RFC 4291, appendix A): the MAC address with the second-lowest bit of its first octet inverted.
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
    // Not Linux, or no permission.
    return undefined;
  }
  const card = lines.find((line) => line.startsWith(`${address} `))?.split(/\s+/)[3];
  return card === undefined || card === '00:00:00:00:00:00' ? undefined : card;
}

/** Whether an approval given for `approved` covers a phone with the evidence `seen`. */
export function isAsApproved(approved: PhoneEvidence | undefined, seen: PhoneEvidence): boolean {
  return approved === undefined || (approved.address === seen.address && approved.digest === seen.digest);
}
