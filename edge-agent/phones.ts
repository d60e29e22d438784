// The phones of the home: turns advertisements and pinned descriptions into links, and drops them again.
import type { PhoneEvidence, PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import { type FoundPhone, messagingServiceOf, PhoneDescriptions } from './phone-descriptions.ts';
import { deviceEvidenceOf, isAsApproved } from './phone-evidence.ts';
import { PhoneLink, type PhoneLinkOptions } from './phone-link.ts';
import { ReportOnce } from './report-once.ts';
import { type DeviceDescription, readScpd } from './upnp/description/description.ts';
import type { Advertisement } from './upnp/discovery/ssdp.ts';
import { DeviceNetwork, type PeerRoute } from './upnp/network/device-network.ts';
import { authorityOf, parseHttpUrl, sameFamily } from './upnp/network/http-url.ts';

export interface PhonesOptions
  extends Omit<
    PhoneLinkOptions,
    'udn' | 'device' | 'service' | 'location' | 'interfaceName' | 'trusted' | 'approves' | 'onLeft' | 'onDescribed'
  > {
  /** UDNs that the agent's configuration trusts. */
  readonly trust: ReadonlySet<string>;
  /** The description URL of a phone that discovery cannot find; that phone is trusted too. */
  readonly pinned: string | undefined;
  /** How often to retry a pinned phone that does not answer. */
  readonly pinnedRetryMs?: number;
  onFound(udn: string): void;
}

/** Cap of unapproved phones per address, so that one machine cannot fill the list. */
const maxUnapprovedPerHost = 4;
/** Minimum time between replacements of a link, for a phone whose description changes with each fetch. */
const minReplaceGapMs = 60_000;

/** A phone waits 30 s for the answer to an event (UPnP Device Architecture 2.0 §4.3.2); some wait less. */
const eventTimeoutMs = 5000;

/** A pinned phone is not discovered, so nothing reports a short absence: compare it more often. */
const pinnedCompareMs = 60_000;

export class Phones {
  readonly #options: PhonesOptions;
  readonly #links = new Map<string, PhoneLink>();
  /** Phones that left since the start; the cloud gets them as offline. */
  readonly #absent = new Map<string, { readonly presence: PhonePresence; readonly location: string }>();
  /** UDNs found at the pinned URL; they stay trusted at other addresses. */
  readonly #pinnedUdns = new Set<string>();
  readonly #replacedAtMs = new Map<string, number>();
  readonly #log: ReportOnce;
  readonly #descriptions: PhoneDescriptions;
  readonly #starting = new Set<Promise<unknown>>();
  /** The evidence that each UDN was approved with; undefined approves any device with that UDN. */
  #approved: ReadonlyMap<string, PhoneEvidence | undefined> = new Map();
  #stopping = new AbortController();

  constructor(options: PhonesOptions) {
    this.#options = options;
    this.#log = new ReportOnce(options.report);
    this.#descriptions = new PhoneDescriptions({
      network: options.network,
      pinned: options.pinned,
      pinnedRetryMs: options.pinnedRetryMs,
      log: this.#log,
      isKnown: (udn) => this.isKnown(udn),
      wasAt: (location) => [...this.#absent.values()].some((absent) => absent.location === location),
      onPhone: (found) => this.#onPhone(found),
    });
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#approved = this.#options.journal.approved();
    this.#descriptions.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The agent stops.'));
    await this.#descriptions.stop();
    await Promise.allSettled([...this.#links.values()].map((link) => link.stop()));
    await Promise.allSettled(this.#starting);
    this.#links.clear();
    this.#absent.clear();
  }

  /** Links to phones that are online and approved, so that their events may leave the home. */
  get usable(): PhoneLink[] {
    return [...this.#links.values()].filter((link) => link.online && this.#isApprovedAs(link.udn, link.evidence));
  }

  linkOf(udn: string): PhoneLink | undefined {
    return this.#links.get(udn);
  }

  /** The link for commands. A device that only has the UDN of an approved phone is not callable until the cloud approves it. */
  approvedLinkOf(udn: string): PhoneLink | undefined {
    const link = this.#links.get(udn);
    return link !== undefined && this.#isApprovedAs(udn, link.evidence) ? link : undefined;
  }

  /** Whether the approval of this UDN covers a device with this evidence. */
  #isApprovedAs(udn: string, evidence: PhoneEvidence): boolean {
    return this.#approved.has(udn) && isAsApproved(this.#approved.get(udn), evidence);
  }

  isApproved(udn: string): boolean {
    return this.#approved.has(udn);
  }

  /** Whether a phone with this UDN is or was here, or is approved. Floods never evict such a phone. */
  isKnown(udn: string): boolean {
    return this.#knownUdnOf(udn) !== undefined;
  }

  /** Approved phones first, so that strangers cannot push them out of a frame. */
  presences(): PhonePresence[] {
    const here = [...this.#links.values()].map((link) => link.presence());
    const away = [...this.#absent.values()].map(({ presence }) => presence);
    const rank = ({ udn, online }: PhonePresence) => (this.#approved.has(udn) ? 0 : 2) + (online ? 0 : 1);
    return [...here, ...away].sort((one, other) => rank(one) - rank(other)).slice(0, limits.phones);
  }

  approve(udns: readonly string[], evidence?: Readonly<Record<string, PhoneEvidence>>): void {
    this.#options.journal.approve(udns, evidence);
    this.#approved = this.#options.journal.approved();
    for (const link of this.#links.values()) link.setApproved(this.#isApprovedAs(link.udn, link.evidence));
  }

  /** Synchronises every phone in full, as after the tunnel is up again. */
  resync(): void {
    for (const link of this.#links.values()) link.resync();
  }

  /** The agent was suspended. Events queue in the operating system for a while; after that the phones have dropped them. */
  onResumed(awayMs: number): void {
    for (const link of this.#links.values()) {
      if (awayMs >= eventTimeoutMs) link.resync();
      else link.probeSubscription();
    }
  }

  onFound(found: Advertisement): void {
    const link = this.#linkOf(found);
    link?.onSeen('alive');
    if (link === undefined || !this.#isAt(link, found)) this.#descriptions.fetch(found);
  }

  /** Announced again, or found by a search. */
  onSeen(found: Advertisement, kind: 'answer' | 'alive'): void {
    const link = this.#linkOf(found);
    link?.onSeen(kind);
    const isElsewhere = link !== undefined && (!link.online || !this.#isSettled(link)) && !this.#isAt(link, found);
    if (link === undefined || isElsewhere) this.#descriptions.fetch(found);
  }

  /** Claims to have rebooted, moved or changed. Probe the phone before dropping anything. */
  onRenewed(found: Advertisement): void {
    this.#descriptions.forget(found.location);
    const link = this.#linkOf(found);
    link?.onSeen('rebooted');
    if (link === undefined || !this.#isAt(link, found)) this.#descriptions.fetch(found);
  }

  /** Goodbyes can be forged, so the link probes its phone first (requirement Z12). */
  onGone(udn: string, reason: 'byebye' | 'expired' | 'evicted'): void {
    if (reason === 'evicted') return;
    this.#links.get(this.#knownUdnOf(udn) ?? udn)?.onGoodbye();
  }

  /** Whether an advertisement names the location of a link, or the same phone by its other IP version. */
  #isAt(link: PhoneLink, { location }: Advertisement): boolean {
    const [known, found] = [parseHttpUrl(link.location), parseHttpUrl(location)];
    if (link.location === location || known === undefined || found === undefined) return true;
    return link.online && this.#isSettled(link) && !sameFamily(known, found);
  }

  /**
   * Whether the link is at the approved address. A restarted phone that is found by IPv6 first is not; it moves to its
   * approved IPv4 address as soon as that is advertised.
   */
  #isSettled({ udn, evidence }: PhoneLink): boolean {
    return !this.#approved.has(udn) || this.#isApprovedAs(udn, evidence);
  }

  /** The link with this UDN, or else with this location: a forged UDN for a known location is not a second phone. */
  #linkOf(found: Advertisement): PhoneLink | undefined {
    const byUdn = this.#links.get(this.#knownUdnOf(found.udn) ?? '');
    return byUdn ?? [...this.#links.values()].find((link) => link.location === found.location);
  }

  /** UDNs are compared case-insensitively (D12); a phone keeps the spelling under which it is known. */
  #knownUdnOf(udn: string): string | undefined {
    if (this.#links.has(udn) || this.#absent.has(udn) || this.#approved.has(udn)) return udn;
    const wanted = udn.toLowerCase();
    for (const udns of [this.#approved.keys(), this.#options.trust, this.#links.keys(), this.#absent.keys()]) {
      for (const known of udns) if (known.toLowerCase() === wanted) return known;
    }
    return undefined;
  }

  #onLeft(link: PhoneLink): void {
    if (this.#stopping.signal.aborted || this.#links.get(link.udn) !== link) return;
    this.#links.delete(link.udn);
    this.#addAbsent(link);
    this.#track(link.stop());
    this.#options.report('A phone has left the network.');
    this.#options.onChanged();
    if (link.location === this.#options.pinned) this.#descriptions.retryPinned();
  }

  /** Bounded; evicts unapproved phones first. */
  #addAbsent(link: PhoneLink): void {
    const presence = { ...link.presence(), online: false };
    this.#absent.set(link.udn, { presence, location: link.location });
    if (this.#absent.size <= limits.phones) return;
    const [oldest] = this.#absent.keys();
    const evicted = [...this.#absent.keys()].find((udn) => !this.#approved.has(udn)) ?? oldest;
    if (evicted !== undefined) this.#absent.delete(evicted);
  }

  /** The services of a phone, or their URLs, have changed. */
  #onDescribed(link: PhoneLink, device: DeviceDescription, route: PeerRoute): void {
    const nowMs = performance.now();
    if (this.#links.get(link.udn) !== link || messagingServiceOf(device) === undefined) return;
    if (nowMs - (this.#replacedAtMs.get(link.udn) ?? Number.NEGATIVE_INFINITY) < minReplaceGapMs) return;
    this.#replacedAtMs.set(link.udn, nowMs);
    this.#track(this.#replaceLink(link.udn, device, link.location, route));
  }

  /**
   * Whether the link keeps its place against a device that claims to be its phone elsewhere. While the phone still answers
   * at its location, the claimant is an impostor and must not get its messages (requirements Z12, Z13). Two ports of one
   * address are the same device, and IPv4 beside IPv6 is one phone found twice (D15): the link stays, without a warning.
   */
  async #keepsPlace(link: PhoneLink, claimedLocation: string): Promise<boolean> {
    const [place, other] = [authorityOf(link.location), authorityOf(claimedLocation)];
    if (place === other || !(await link.isReachable())) return false;
    const [known, found] = [parseHttpUrl(link.location), parseHttpUrl(claimedLocation)];
    const isSame = known === undefined || found === undefined || known.host === found.host || !sameFamily(known, found);
    if (!isSame)
      this.#log.report(`Warning: ${other} claims to be the phone that still answers at ${place}. It is ignored.`);
    return true;
  }

  async #onPhone({ device, advertisedUdn, location, route }: FoundPhone): Promise<void> {
    const udn = this.#udnOf(advertisedUdn, device);
    const before = this.#links.get(udn);
    if (udn === '' || this.#stopping.signal.aborted) return;
    if (before === undefined && !this.#hasRoomFor(udn, device, location)) return;
    if (before?.location === location) return;
    const isApprovedHere = this.#isApprovedAs(udn, deviceEvidenceOf(device, location));
    const isBetter = before !== undefined && isApprovedHere && !this.#isApprovedAs(udn, before.evidence);
    if (before !== undefined && !isBetter && (await this.#keepsPlace(before, location))) return;
    await this.#replaceLink(udn, device, location, route);
  }

  /**
   * The UDN in the description counts, because anybody can put any UDN into a datagram. Exception: earlier agents used the
   * advertised UDN of a lone device, so an approved or trusted one stands (S15).
   */
  #udnOf(advertised: string | undefined, device: DeviceDescription): string {
    const described = device.udn === '' ? undefined : (this.#knownUdnOf(device.udn) ?? device.udn);
    if (described !== undefined && this.isKnown(described)) return described;
    const known = advertised === undefined ? undefined : this.#knownUdnOf(advertised);
    if (known !== undefined && (this.#approved.has(known) || this.#options.trust.has(known))) return known;
    return described ?? advertised ?? '';
  }

  async #replaceLink(udn: string, device: DeviceDescription, location: string, route: PeerRoute): Promise<void> {
    const service = messagingServiceOf(device);
    const before = this.#links.get(udn);
    if (service === undefined) return;
    this.#links.delete(udn);
    await before?.stop();
    if (this.#stopping.signal.aborted || this.#links.has(udn)) return;
    const { trust, pinned } = this.#options;
    if (location === pinned) this.#pinnedUdns.add(udn);
    const link = new PhoneLink({
      ...this.#options,
      udn,
      device,
      service,
      location,
      interfaceName: route.interfaceName,
      trusted: trust.has(udn) || this.#pinnedUdns.has(udn),
      compareMs: this.#options.compareMs ?? (this.#pinnedUdns.has(udn) ? pinnedCompareMs : undefined),
      approves: (evidence) => this.#isApprovedAs(udn, evidence),
      onLeft: (left) => this.#onLeft(left),
      onDescribed: (described, latest) => this.#onDescribed(described, latest, route),
    });
    this.#links.set(udn, link);
    this.#absent.delete(udn);
    if (before === undefined) {
      this.#options.report(`Found a phone at ${authorityOf(location)}.`);
      this.#options.onFound(udn);
    }
    this.#options.onChanged();
    // Not awaited: a device that is slow to grant a subscription must not delay the descriptions of others.
    this.#track(Promise.all([link.start(), this.#checkService(service.scpdUrl, route)]));
  }

  /** Caps strangers, so that the phones of the household always have room (Z11). */
  #hasRoomFor(udn: string, device: DeviceDescription, location: string): boolean {
    if (this.#approved.has(udn) || this.#options.trust.has(udn) || location === this.#options.pinned) {
      if (this.#links.size >= limits.phones) this.#evict(this.#strangers()[0]);
      return true;
    }
    const { address } = deviceEvidenceOf(device, location);
    const strangers = this.#strangers();
    const isCrowded = strangers.filter((link) => link.evidence.address === address).length >= maxUnapprovedPerHost;
    if (this.#links.size >= limits.phones) this.#evict(strangers.find((link) => !link.online));
    if (!isCrowded && this.#links.size < limits.phones) return true;
    const excess = isCrowded
      ? `more than ${maxUnapprovedPerHost} phones at ${address} that nobody has approved`
      : `more than ${limits.phones} phones`;
    this.#log.report(`Warning: there are ${excess}. The others are ignored.`);
    return false;
  }

  /** Unapproved and untrusted links, offline ones first. */
  #strangers(): PhoneLink[] {
    const strangers = [...this.#links.values()].filter(
      ({ udn }) => !this.#approved.has(udn) && !this.#options.trust.has(udn) && !this.#pinnedUdns.has(udn),
    );
    return strangers.sort((one, other) => Number(one.online) - Number(other.online));
  }

  #evict(link: PhoneLink | undefined): void {
    if (link === undefined) return;
    this.#links.delete(link.udn);
    this.#track(link.stop());
  }

  #track(work: Promise<unknown>): void {
    this.#starting.add(work);
    void work.finally(() => this.#starting.delete(work));
  }

  /** An unreadable service description does not matter, because the actions are known (S8). */
  async #checkService(scpdUrl: string | undefined, route: PeerRoute): Promise<void> {
    if (scpdUrl === undefined) return;
    const { network, report } = this.#options;
    const { signal } = this.#stopping;
    const scpd = await readScpd(new DeviceNetwork(network, route), scpdUrl, { signal }).catch(() => undefined);
    if (scpd === undefined || scpd.actions.some((action) => action.name === 'SearchMessages')) return;
    report('Warning: the phone does not list the action SearchMessages, so its messages may not be found.');
  }
}
