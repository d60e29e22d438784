// What a device says about itself: UPnP Device Architecture 2.0 §2.3. Requirements S1–S7, S13–S16, Z5, Z16.

import { canonicalAddress } from '../../../shared/ip-address.ts';
import { UpnpError } from '../error.ts';
import { formatHttpUrl, type HttpUrl, parseHttpUrl, resolveHttpUrl } from '../network/http-url.ts';
import type { Network } from '../network/network.ts';
import { childOf, textOf, type XmlNode } from '../xml/xml.ts';
import { type FetchOptions, fetchDocument } from './document.ts';

export { readScpd, type Scpd } from './scpd.ts';

export interface ServiceDescription {
  /** As the device wrote it; SOAP calls must repeat it exactly (S14). */
  serviceType: string;
  /** The type's own name, such as `Messaging`. */
  name: string;
  version: number;
  /** For display only: devices write anything here. */
  serviceId: string;
  controlUrl: string;
  eventSubUrl: string | undefined;
  scpdUrl: string | undefined;
}

export interface DeviceDescription {
  /** Opaque, and not always the one in SSDP (S15); empty where the device gives none. */
  udn: string;
  deviceType: string;
  friendlyName: string;
  manufacturer: string | undefined;
  modelName: string | undefined;
  presentationUrl: string | undefined;
  services: ServiceDescription[];
  /** Embedded devices. */
  devices: DeviceDescription[];
}

const maxDevices = 64;
const maxServicesPerDevice = 64;
const maxNameChars = 256;
const maxTypeChars = 512;

/**
 * Fetches the description of a device and of the devices embedded in it. URLs in the result are absolute; those without
 * an IP address of their own point to the address that sent the description.
 * @param location the LOCATION of its advertisement
 * @throws UpnpError unreachable, refused, malformed
 */
export async function readDescription(
  network: Network,
  location: string,
  options: FetchOptions = {},
): Promise<DeviceDescription> {
  const document = await fetchDocument(network, location, 'root', options);
  const fetched = parseHttpUrl(document.url);
  const device = childOf(document.root, 'device');
  if (fetched === undefined || device === undefined)
    throw new UpnpError('malformed', 'The description holds no device');
  const reading = {
    links: new Links(fetched, textOf(document.root, 'URLBase'), document.remoteAddress),
    budget: maxDevices,
  };
  return deviceIn(device, reading);
}

/** The device and all embedded devices, parents before children. */
export function* walkDevices(root: DeviceDescription): Iterable<DeviceDescription> {
  yield root;
  for (const device of root.devices) yield* walkDevices(device);
}

interface ReadState {
  readonly links: Links;
  budget: number;
}

/** The XML reader bounds the depth, the budget bounds the number of devices (S7). */
function deviceIn(node: XmlNode, reading: ReadState): DeviceDescription {
  reading.budget--;
  const { links } = reading;
  const udn = textOf(node, 'UDN')?.replace(/^uuid:/i, 'uuid:') ?? '';
  const services: ServiceDescription[] = [];
  for (const service of (childOf(node, 'serviceList')?.children ?? []).slice(0, maxServicesPerDevice)) {
    const found = serviceIn(service, links);
    if (found !== undefined) services.push(found);
  }
  const devices: DeviceDescription[] = [];
  for (const device of childOf(node, 'deviceList')?.children ?? []) {
    if (device.name === 'device' && reading.budget > 0) devices.push(deviceIn(device, reading));
  }
  return {
    udn,
    deviceType: textOf(node, 'deviceType') ?? '',
    friendlyName: nameIn(node, 'friendlyName') ?? nameIn(node, 'modelName') ?? udn,
    manufacturer: nameIn(node, 'manufacturer'),
    modelName: nameIn(node, 'modelName'),
    presentationUrl: links.follow(textOf(node, 'presentationURL')),
    services,
    devices,
  };
}

/** Undefined for a service that cannot be called: one bad entry must not hide the device's other services (S16). */
function serviceIn(node: XmlNode, links: Links): ServiceDescription | undefined {
  const serviceType = textOf(node, 'serviceType');
  const controlUrl = links.follow(textOf(node, 'controlURL'));
  const type = parseType(serviceType ?? '');
  if (serviceType === undefined || controlUrl === undefined || type === undefined) return undefined;
  return {
    serviceType,
    ...type,
    serviceId: textOf(node, 'serviceId') ?? '',
    controlUrl,
    eventSubUrl: links.follow(textOf(node, 'eventSubURL')),
    scpdUrl: links.follow(textOf(node, 'SCPDURL')),
  };
}

/** Name and version of a device or service type; accepts blanks, `1.0` and `serviceId` for `service` (S13, quirk 23). */
export function parseType(type: string): { name: string; version: number } | undefined {
  // The expression below is quadratic in the length of a run of blanks.
  if (type.length > maxTypeChars) return undefined;
  const match = /^\s*urn:\s*[^:]+:\s*(?:service|serviceId|device):\s*(.+?)\s*:\s*(\d{1,6})(?:\.\d+)?\s*$/i.exec(type);
  return match === null ? undefined : { name: match[1] ?? '', version: Number(match[2]) };
}

/** A display name on one line, without terminal control or bidirectional override characters (Z16). */
function nameIn(node: XmlNode, element: string): string | undefined {
  const name = textOf(node, element)
    ?.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069\s]+/gu, ' ')
    .trim();
  return name?.slice(0, maxNameChars) || undefined;
}

/** The links of one description: resolved by name, dialled by address (S3, S4, Z2, Z5). */
class Links {
  readonly #base: HttpUrl;
  readonly #address: string | undefined;

  constructor(fetched: HttpUrl, urlBase: string | undefined, remoteAddress: string) {
    const stated = urlBase === undefined ? undefined : resolveHttpUrl(urlBase, fetched);
    // Known bug: URLBase names another port than the one that works.
    this.#base = stated?.port === fetched.port ? stated : fetched;
    this.#address = canonicalAddress(remoteAddress);
  }

  follow(reference: string | undefined): string | undefined {
    const url = reference === undefined ? undefined : resolveHttpUrl(reference, this.#base);
    return url && formatHttpUrl({ ...url, host: url.address ?? this.#address ?? url.host });
  }
}
