// The devices advertised on the LAN: pure bookkeeping, without sockets or clock. UPnP Device Architecture 2.0 §1.2, §1.3. Requirements D10–D21, D24, Z3, Z11, Z12.
import { canonicalAddress } from '../../../shared/ip-address.ts';
import type { LocalInterface } from '../network/address.ts';
import { formatHttpUrl, type HttpUrl, parseHttpUrl, sameFamily, withZone } from '../network/http-url.ts';
import { countIn, maxAgeMs, type SsdpMessage, udnOfUsn } from './ssdp-message.ts';

export interface Advertisement {
  udn: string;
  usn: string;
  /** The searched or announced type. */
  target: string;
  /** Absolute and on-link, with the zone of the receiving interface where IPv6 needs one. */
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
  /** A new device, or one that returns after a goodbye. */
  onFound(advertisement: Advertisement): void;
  /** Any other advertisement of a known device: `alive` may mean a restart, `answer` only that it is up. */
  onSeen?(advertisement: Advertisement, kind: 'alive' | 'answer'): void;
  /** A known device at another address or port: its goodbye was missed. */
  onMoved?(advertisement: Advertisement): void;
  /** BOOTID changed. It can be forged: probe the device, do not drop anything. */
  onRebooted(advertisement: Advertisement): void;
  /** CONFIGID changed, so the description changed too. */
  onChanged?(advertisement: Advertisement): void;
  /** A goodbye can be forged: fetch the description before giving up a trusted phone (Z12). */
  onGone(udn: string, reason: 'byebye' | 'expired' | 'evicted'): void;
}

export interface ReceivedMessage {
  message: SsdpMessage;
  from: string;
  via: LocalInterface;
}

export interface RegistryOptions {
  /** Device and service types, matched in any version. */
  targets: readonly string[];
  /** UDNs hosted by this process (D24). */
  ignoreUdns: ReadonlySet<string>;
  /** Why an address cannot be a device's; undefined when it can (Z4). */
  objectionTo(address: string): string | undefined;
  /** Known devices are never evicted, and any of their announcements is accepted (Z11). */
  isKnown?: ((udn: string) => boolean) | undefined;
  events: RegistryEvents;
}

interface Device {
  current: Advertisement;
  /** The address that advertised the device first. */
  readonly sender: string;
  /** Every advertised location with its expiry (D11, D15). */
  readonly locations: Map<string, { readonly url: HttpUrl; advertisement: Advertisement; expiresAtMs: number }>;
  /** Set while a silent device is being probed. */
  probedAtMs: number | undefined;
  /** Said goodbye. Its locations, BOOTID and CONFIGID are kept: most devices say goodbye when they restart. */
  hasLeft: boolean;
  /** When a location was last evicted for a new one. */
  lastEvictionMs: number;
}

const maxDevices = 256;
const maxDevicesPerSender = 16;
const maxLocations = 8;
/** At most one eviction of a location per second: a device that moves repeats its advertisements. */
const locationEvictionGapMs = 1000;
/** Token bucket for evictions: a flood of forged names must not become a flood of description fetches. */
const evictionBurst = 512;
const evictionsPerSecond = 50;
/** How long a device whose advertisement expired may take to answer a unicast probe (quirk 15). */
const probeGraceMs = 5000;

export class SsdpRegistry {
  readonly #options: RegistryOptions;
  readonly #targets: ReadonlySet<string>;
  readonly #devices = new Map<string, Device>();
  /** Number of devices per first sender. */
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

