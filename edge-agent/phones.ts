// The phones in the house: from an advertisement or a pinned address to a link, and away again.
import type { PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import { PhoneLink, type PhoneLinkOptions } from './phone-link.ts';
import { type DeviceDescription, readDescription, readScpd, walkDevices } from './upnp/description/description.ts';
import type { Advertisement } from './upnp/discovery/ssdp.ts';
import { parseHttpUrl, placeOf } from './upnp/network/http-url.ts';

export interface PhonesOptions
  extends Omit<PhoneLinkOptions, 'udn' | 'device' | 'service' | 'location' | 'trusted' | 'approved'> {
  /** UDNs that this machine's own configuration names as the household's. */
  readonly trust: ReadonlySet<string>;
  /** The description of a phone that discovery cannot find; it is trusted too. */
  readonly pinned: string | undefined;
  /** How often a pinned phone that does not answer is tried again. */
  readonly pinnedRetryMs?: number;
  onFound(udn: string): void;
}

const mostStrangers = 256;
/** 2 s, 4 s, … together half an hour: then only its next boot or move makes the agent ask again. */
const firstRetryMs = 2000;
const mostRetries = 9;

/** A phone waits 30 s for the answer to an event (UPnP Device Architecture 2.0 §4.3.2); some wait less. */
const eventsWaitMs = 5000;

/** Discovery does not reach a pinned phone, so that nothing says when it was off for a moment. */
const pinnedCompareMs = 60_000;

export class Phones {
  readonly #options: PhonesOptions;
  readonly #links = new Map<string, PhoneLink>();
  /** Phones that were here since the start and are gone: the cloud is told that they are offline. */
  readonly #absent = new Map<string, PhonePresence>();
  /** Description URLs without a Messaging service, by the boot in which that was so. */
  readonly #ignored = new Map<string, number | undefined>();
  /** Phones behind the pinned address, under whatever address they are heard of. */
  readonly #pinnedUdns = new Set<string>();
  /** Where others claim to be phones of ours; each is told once. */
  readonly #strangers = new Set<string>();
  readonly #locationOf = new Map<string, string>();
  readonly #fetching = new Map<string, Promise<void>>();
  #approved: ReadonlySet<string> = new Set();
  #stopping = new AbortController();
  #pinTimer: NodeJS.Timeout | undefined;
  readonly #retries = new Set<NodeJS.Timeout>();

  constructor(options: PhonesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#approved = this.#options.journal.approved();
    this.#lookAtPinned();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The agent stops.'));
    clearTimeout(this.#pinTimer);
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
    await Promise.allSettled([...this.#fetching.values()]);
    await Promise.allSettled([...this.#links.values()].map((link) => link.stop()));
    this.#links.clear();
    this.#absent.clear();
  }

  /** The phones that answer and whose messages may leave the house. */
  get able(): PhoneLink[] {
    return [...this.#links.values()].filter((link) => link.online && this.#approved.has(link.udn));
  }

  linkOf(udn: string): PhoneLink | undefined {
    return this.#links.get(udn);
  }

  isApproved(udn: string): boolean {
    return this.#approved.has(udn);
  }

  presences(): PhonePresence[] {
    const here = [...this.#links.values()].map((link) => link.presence());
    return [...here, ...this.#absent.values()].slice(0, limits.phones);
  }

  approve(udns: readonly string[]): void {
    this.#options.journal.approve(udns);
    this.#approved = new Set(udns);
    for (const link of this.#links.values()) link.setApproved(this.#approved.has(link.udn));
  }

  /** Looks at everything anew: the connection to the cloud stands again. */
  examine(): void {
    for (const link of this.#links.values()) link.examine();
  }

  /** The agent was stopped for so long. What a phone tells waits in the system for a while; after that it gives up. */
  onWoken(awayMs: number): void {
    for (const link of this.#links.values()) {
      if (awayMs >= eventsWaitMs) link.examine();
      else link.proveSubscription();
    }
  }

  onFound(found: Advertisement): void {
    if (this.#isIgnored(found)) return;
    this.#locationOf.set(found.udn, found.location);
    this.#fetch(found.location, found.udn, found.bootId, false);
  }

  /** Rebooted, moved or changed: whatever was agreed with it is void. */
  onRenewed(found: Advertisement): void {
    this.#locationOf.set(found.udn, found.location);
    this.#ignored.delete(found.location);
    this.#fetch(found.location, found.udn, found.bootId, true);
  }

  /** An advertisement can be forged: a phone that still answers has not gone (requirement Z12). */
  onGone(udn: string): void {
    const location = this.#locationOf.get(udn);
    this.#locationOf.delete(udn);
    const links = [...this.#links.values()].filter((link) => link.udn === udn || link.location === location);
    for (const link of links) void this.#confirmGone(link);
  }

  async #confirmGone(link: PhoneLink): Promise<void> {
    if (!(await this.#answers(link))) {
      if (this.#stopping.signal.aborted || this.#links.get(link.udn) !== link) return;
      this.#links.delete(link.udn);
      const presence = link.presence();
      this.#absent.set(link.udn, { ...presence, online: false });
      await link.stop();
      this.#options.report('A phone has left the network.');
      this.#options.onChanged();
    }
  }

  /**
   * Whoever says that it is a phone of ours, but elsewhere, is a stranger as long as the phone answers where it was: its
   * messages are not for that stranger (requirements Z12, Z13). Two ports of one address are twins, and the pick stays.
   */
  async #stays(link: PhoneLink, claimed: string): Promise<boolean> {
    const [place, other] = [placeOf(link.location), placeOf(claimed)];
    if (place === other || !(await this.#answers(link))) return false;
    const isTwin = parseHttpUrl(link.location)?.host === parseHttpUrl(claimed)?.host;
    if (!isTwin && !this.#strangers.has(claimed)) {
      if (this.#strangers.size >= mostStrangers) this.#strangers.clear();
      this.#strangers.add(claimed);
      this.#options.report(`Warning: ${other} claims to be the phone that still answers at ${place}. It is left out.`);
    }
    return true;
  }

  async #answers(link: PhoneLink): Promise<boolean> {
    try {
      await readDescription(this.#options.network, link.location, this.#stopping.signal);
      return true;
    } catch {
      return false;
    }
  }

  #isIgnored({ location, bootId }: Advertisement): boolean {
    return this.#ignored.has(location) && this.#ignored.get(location) === bootId;
  }

  /** One description at a time from one place (requirement S1). */
  #fetch(
    location: string,
    advertised: string | undefined,
    bootId: number | undefined,
    renew: boolean,
    attempt = 0,
  ): void {
    if (this.#fetching.has(location)) return;
    const work = this.#describe(location, advertised, bootId, renew)
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return;
        if (attempt === 0) this.#reportUnreadable(location, error);
        if (advertised === undefined) this.#pinTimer = setTimeout(() => this.#lookAtPinned(), this.#pinnedRetryMs);
        else if (attempt < mostRetries) this.#fetchLater(location, advertised, bootId, renew, attempt + 1);
      })
      .finally(() => this.#fetching.delete(location));
    this.#fetching.set(location, work);
  }

  /** A phone that is just starting announces itself before it can answer, and is told as found only once. */
  #fetchLater(location: string, advertised: string, bootId: number | undefined, renew: boolean, attempt: number): void {
    const timer = setTimeout(
      () => {
        this.#retries.delete(timer);
        if (this.#locationOf.get(advertised) === location) this.#fetch(location, advertised, bootId, renew, attempt);
      },
      firstRetryMs * 2 ** (attempt - 1),
    );
    this.#retries.add(timer);
  }

  #reportUnreadable(location: string, error: unknown): void {
    const words = error instanceof Error ? error.message : String(error);
    this.#options.report(`The device at ${placeOf(location)} cannot be asked what it is: ${words}`);
  }

  get #pinnedRetryMs(): number {
    return this.#options.pinnedRetryMs ?? 10_000;
  }

  #lookAtPinned(): void {
    if (this.#options.pinned !== undefined) this.#fetch(this.#options.pinned, undefined, undefined, false);
  }

  async #describe(
    location: string,
    advertised: string | undefined,
    bootId: number | undefined,
    renew: boolean,
  ): Promise<void> {
    const root = await readDescription(this.#options.network, location, this.#stopping.signal);
    const devices = [...walkDevices(root)];
    const phones = devices.filter((device) => messagingOf(device) !== undefined);
    if (phones.length === 0) this.#ignore(location, bootId);
    for (const device of phones) {
      // A description may name itself otherwise than its advertisement does (S15); with one device it is clear which is meant.
      const udn = (devices.length === 1 ? advertised : undefined) ?? device.udn;
      if (udn !== '') await this.#link(udn, device, location, renew);
    }
  }

  #ignore(location: string, bootId: number | undefined): void {
    // Bounded: a house has few devices, a hostile one may invent many.
    if (this.#ignored.size >= 1000) this.#ignored.clear();
    this.#ignored.set(location, bootId);
  }

  async #link(udn: string, device: DeviceDescription, location: string, renew: boolean): Promise<void> {
    const service = messagingOf(device);
    const before = this.#links.get(udn);
    if (service === undefined || this.#stopping.signal.aborted) return;
    if (before !== undefined && before.location === location && !renew) return;
    if (before !== undefined && (await this.#stays(before, location))) {
      if (renew) this.#fetch(before.location, udn, undefined, true);
      return;
    }
    if (before === undefined && this.#links.size >= limits.phones) {
      this.#options.report(`Warning: more than ${limits.phones} phones; the others are left out.`);
      return;
    }
    this.#links.delete(udn);
    await before?.stop();
    if (this.#stopping.signal.aborted) return;
    const { trust, pinned } = this.#options;
    if (location === pinned) this.#pinnedUdns.add(udn);
    const link = new PhoneLink({
      ...this.#options,
      udn,
      device,
      service,
      location,
      trusted: trust.has(udn) || this.#pinnedUdns.has(udn),
      compareMs: this.#options.compareMs ?? (this.#pinnedUdns.has(udn) ? pinnedCompareMs : undefined),
      approved: this.#approved.has(udn),
    });
    this.#links.set(udn, link);
    this.#absent.delete(udn);
    if (before === undefined) {
      this.#options.report(`Found a phone at ${placeOf(location)}.`);
      this.#options.onFound(udn);
    }
    this.#options.onChanged();
    await Promise.all([link.start(), this.#checkService(service.scpdUrl)]);
  }

  /** A service description that cannot be read costs nothing: the actions are known (S8). */
  async #checkService(scpdUrl: string | undefined): Promise<void> {
    if (scpdUrl === undefined) return;
    const scpd = await readScpd(this.#options.network, scpdUrl, this.#stopping.signal).catch(() => undefined);
    if (scpd === undefined || scpd.actions.some((action) => action.name === 'SearchMessages')) return;
    this.#options.report('Warning: the phone does not list the action SearchMessages; its messages may not be seen.');
  }
}

function messagingOf(device: DeviceDescription) {
  return device.services.find((service) => service.name.toLowerCase() === 'messaging');
}
