// The phones in the house: from an advertisement or a pinned address to a link, and away again.
import type { PhoneEvidence, PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import { backOffMs } from '../shared/back-off.ts';
import { DescriptionQueue } from './description-queue.ts';
import { deviceEvidenceOf, isAsApproved } from './phone-evidence.ts';
import { PhoneLink, type PhoneLinkOptions } from './phone-link.ts';
import { type DeviceDescription, readDescription, readScpd, walkDevices } from './upnp/description/description.ts';
import type { Advertisement } from './upnp/discovery/ssdp.ts';
import { DeviceNetwork, type PeerRoute } from './upnp/network/device-network.ts';
import { authorityOf, parseHttpUrl, sameFamily } from './upnp/network/http-url.ts';

export interface PhonesOptions
  extends Omit<
    PhoneLinkOptions,
    'udn' | 'device' | 'service' | 'location' | 'interfaceName' | 'trusted' | 'approves' | 'onLeft' | 'onDescribed'
  > {
  /** UDNs that this machine's own configuration names as the household's. */
  readonly trust: ReadonlySet<string>;
  /** The description of a phone that discovery cannot find; it is trusted too. */
  readonly pinned: string | undefined;
  /** How often a pinned phone that does not answer is tried again. */
  readonly pinnedRetryMs?: number;
  onFound(udn: string): void;
}

/** Where a description is to be fetched, and who said so. */
interface Claim {
  readonly location: string;
  /** Of the announcement; undefined for the pinned URL. */
  readonly udn: string | undefined;
  readonly bootId?: number | undefined;
  readonly where: PeerRoute;
}

const mostTold = 256;
const mostRetries = 9;
/** 2 s, 4 s, … together 17 minutes: after them only another announcement makes the agent ask again. */
const retryTimes = { firstMs: 2000, capMs: 2000 * 2 ** mostRetries };
const mostRetrying = 64;
/** A device without messages is asked again after this, even where its BOOTID stays: some switch the service on later. */
const ignoredForMs = 10 * 60_000;
const mostIgnored = 1000;
/** Phones of one address that nobody has approved: one machine must not fill the list. */
const mostUnapprovedPerHost = 4;
/** A description that changes with each look must not take the link down each time. */
const replaceAgainMs = 60_000;

/** A phone waits 30 s for the answer to an event (UPnP Device Architecture 2.0 §4.3.2); some wait less. */
const eventsWaitMs = 5000;

/** Discovery does not reach a pinned phone, so that nothing says when it was off for a moment. */
const pinnedCompareMs = 60_000;

export class Phones {
  readonly #options: PhonesOptions;
  readonly #links = new Map<string, PhoneLink>();
  /** Phones that were here since the start and are gone: the cloud is told that they are offline. */
  readonly #absent = new Map<string, { readonly presence: PhonePresence; readonly location: string }>();
  /** Description URLs without a Messaging service, by the boot in which that was so. */
  readonly #ignored = new Map<string, { readonly bootId: number | undefined; readonly untilMs: number }>();
  /** Phones behind the pinned address, under whatever address they are heard of. */
  readonly #pinnedUdns = new Set<string>();
  /** What was said once and need not be said again: a flood must not fill the log. */
  readonly #told = new Set<string>();
  readonly #replacedAtMs = new Map<string, number>();
  readonly #descriptions = new DescriptionQueue();
  readonly #starting = new Set<Promise<unknown>>();
  /** By UDN, the evidence that the approval counts for; undefined: for whatever has that name. */
  #approved: ReadonlyMap<string, PhoneEvidence | undefined> = new Map();
  #stopping = new AbortController();
  #pinTimer: NodeJS.Timeout | undefined;
  /** By location: the timers of descriptions that could not be read yet. */
  readonly #retries = new Map<string, NodeJS.Timeout>();

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
    for (const retry of this.#retries.values()) clearTimeout(retry);
    this.#retries.clear();
    await this.#descriptions.stop();
    await Promise.allSettled([...this.#links.values()].map((link) => link.stop()));
    await Promise.allSettled(this.#starting);
    this.#links.clear();
    this.#absent.clear();
  }

  /** The phones that answer and whose messages may leave the house. */
  get able(): PhoneLink[] {
    return [...this.#links.values()].filter((link) => link.online && this.#counts(link.udn, link.evidence));
  }

  linkOf(udn: string): PhoneLink | undefined {
    return this.#links.get(udn);
  }

  /** What may be called: a phone that only has an approved one's name is none of ours until the cloud says so. */
  approvedLinkOf(udn: string): PhoneLink | undefined {
    const link = this.#links.get(udn);
    return link !== undefined && this.#counts(udn, link.evidence) ? link : undefined;
  }

  /** Whether the household's approval counts for a phone that is seen like this. */
  #counts(udn: string, evidence: PhoneEvidence): boolean {
    return this.#approved.has(udn) && isAsApproved(this.#approved.get(udn), evidence);
  }

  isApproved(udn: string): boolean {
    return this.#approved.has(udn);
  }

  /** Whether a phone of this name is here, was here or is approved: room is kept for it, whatever else is announced. */
  isKnown(udn: string): boolean {
    return this.#knownNameOf(udn) !== undefined;
  }

  /** What the household approved comes first, so that strangers do not push it out of a frame. */
  presences(): PhonePresence[] {
    const here = [...this.#links.values()].map((link) => link.presence());
    const away = [...this.#absent.values()].map(({ presence }) => presence);
    const rank = ({ udn, online }: PhonePresence) => (this.#approved.has(udn) ? 0 : 2) + (online ? 0 : 1);
    return [...here, ...away].sort((one, other) => rank(one) - rank(other)).slice(0, limits.phones);
  }

  approve(udns: readonly string[], evidence?: Readonly<Record<string, PhoneEvidence>>): void {
    this.#options.journal.approve(udns, evidence);
    this.#approved = this.#options.journal.approved();
    for (const link of this.#links.values()) link.setApproved(this.#counts(link.udn, link.evidence));
  }

  /** Looks at everything anew: the connection to the cloud stands again. */
  examine(): void {
    for (const link of this.#links.values()) link.examine();
  }

  /** The agent was stopped for so long. What a phone tells waits in the system for a while; after that it gives up. */
  onResumed(awayMs: number): void {
    for (const link of this.#links.values()) {
      if (awayMs >= eventsWaitMs) link.examine();
      else link.probeSubscription();
    }
  }

  onFound(found: Advertisement): void {
    const link = this.#linkOf(found);
    link?.onHeard('alive');
    if (link === undefined || !this.#isAt(link, found)) this.#fetchFrom(found);
  }

  /** Announced again, or found by a search. */
  onHeard(found: Advertisement, kind: 'answer' | 'alive'): void {
    const link = this.#linkOf(found);
    link?.onHeard(kind);
    const isElsewhere = link !== undefined && (!link.online || !this.#isSettled(link)) && !this.#isAt(link, found);
    if (link === undefined || isElsewhere) this.#fetchFrom(found);
  }

  /** Rebooted, moved or changed, it says. Nothing is dropped before the phone itself has been asked. */
  onRenewed(found: Advertisement): void {
    this.#ignored.delete(found.location);
    const link = this.#linkOf(found);
    link?.onHeard('rebooted');
    if (link === undefined || !this.#isAt(link, found)) this.#fetchFrom(found);
  }

  /** An advertisement can be forged: a phone that still answers has not gone (requirement Z12). */
  onGone(udn: string, reason: 'byebye' | 'expired' | 'evicted'): void {
    if (reason === 'evicted') return;
    this.#links.get(this.#knownNameOf(udn) ?? udn)?.onGoodbye();
  }

  /** Whether an advertisement means the very place of a link, or the same phone by its other IP version. */
  #isAt(link: PhoneLink, { location }: Advertisement): boolean {
    const [known, found] = [parseHttpUrl(link.location), parseHttpUrl(location)];
    if (link.location === location || known === undefined || found === undefined) return true;
    return link.online && this.#isSettled(link) && !sameFamily(known, found);
  }

  /**
   * A phone that came back by IPv6 first is not yet where the household approved it: its IPv4 address is, and counts as
   * soon as it is heard.
   */
  #isSettled({ udn, evidence }: PhoneLink): boolean {
    return !this.#approved.has(udn) || this.#counts(udn, evidence);
  }

  /** By its name, or else by its place: an invented name for a known place is no second phone. */
  #linkOf(found: Advertisement): PhoneLink | undefined {
    const byName = this.#links.get(this.#knownNameOf(found.udn) ?? '');
    return byName ?? [...this.#links.values()].find((link) => link.location === found.location);
  }

  /** UDNs are compared without regard to case (D12); a phone keeps the spelling under which it is known. */
  #knownNameOf(udn: string): string | undefined {
    if (this.#links.has(udn) || this.#absent.has(udn) || this.#approved.has(udn)) return udn;
    const wanted = udn.toLowerCase();
    for (const names of [this.#approved.keys(), this.#options.trust, this.#links.keys(), this.#absent.keys()]) {
      for (const name of names) if (name.toLowerCase() === wanted) return name;
    }
    return undefined;
  }

  #onLeft(link: PhoneLink): void {
    if (this.#stopping.signal.aborted || this.#links.get(link.udn) !== link) return;
    this.#links.delete(link.udn);
    this.#remember(link);
    this.#track(link.stop());
    this.#options.report('A phone has left the network.');
    this.#options.onChanged();
    if (link.location === this.#options.pinned) this.#lookAtPinnedLater();
  }

  /** Bounded: strangers that came and went are forgotten before phones of the household. */
  #remember(link: PhoneLink): void {
    const presence = { ...link.presence(), online: false };
    this.#absent.set(link.udn, { presence, location: link.location });
    if (this.#absent.size <= limits.phones) return;
    const [oldest] = this.#absent.keys();
    const stranger = [...this.#absent.keys()].find((udn) => !this.#approved.has(udn)) ?? oldest;
    if (stranger !== undefined) this.#absent.delete(stranger);
  }

  /** The same phone with other services, or other URLs of them. */
  #onDescribed(link: PhoneLink, device: DeviceDescription, where: PeerRoute): void {
    const nowMs = performance.now();
    if (this.#links.get(link.udn) !== link || messagingOf(device) === undefined) return;
    if (nowMs - (this.#replacedAtMs.get(link.udn) ?? Number.NEGATIVE_INFINITY) < replaceAgainMs) return;
    this.#replacedAtMs.set(link.udn, nowMs);
    this.#track(this.#replace(link.udn, device, link.location, where));
  }

  /**
   * Whoever says that it is a phone of ours, but elsewhere, is a stranger as long as the phone answers where it was: its
   * messages are not for that stranger (requirements Z12, Z13). Two ports of one address are twins, and the pick stays;
   * IPv4 beside IPv6 is how one phone is found twice (D15).
   */
  async #stays(link: PhoneLink, claimed: string): Promise<boolean> {
    const [place, other] = [authorityOf(link.location), authorityOf(claimed)];
    if (place === other || !(await link.isThere())) return false;
    const [known, found] = [parseHttpUrl(link.location), parseHttpUrl(claimed)];
    const isTwin = known === undefined || found === undefined || known.host === found.host || !sameFamily(known, found);
    if (!isTwin)
      this.#tellOnce(`Warning: ${other} claims to be the phone that still answers at ${place}. It is left out.`);
    return true;
  }

  #fetchFrom({ location, udn, bootId, from, interfaceName }: Advertisement): void {
    const ignored = this.#ignored.get(location);
    if (ignored?.bootId === bootId && performance.now() < (ignored?.untilMs ?? 0)) return;
    this.#fetch({ location, udn, bootId, where: { peer: from, interfaceName } });
  }

  #fetch(claim: Claim, attempt = 0): void {
    const { location, udn } = claim;
    const known = udn === undefined ? undefined : this.#knownNameOf(udn);
    const wasHere = [...this.#absent.values()].some((absent) => absent.location === location);
    const standing = udn === undefined || wasHere ? 'known-place' : known === undefined ? 'unknown' : 'known-name';
    clearTimeout(this.#retries.get(location));
    this.#retries.delete(location);
    const work = () => this.#describe(claim).catch((error: unknown) => this.#onUnreadable(claim, error, attempt));
    const host = parseHttpUrl(location)?.host ?? '';
    const isTaken = this.#descriptions.add({ location, host, standing, work });
    // A host that somebody made us ask too often: a phone of ours among its claims is asked in its turn.
    if (!isTaken && standing !== 'unknown') this.#fetchLater(claim, attempt, retryTimes.firstMs);
  }

  /** A phone that is just starting announces itself before it can answer, and is told as found only once. */
  #onUnreadable(claim: Claim, error: unknown, attempt: number): void {
    const { location, udn } = claim;
    if (this.#stopping.signal.aborted) return;
    if (attempt === 0) this.#reportUnreadable(location, error);
    if (udn === undefined) {
      this.#lookAtPinnedLater();
      return;
    }
    const hasRoom = this.isKnown(udn) || this.#retries.size < mostRetrying;
    if (attempt >= mostRetries || !hasRoom) return;
    this.#fetchLater(claim, attempt + 1, backOffMs(retryTimes, attempt));
  }

  #fetchLater(claim: Claim, attempt: number, afterMs: number): void {
    if (this.#retries.size >= mostTold) return;
    clearTimeout(this.#retries.get(claim.location));
    this.#retries.set(
      claim.location,
      setTimeout(() => this.#fetch(claim, attempt), afterMs),
    );
  }

  #reportUnreadable(location: string, error: unknown): void {
    const words = error instanceof Error ? error.message : String(error);
    this.#tellOnce(`The device at ${authorityOf(location)} cannot be asked what it is: ${words}`);
  }

  #lookAtPinned(): void {
    if (this.#options.pinned !== undefined) this.#fetch({ location: this.#options.pinned, udn: undefined, where: {} });
  }

  #lookAtPinnedLater(): void {
    clearTimeout(this.#pinTimer);
    this.#pinTimer = setTimeout(() => this.#lookAtPinned(), this.#options.pinnedRetryMs ?? 10_000);
  }

  async #describe({ location, udn: advertised, bootId, where }: Claim): Promise<void> {
    const { network } = this.#options;
    const signal = this.#stopping.signal;
    const root = await readDescription(new DeviceNetwork(network, where), location, { signal });
    const devices = [...walkDevices(root)];
    const phones = devices.filter((device) => messagingOf(device) !== undefined);
    if (phones.length === 0) this.#ignore(location, bootId);
    for (const device of phones) {
      const udn = this.#nameOf(devices.length === 1 ? advertised : undefined, device);
      if (udn === '') continue;
      if (device.services.filter(isMessaging).length > 1)
        this.#tellOnce(
          `Warning: the phone at ${authorityOf(location)} has two Messaging services; one of them is used.`,
        );
      await this.#link(udn, device, location, where);
    }
  }

  /**
   * The description decides what a phone is called: anybody can put an invented name into a datagram. Only where the
   * household has approved the announced name of a lone device, as earlier agents asked it to, does that stand (S15).
   */
  #nameOf(advertised: string | undefined, device: DeviceDescription): string {
    const described = device.udn === '' ? undefined : (this.#knownNameOf(device.udn) ?? device.udn);
    if (described !== undefined && this.isKnown(described)) return described;
    const approved = advertised === undefined ? undefined : this.#knownNameOf(advertised);
    if (approved !== undefined && (this.#approved.has(approved) || this.#options.trust.has(approved))) return approved;
    return described ?? advertised ?? '';
  }

  #ignore(location: string, bootId: number | undefined): void {
    // Bounded: a house has few devices, a hostile one may invent many.
    if (this.#ignored.size >= mostIgnored) this.#ignored.clear();
    this.#ignored.set(location, { bootId, untilMs: performance.now() + ignoredForMs });
  }

  async #link(udn: string, device: DeviceDescription, location: string, where: PeerRoute): Promise<void> {
    const before = this.#links.get(udn);
    if (this.#stopping.signal.aborted) return;
    if (before === undefined && !this.#hasRoomFor(udn, device, location)) return;
    if (before?.location === location) return;
    const isApprovedHere = this.#counts(udn, deviceEvidenceOf(device, location));
    const isBetter = before !== undefined && isApprovedHere && !this.#counts(udn, before.evidence);
    if (before !== undefined && !isBetter && (await this.#stays(before, location))) return;
    await this.#replace(udn, device, location, where);
  }

  async #replace(udn: string, device: DeviceDescription, location: string, where: PeerRoute): Promise<void> {
    const service = messagingOf(device);
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
      interfaceName: where.interfaceName,
      trusted: trust.has(udn) || this.#pinnedUdns.has(udn),
      compareMs: this.#options.compareMs ?? (this.#pinnedUdns.has(udn) ? pinnedCompareMs : undefined),
      approves: (evidence) => this.#counts(udn, evidence),
      onLeft: (left) => this.#onLeft(left),
      onDescribed: (described, news) => this.#onDescribed(described, news, where),
    });
    this.#links.set(udn, link);
    this.#absent.delete(udn);
    if (before === undefined) {
      this.#options.report(`Found a phone at ${authorityOf(location)}.`);
      this.#options.onFound(udn);
    }
    this.#options.onChanged();
    // Not waited for: a device that is slow to grant must not hold up the descriptions of others.
    this.#track(Promise.all([link.start(), this.#checkService(service.scpdUrl, where)]));
  }

  /** Strangers, however many a machine invents, leave room for the phones of the household (Z11). */
  #hasRoomFor(udn: string, device: DeviceDescription, location: string): boolean {
    if (this.#approved.has(udn) || this.#options.trust.has(udn) || location === this.#options.pinned) {
      if (this.#links.size >= limits.phones) this.#letGo(this.#strangersHere()[0]);
      return true;
    }
    const { address } = deviceEvidenceOf(device, location);
    const strangers = this.#strangersHere();
    const isCrowded = strangers.filter((link) => link.evidence.address === address).length >= mostUnapprovedPerHost;
    if (this.#links.size >= limits.phones) this.#letGo(strangers.find((link) => !link.online));
    if (!isCrowded && this.#links.size < limits.phones) return true;
    const words = isCrowded
      ? `more than ${mostUnapprovedPerHost} phones at ${address} that nobody has approved`
      : `more than ${limits.phones} phones`;
    this.#tellOnce(`Warning: ${words}; the others are left out.`);
    return false;
  }

  /** Those that do not answer first. */
  #strangersHere(): PhoneLink[] {
    const strangers = [...this.#links.values()].filter(
      ({ udn }) => !this.#approved.has(udn) && !this.#options.trust.has(udn) && !this.#pinnedUdns.has(udn),
    );
    return strangers.sort((one, other) => Number(one.online) - Number(other.online));
  }

  #letGo(link: PhoneLink | undefined): void {
    if (link === undefined) return;
    this.#links.delete(link.udn);
    this.#track(link.stop());
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line)) return;
    if (this.#told.size >= mostTold) this.#told.clear();
    this.#told.add(line);
    this.#options.report(line);
  }

  #track(work: Promise<unknown>): void {
    this.#starting.add(work);
    void work.finally(() => this.#starting.delete(work));
  }

  /** A service description that cannot be read costs nothing: the actions are known (S8). */
  async #checkService(scpdUrl: string | undefined, where: PeerRoute): Promise<void> {
    if (scpdUrl === undefined) return;
    const { network, report } = this.#options;
    const { signal } = this.#stopping;
    const scpd = await readScpd(new DeviceNetwork(network, where), scpdUrl, { signal }).catch(() => undefined);
    if (scpd === undefined || scpd.actions.some((action) => action.name === 'SearchMessages')) return;
    report('Warning: the phone does not list the action SearchMessages; its messages may not be seen.');
  }
}

function isMessaging({ name }: { readonly name: string }): boolean {
  return name.toLowerCase() === 'messaging';
}

/** Of two, the one of the later version: it is the other one with more. */
function messagingOf(device: DeviceDescription) {
  const [first, ...others] = device.services.filter(isMessaging);
  return others.reduce((best, one) => (one.version > (best?.version ?? 0) ? one : best), first);
}
