// What has been heard of the devices on the LAN: pure bookkeeping, without sockets or clock. UPnP Device Architecture 2.0 §1.2, §1.3. Requirements D10–D21, D24, Z3, Z11, Z12.
import { canonicalAddress, type LocalInterface } from '../network/address.ts';
import { formatHttpUrl, type HttpUrl, parseHttpUrl, sameFamily, withZone } from '../network/http-url.ts';
import { countIn, maxAgeMs, type SsdpMessage, udnOfUsn } from './ssdp-message.ts';

export interface Advertisement {
  udn: string;
  usn: string;
  /** The type that was searched for or announced. */
  target: string;
  /** Absolute, checked to be on-link, with the zone of the interface where IPv6 needs one. */
  location: string;
  server: string | undefined;
  bootId: number | undefined;
  configId: number | undefined;
  searchPort: number | undefined;
  maxAgeMs: number;
  /** The sender's address. */
  from: string;
  interfaceName: string;
}

export interface RegistryEvents {
  onFound(advertisement: Advertisement): void;
  /** The same device at another address or port: its goodbye was missed. */
  onMoved?(advertisement: Advertisement): void;
  /** Its BOOTID rose: subscriptions are gone, the description may differ. */
  onRebooted(advertisement: Advertisement): void;
  /** Its CONFIGID changed: the description does. */
  onChanged?(advertisement: Advertisement): void;
  /** Goodbyes can be forged: confirm it with the description before a trusted phone is given up (Z12). */
  onGone(udn: string, reason: 'byebye' | 'expired'): void;
}

export interface Heard {
  message: SsdpMessage;
  from: string;
  via: LocalInterface;
}

export interface RegistryOptions {
  /** Device and service types, in any version. */
  targets: readonly string[];
  /** Devices that are our own (D24). */
  ignoreUdns: ReadonlySet<string>;
  /** Why an address may not be a device's; undefined when it may (Z4). */
  objectionTo(address: string): string | undefined;
  events: RegistryEvents;
}

interface Device {
  current: Advertisement;
  /** Every location that was heard, with the time when it lapses (D11, D15). */
  readonly locations: Map<
    string,
    { readonly url: HttpUrl; readonly advertisement: Advertisement; expiresAtMs: number }
  >;
  /** Set while we ask a silent device whether it is still there. */
  probedAtMs: number | undefined;
}

const maxDevices = 256;
const maxDevicesPerSender = 16;
const maxLocations = 8;
/** A device that forgot to announce itself in time has this long to answer a direct question (quirk 15). */
const graceMs = 5000;

