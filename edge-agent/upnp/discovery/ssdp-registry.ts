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
  /** Not known until now, or back after a goodbye. */
  onFound(advertisement: Advertisement): void;
  /** Any other advertisement of a device that is known: `alive` says that it may have restarted, `answer` that it is there. */
  onHeard?(advertisement: Advertisement, kind: 'alive' | 'answer'): void;
  /** The same device at another address or port: its goodbye was missed. */
  onMoved?(advertisement: Advertisement): void;
  /** It has another BOOTID. Anybody can write one: a reason to ask the device, not to drop anything. */
  onRebooted(advertisement: Advertisement): void;
  /** Its CONFIGID changed: the description does. */
  onChanged?(advertisement: Advertisement): void;
  /** Goodbyes can be forged: confirm it with the description before a trusted phone is given up (Z12). */
  onGone(udn: string, reason: 'byebye' | 'expired' | 'evicted'): void;
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
  /** Devices for which room is kept, and which are taken by any of their announcements (Z11). */
  isKnown?: ((udn: string) => boolean) | undefined;
  events: RegistryEvents;
}

interface Device {
  current: Advertisement;
  /** Whoever spoke for it first. */
  readonly sender: string;
  /** Every location that was heard, with the time when it lapses (D11, D15). */
  readonly locations: Map<string, { readonly url: HttpUrl; advertisement: Advertisement; expiresAtMs: number }>;
  /** Set while we ask a silent device whether it is still there. */
  probedAtMs: number | undefined;
  /** It said goodbye. Its locations, BOOTID and CONFIGID are kept: most devices say goodbye when they start again. */
  hasLeft: boolean;
  /** When a location last had to make room for another. */
  droppedAtMs: number;
}

const maxDevices = 256;
const maxDevicesPerSender = 16;
const maxLocations = 8;
/** One more claim each second: a device that moves repeats itself, and so do the answers to our searches. */
const dropLocationMs = 1000;
/** Evictions at once, and how many more each second: a flood of names is not passed on as a flood of descriptions to fetch. */
const evictionBurst = 512;
const evictionsPerSecond = 50;
/** A device that forgot to announce itself in time has this long to answer a direct question (quirk 15). */
const graceMs = 5000;