  /** Processes a message from the LAN. Unusable messages are dropped silently. */
  receive(received: ReceivedMessage, nowMs: number): void {
    const { kind, headers } = received.message;
    const nts = headers.get('NTS');
    const udn = udnOfUsn(headers.get('USN'));
    if (kind === 'search' || udn === undefined || this.#options.ignoreUdns.has(udn)) return;
    if (kind === 'answer' || nts === 'ssdp:alive') this.#alive(udn, received, nowMs);
    else if (nts === 'ssdp:byebye') this.#byebye(udn, received);
    else if (nts === 'ssdp:update') this.#update(udn, received);
  }

  #alive(udn: string, received: ReceivedMessage, nowMs: number): void {
    const advertisement = this.#advertisementOf(udn, received);
    const url = advertisement && parseHttpUrl(advertisement.location);
    if (advertisement === undefined || url === undefined) return;
    const device = this.#devices.get(keyOf(udn));
    const isWanted = this.#targets.has(withoutVersion(advertisement.target));
    if (device === undefined) {
      const isKnown = this.#isKnown(udn);
      if ((isWanted || isKnown) && (isKnown || this.#makeRoom(received.from, nowMs)))
        this.#add(advertisement, url, nowMs);
      return;
    }
    // Any advertisement keeps its device alive (D11), but only one of a wanted type becomes its `current`.
    device.probedAtMs = undefined;
    const known = device.locations.get(advertisement.location);
    const expiresAtMs = nowMs + advertisement.maxAgeMs;
    if (known === undefined && device.locations.size >= maxLocations && !evictLocation(device, nowMs)) return;
    // BOOTID and CONFIGID that a message omits keep their last values.
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
    } else
      this.#compare(device, advertisement, url, known?.advertisement, isWanted, received.message.kind === 'answer');
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
      lastEvictionMs: Number.NEGATIVE_INFINITY,
    });
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
    this.#options.events.onFound(advertisement);
  }

  /** Compares an advertisement with the last one and reports a reboot, a move, a configuration change, or none. */
  #compare(
    device: Device,
    latest: Advertisement,
    url: HttpUrl,
    before: Advertisement | undefined,
    isWanted: boolean,
    isAnswer: boolean,
  ): void {
    const { events } = this.#options;
    const { current } = device;
    // Compare each location with itself: a forged BOOTID from another location must not mask the next real one.
    const hasRebooted = isOther(latest.bootId, (before ?? current).bootId);
    const hasChanged = isOther(latest.configId, (before ?? current).configId);
    // A second location of the same IP version means a missed goodbye (D14). Once both are known they are equal, and
    // `current` stays (quirk 9). IPv4 beside IPv6 is never a move (D15).
    const currentUrl = parseHttpUrl(current.location);
    const hasMoved = before === undefined && currentUrl !== undefined && sameFamily(currentUrl, url);
    const { target, usn } = isWanted ? latest : current;
    if (hasMoved || latest.location === current.location) {
      device.current = {
        ...(hasMoved ? { ...latest, target, usn } : current),
        bootId: latest.bootId ?? current.bootId,
        configId: latest.configId ?? current.configId,
      };
    }
    if (hasRebooted) events.onRebooted(hasMoved ? device.current : latest);
    else if (hasMoved) events.onMoved?.(device.current);
    else if (hasChanged) events.onChanged?.(latest);
    else events.onSeen?.(latest, isAnswer ? 'answer' : 'alive');
  }

  /** A goodbye for one target covers the whole device (D20), but only from an address where the device is known to be. */
  #byebye(udn: string, { from }: ReceivedMessage): void {
    const device = this.#devices.get(keyOf(udn));
    if (device === undefined || device.hasLeft || !isAt(device, from)) return;
    device.hasLeft = true;
    this.#options.events.onGone(device.current.udn, 'byebye');
  }

  /** ssdp:update: the device continues under a new BOOTID without a reboot (D17). */
  #update(udn: string, { message, from }: ReceivedMessage): void {
    const device = this.#devices.get(keyOf(udn));
    const bootId = countIn(message.headers, 'NEXTBOOTID.UPNP.ORG');
    if (device === undefined || bootId === undefined || !isAt(device, from)) return;
    if (bootId < (device.current.bootId ?? 0)) return;
    device.current = { ...device.current, bootId };
    for (const one of device.locations.values()) one.advertisement = { ...one.advertisement, bootId };
  }

  /**
   * Drops expired entries.
   * @returns silent devices to probe; a later call reports those that do not answer as gone
   */
  expire(nowMs: number): Advertisement[] {
    const silent: Advertisement[] = [];
    for (const device of this.#devices.values()) {
      for (const [location, { expiresAtMs }] of device.locations) {
        if (expiresAtMs + probeGraceMs <= nowMs && device.locations.size > 1) device.locations.delete(location);
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
      } else if (nowMs - device.probedAtMs >= probeGraceMs) {
        this.#delete(device);
        this.#options.events.onGone(device.current.udn, 'expired');
      }
    }
    return silent;
  }

  #advertisementOf(udn: string, { message, from, via }: ReceivedMessage): Advertisement | undefined {
    const { headers, kind } = message;
    const url = parseHttpUrl(withZone(headers.get('LOCATION') ?? '', via.scopeId));
    const target = headers.get(kind === 'answer' ? 'ST' : 'NT');
    if (url === undefined || target === undefined) return undefined;
    // Addresses are checked here, host names when they are resolved (D13).
    if (url.address !== undefined && this.#options.objectionTo(url.address) !== undefined) return undefined;
    // An advertisement may only name its sender's own address; a host name is held to that address when it is resolved.
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

  /** Evicts a device that is not known to be a phone: the oldest, or the sender's own oldest when that sender is at its cap (Z11). */
  #makeRoom(from: string, nowMs: number): boolean {
    const sender = canonicalAddress(from);
    const isCrowded = (this.#senders.get(sender ?? '') ?? 0) >= maxDevicesPerSender;
    if (!isCrowded && this.#devices.size < maxDevices) return true;
    // Checked before the scan, so that a flood costs constant time per message.
    if (!this.#mayEvict(nowMs)) return false;
    for (const device of this.#devices.values()) {
      const { udn, from: lastFrom } = device.current;
      if ((isCrowded && lastFrom !== sender) || this.#isKnown(udn)) continue;
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

/** Evicts the oldest location: forged locations must not keep the device's real next one out. */
function evictLocation(device: Device, nowMs: number): boolean {
  const oldest = [...device.locations.keys()].find((location) => location !== device.current.location);
  if (oldest === undefined || nowMs - device.lastEvictionMs < locationEvictionGapMs) return false;
  device.locations.delete(oldest);
  device.lastEvictionMs = nowMs;
  return true;
}

function isAt(device: Device, from: string): boolean {
  const addresses = [...device.locations.values()].flatMap((one) => [one.advertisement.from, one.url.address]);
  return addresses.includes(canonicalAddress(from));
}

function keyOf(udn: string): string {
  return udn.toLowerCase();
}

function withoutVersion(target: string): string {
  return target.toLowerCase().replace(/:\d+(?:\.\d+)?$/, '');
}

function isOther(latest: number | undefined, known: number | undefined): boolean {
  return latest !== undefined && known !== undefined && latest !== known;
}