export class SsdpRegistry {
  readonly #options: RegistryOptions;
  readonly #targets: ReadonlySet<string>;
  readonly #devices = new Map<string, Device>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#targets = new Set(options.targets.map(withoutVersion));
  }

  get size(): number {
    return this.#devices.size;
  }

  /** Takes in a message from a neighbour. Anything unusable is left out quietly. */
  hear(heard: Heard, nowMs: number): void {
    const { kind, headers } = heard.message;
    const nts = headers.get('NTS');
    const udn = udnOfUsn(headers.get('USN'));
    if (kind === 'search' || udn === undefined || this.#options.ignoreUdns.has(udn)) return;
    if (kind === 'answer' || nts === 'ssdp:alive') this.#alive(udn, heard, nowMs);
    else if (nts === 'ssdp:byebye') this.#byebye(udn, heard);
    else if (nts === 'ssdp:update') this.#update(udn, headers);
  }

  #alive(udn: string, heard: Heard, nowMs: number): void {
    const advertisement = this.#advertisementOf(udn, heard);
    const url = advertisement && parseHttpUrl(advertisement.location);
    if (advertisement === undefined || url === undefined) return;
    const device = this.#devices.get(keyOf(udn));
    const isWanted = this.#targets.has(withoutVersion(advertisement.target));
    if (device === undefined) {
      if (isWanted && this.#hasRoomFor(heard.from)) this.#add(advertisement, url, nowMs);
      return;
    }
    // Any advertisement keeps its device alive (D11); only one of a wanted type can stand for it.
    device.probedAtMs = undefined;
    const known = device.locations.get(advertisement.location);
    const expiresAtMs = nowMs + advertisement.maxAgeMs;
    if (known !== undefined) known.expiresAtMs = expiresAtMs;
    else if (device.locations.size < maxLocations)
      device.locations.set(advertisement.location, { url, advertisement, expiresAtMs });
    else return;
    this.#compare(device, advertisement, url, known === undefined, isWanted);
  }

  #add(advertisement: Advertisement, url: HttpUrl, nowMs: number): void {
    const { udn, location } = advertisement;
    const expiresAtMs = nowMs + advertisement.maxAgeMs;
    const locations = new Map([[location, { url, advertisement, expiresAtMs }]]);
    this.#devices.set(keyOf(udn), { current: advertisement, locations, probedAtMs: undefined });
    this.#options.events.onFound(advertisement);
  }

  /** What the news changes: a reboot, a move, another configuration, or nothing. */
  #compare(device: Device, news: Advertisement, url: HttpUrl, isNewLocation: boolean, isWanted: boolean): void {
    const { events } = this.#options;
    const { current } = device;
    const hasRebooted = isHigher(news.bootId, current.bootId);
    const hasChanged = isOther(news.configId, current.configId);
    // A second location of the same IP version means that a goodbye was missed (D14). Once both have been heard they are
    // twins, and the pick stays (quirk 9); IPv4 beside IPv6 never was a move (D15).
    const currentUrl = parseHttpUrl(current.location);
    const hasMoved = isNewLocation && currentUrl !== undefined && sameFamily(currentUrl, url);
    const { target, usn } = isWanted ? news : current;
    device.current = {
      ...(hasRebooted || hasMoved ? { ...news, target, usn } : current),
      bootId: maxOf(current.bootId, news.bootId),
      configId: news.configId ?? current.configId,
    };
    if (hasRebooted) {
      for (const location of device.locations.keys()) if (location !== news.location) device.locations.delete(location);
      events.onRebooted(device.current);
    } else if (hasMoved) events.onMoved?.(device.current);
    else if (hasChanged) events.onChanged?.(device.current);
  }

  /** A goodbye of any part is the goodbye of the whole (D20), but only from where the device is known to be. */
  #byebye(udn: string, { message, from }: Heard): void {
    const device = this.#devices.get(keyOf(udn));
    if (device === undefined) return;
    const places = [...device.locations.values()].flatMap((one) => [one.advertisement.from, one.url.address]);
    const bootId = countIn(message.headers, 'BOOTID.UPNP.ORG');
    const isStale = isHigher(device.current.bootId, bootId);
    if (isStale || !places.includes(canonicalAddress(from))) return;
    this.#devices.delete(keyOf(udn));
    this.#options.events.onGone(device.current.udn, 'byebye');
  }

  /** The device goes on under a new BOOTID without having rebooted (D17). */
  #update(udn: string, headers: ReadonlyMap<string, string>): void {
    const device = this.#devices.get(keyOf(udn));
    if (device === undefined) return;
    const bootId = maxOf(device.current.bootId, countIn(headers, 'NEXTBOOTID.UPNP.ORG'));
    device.current = { ...device.current, bootId };
  }

  /**
   * Drops what has lapsed.
   * @returns the silent devices to ask directly; those that do not answer are gone with a later call
   */
  expire(nowMs: number): Advertisement[] {
    const silent: Advertisement[] = [];
    for (const [key, device] of this.#devices) {
      for (const [location, { expiresAtMs }] of device.locations) {
        if (expiresAtMs + graceMs <= nowMs && device.locations.size > 1) device.locations.delete(location);
      }
      const [next] = device.locations.values();
      if (next !== undefined && !device.locations.has(device.current.location)) {
        device.current = next.advertisement;
        this.#options.events.onMoved?.(device.current);
      }
      if ([...device.locations.values()].some(({ expiresAtMs }) => expiresAtMs > nowMs)) continue;
      if (device.probedAtMs === undefined) {
        device.probedAtMs = nowMs;
        silent.push(device.current);
      } else if (nowMs - device.probedAtMs >= graceMs) {
        this.#devices.delete(key);
        this.#options.events.onGone(device.current.udn, 'expired');
      }
    }
    return silent;
  }

  #advertisementOf(udn: string, { message, from, via }: Heard): Advertisement | undefined {
    const { headers, kind } = message;
    const url = parseHttpUrl(withZone(headers.get('LOCATION') ?? '', via.scopeId));
    const target = headers.get(kind === 'answer' ? 'ST' : 'NT');
    if (url === undefined || target === undefined) return undefined;
    // A name is checked when it is looked up; an address now (D13).
    if (url.address !== undefined && this.#options.objectionTo(url.address) !== undefined) return undefined;
    const searchPort = countIn(headers, 'SEARCHPORT.UPNP.ORG');
    return {
      udn,
      usn: headers.get('USN') ?? '',
      target,
      location: formatHttpUrl(url),
      server: headers.get('SERVER') || undefined,
      bootId: countIn(headers, 'BOOTID.UPNP.ORG'),
      configId: countIn(headers, 'CONFIGID.UPNP.ORG'),
      searchPort: searchPort !== undefined && searchPort >= 49_152 && searchPort <= 65_535 ? searchPort : undefined,
      maxAgeMs: maxAgeMs(headers),
      from: canonicalAddress(from) ?? from,
      interfaceName: via.name,
    };
  }

  /** Who is known stays: a flood of invented devices cannot push out a real one (Z11). */
  #hasRoomFor(from: string): boolean {
    if (this.#devices.size >= maxDevices) return false;
    const sender = canonicalAddress(from);
    let count = 0;
    for (const device of this.#devices.values()) if (device.current.from === sender) count++;
    return count < maxDevicesPerSender;
  }
}

function keyOf(udn: string): string {
  return udn.toLowerCase();
}

function withoutVersion(target: string): string {
  return target.toLowerCase().replace(/:\d+(?:\.\d+)?$/, '');
}

function isHigher(news: number | undefined, known: number | undefined): boolean {
  return news !== undefined && known !== undefined && news > known;
}

function isOther(news: number | undefined, known: number | undefined): boolean {
  return news !== undefined && known !== undefined && news !== known;
}

function maxOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