export class SsdpRegistry {
  readonly #options: RegistryOptions;
  readonly #targets: ReadonlySet<string>;
  readonly #devices = new Map<string, Device>();
  /** How many devices each sender has spoken for. */
  readonly #senders = new Map<string, number>();
  #evictions = evictionBurst;
  #evictionsAtMs = 0;

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
    else if (nts === 'ssdp:update') this.#update(udn, heard);
  }

  #alive(udn: string, heard: Heard, nowMs: number): void {
    const advertisement = this.#advertisementOf(udn, heard);
    const url = advertisement && parseHttpUrl(advertisement.location);
    if (advertisement === undefined || url === undefined) return;
    const device = this.#devices.get(keyOf(udn));
    const isWanted = this.#targets.has(withoutVersion(advertisement.target));
    if (device === undefined) {
      const isKnown = this.#isKnown(udn);
      if ((isWanted || isKnown) && (isKnown || this.#makeRoom(heard.from, nowMs))) this.#add(advertisement, url, nowMs);
      return;
    }
    // Any advertisement keeps its device alive (D11); only one of a wanted type can stand for it.
    device.probedAtMs = undefined;
    const known = device.locations.get(advertisement.location);
    const expiresAtMs = nowMs + advertisement.maxAgeMs;
    if (known === undefined && device.locations.size >= maxLocations && !dropLocation(device, nowMs)) return;
    // What a message leaves out stays as it was said before.
    const { bootId = known?.advertisement.bootId, configId = known?.advertisement.configId } = advertisement;
    device.locations.set(advertisement.location, {
      url,
      advertisement: { ...advertisement, bootId, configId },
      expiresAtMs,
    });
    if (device.hasLeft) {
      device.hasLeft = false;
      device.current = { ...advertisement, target: device.current.target, usn: device.current.usn };
      this.#options.events.onFound(device.current);
    } else this.#compare(device, advertisement, url, known?.advertisement, isWanted, heard.message.kind === 'answer');
  }

  #add(advertisement: Advertisement, url: HttpUrl, nowMs: number): void {
    const { udn, location } = advertisement;
    const expiresAtMs = nowMs + advertisement.maxAgeMs;
    const locations = new Map([[location, { url, advertisement, expiresAtMs }]]);
    const sender = advertisement.from;
    this.#devices.set(keyOf(udn), {
      current: advertisement,
      sender,
      locations,
      probedAtMs: undefined,
      hasLeft: false,
      droppedAtMs: Number.NEGATIVE_INFINITY,
    });
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
    this.#options.events.onFound(advertisement);
  }

  /** What the news changes: a reboot, a move, another configuration, or nothing. */
  #compare(
    device: Device,
    news: Advertisement,
    url: HttpUrl,
    before: Advertisement | undefined,
    isWanted: boolean,
    isAnswer: boolean,
  ): void {
    const { events } = this.#options;
    const { current } = device;
    // Each location is compared with itself: a forged number from elsewhere says nothing about the next real one.
    const hasRebooted = isOther(news.bootId, (before ?? current).bootId);
    const hasChanged = isOther(news.configId, (before ?? current).configId);
    // A second location of the same IP version means that a goodbye was missed (D14). Once both have been heard they are
    // twins, and the pick stays (quirk 9); IPv4 beside IPv6 never was a move (D15).
    const currentUrl = parseHttpUrl(current.location);
    const hasMoved = before === undefined && currentUrl !== undefined && sameFamily(currentUrl, url);
    const { target, usn } = isWanted ? news : current;
    if (hasMoved || news.location === current.location) {
      device.current = {
        ...(hasMoved ? { ...news, target, usn } : current),
        bootId: news.bootId ?? current.bootId,
        configId: news.configId ?? current.configId,
      };
    }
    if (hasRebooted) events.onRebooted(hasMoved ? device.current : news);
    else if (hasMoved) events.onMoved?.(device.current);
    else if (hasChanged) events.onChanged?.(news);
    else events.onHeard?.(news, isAnswer ? 'answer' : 'alive');
  }

  /** A goodbye of any part is the goodbye of the whole (D20), but only from where the device is known to be. */
  #byebye(udn: string, { from }: Heard): void {
    const device = this.#devices.get(keyOf(udn));
    if (device === undefined || device.hasLeft || !isAt(device, from)) return;
    device.hasLeft = true;
    this.#options.events.onGone(device.current.udn, 'byebye');
  }

  /** The device goes on under a new BOOTID without having rebooted (D17). */
  #update(udn: string, { message, from }: Heard): void {
    const device = this.#devices.get(keyOf(udn));
    const bootId = countIn(message.headers, 'NEXTBOOTID.UPNP.ORG');
    if (device === undefined || bootId === undefined || !isAt(device, from)) return;
    if (bootId < (device.current.bootId ?? 0)) return;
    device.current = { ...device.current, bootId };
    for (const one of device.locations.values()) one.advertisement = { ...one.advertisement, bootId };
  }

  /**
   * Drops what has lapsed.
   * @returns the silent devices to ask directly; those that do not answer are gone with a later call
   */
  expire(nowMs: number): Advertisement[] {
    const silent: Advertisement[] = [];
    for (const device of this.#devices.values()) {
      for (const [location, { expiresAtMs }] of device.locations) {
        if (expiresAtMs + graceMs <= nowMs && device.locations.size > 1) device.locations.delete(location);
      }
      const isLapsed = [...device.locations.values()].every(({ expiresAtMs }) => expiresAtMs <= nowMs);
      if (device.hasLeft) {
        if (isLapsed) this.#delete(device);
        continue;
      }
      const [next] = device.locations.values();
      if (next !== undefined && !device.locations.has(device.current.location)) {
        device.current = next.advertisement;
        this.#options.events.onMoved?.(device.current);
      }
      if (!isLapsed) continue;
      if (device.probedAtMs === undefined) {
        device.probedAtMs = nowMs;
        silent.push(device.current);
      } else if (nowMs - device.probedAtMs >= graceMs) {
        this.#delete(device);
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
    // Nobody speaks for another host: a name is held to the sender's address when it is looked up.
    if (url.address !== undefined && url.address !== canonicalAddress(from)) return undefined;
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

  #isKnown(udn: string): boolean {
    return this.#options.isKnown?.(udn) === true;
  }

  /** Names that never proved to be phones go first, the oldest before the others, and of a full sender its own (Z11). */
  #makeRoom(from: string, nowMs: number): boolean {
    const sender = canonicalAddress(from);
    const isCrowded = (this.#senders.get(sender ?? '') ?? 0) >= maxDevicesPerSender;
    if (!isCrowded && this.#devices.size < maxDevices) return true;
    // Counted before anything is looked through: a flood is answered by arithmetic alone.
    if (!this.#mayEvict(nowMs)) return false;
    for (const device of this.#devices.values()) {
      const { udn, from: heardFrom } = device.current;
      if ((isCrowded && heardFrom !== sender) || this.#isKnown(udn)) continue;
      this.#delete(device);
      this.#options.events.onGone(udn, 'evicted');
      return true;
    }
    return false;
  }

  #delete(device: Device): void {
    this.#devices.delete(keyOf(device.current.udn));
    const left = (this.#senders.get(device.sender) ?? 1) - 1;
    if (left > 0) this.#senders.set(device.sender, left);
    else this.#senders.delete(device.sender);
  }

  #mayEvict(nowMs: number): boolean {
    const refill = ((nowMs - this.#evictionsAtMs) / 1000) * evictionsPerSecond;
    this.#evictions = Math.min(evictionBurst, this.#evictions + refill);
    this.#evictionsAtMs = nowMs;
    if (this.#evictions < 1) return false;
    this.#evictions--;
    return true;
  }
}

/** The oldest claim makes room for a new one: invented places must not keep the device's own next one out. */
function dropLocation(device: Device, nowMs: number): boolean {
  const oldest = [...device.locations.keys()].find((location) => location !== device.current.location);
  if (oldest === undefined || nowMs - device.droppedAtMs < dropLocationMs) return false;
  device.locations.delete(oldest);
  device.droppedAtMs = nowMs;
  return true;
}

function isAt(device: Device, from: string): boolean {
  const places = [...device.locations.values()].flatMap((one) => [one.advertisement.from, one.url.address]);
  return places.includes(canonicalAddress(from));
}

function keyOf(udn: string): string {
  return udn.toLowerCase();
}

function withoutVersion(target: string): string {
  return target.toLowerCase().replace(/:\d+(?:\.\d+)?$/, '');
}

function isOther(news: number | undefined, known: number | undefined): boolean {
  return news !== undefined && known !== undefined && news !== known;
}
