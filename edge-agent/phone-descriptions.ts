// Fetches the descriptions of advertised devices, retries failed fetches, and skips devices without messages.
import { backOffMs } from '../shared/back-off.ts';
import { DescriptionQueue } from './description-queue.ts';
import type { ReportOnce } from './report-once.ts';
import {
  type DeviceDescription,
  readDescription,
  type ServiceDescription,
  walkDevices,
} from './upnp/description/description.ts';
import type { Advertisement } from './upnp/discovery/ssdp.ts';
import { DeviceNetwork, type PeerRoute } from './upnp/network/device-network.ts';
import { authorityOf, parseHttpUrl } from './upnp/network/http-url.ts';
import type { Network } from './upnp/network/network.ts';

export interface FoundPhone {
  readonly device: DeviceDescription;
  /** The UDN in its advertisement; undefined for a pinned URL and for one of several devices in a description. */
  readonly advertisedUdn: string | undefined;
  readonly location: string;
  readonly route: PeerRoute;
}

export interface PhoneDescriptionsOptions {
  readonly network: Network;
  /** The description URL of a phone that discovery cannot find. */
  readonly pinned: string | undefined;
  /** How often to retry a pinned phone that does not answer; default 10 s. */
  readonly pinnedRetryMs?: number | undefined;
  readonly log: ReportOnce;
  /** Whether a phone with this UDN is or was here, or is approved. */
  isKnown(udn: string): boolean;
  /** Whether a phone of ours was last at this location. */
  wasAt(location: string): boolean;
  onPhone(found: FoundPhone): Promise<void>;
}

/** A description to fetch, and its advertisement. */
interface Source {
  readonly location: string;
  /** From the advertisement; undefined for the pinned URL. */
  readonly udn: string | undefined;
  readonly bootId?: number | undefined;
  readonly route: PeerRoute;
}

const maxRetries = 9;
/** 2 s, 4 s, … together 17 minutes; after that only another announcement causes a fetch. */
const retryTimes = { firstMs: 2000, capMs: 2000 * 2 ** maxRetries };
const maxUnknownRetrying = 64;
const maxRetrying = 256;
/** Fetch a device without Messaging again after this, even with an unchanged BOOTID: some switch the service on later. */
const ignoredForMs = 10 * 60_000;
const maxIgnored = 1000;
const defaultPinnedRetryMs = 10_000;

export class PhoneDescriptions {
  readonly #options: PhoneDescriptionsOptions;
  readonly #queue = new DescriptionQueue();
  /** Description URLs without a Messaging service, with the BOOTID at that time. */
  readonly #ignored = new Map<string, { readonly bootId: number | undefined; readonly untilMs: number }>();
  /** Retry timers by location. */
  readonly #retries = new Map<string, NodeJS.Timeout>();
  #pinTimer: NodeJS.Timeout | undefined;
  #stopping = new AbortController();

  constructor(options: PhoneDescriptionsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#fetchPinned();
  }

  /** Drops what waits, and resolves when no fetch is in flight. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The agent stops.'));
    clearTimeout(this.#pinTimer);
    for (const retry of this.#retries.values()) clearTimeout(retry);
    this.#retries.clear();
    await this.#queue.stop();
  }

  fetch({ location, udn, bootId, from, interfaceName }: Advertisement): void {
    const ignored = this.#ignored.get(location);
    if (ignored?.bootId === bootId && performance.now() < (ignored?.untilMs ?? 0)) return;
    this.#fetch({ location, udn, bootId, route: { peer: from, interfaceName } });
  }

  /** The device at this location may have changed: fetch it again even if it had no Messaging service. */
  forget(location: string): void {
    this.#ignored.delete(location);
  }

  retryPinned(): void {
    clearTimeout(this.#pinTimer);
    this.#pinTimer = setTimeout(() => this.#fetchPinned(), this.#options.pinnedRetryMs ?? defaultPinnedRetryMs);
  }

  #fetchPinned(): void {
    const { pinned } = this.#options;
    if (pinned !== undefined) this.#fetch({ location: pinned, udn: undefined, route: {} });
  }

  #fetch(source: Source, attempt = 0): void {
    const { location, udn } = source;
    const { isKnown, wasAt } = this.#options;
    const isKnownLocation = udn === undefined || wasAt(location);
    const standing = isKnownLocation ? 'known-location' : isKnown(udn) ? 'known-udn' : 'unknown';
    clearTimeout(this.#retries.get(location));
    this.#retries.delete(location);
    const work = () => this.#describe(source).catch((error: unknown) => this.#onUnreadable(source, error, attempt));
    const host = parseHttpUrl(location)?.host ?? '';
    const isQueued = this.#queue.add({ location, host, standing, work });
    // A flood may have used up the host's share. A phone of ours is then fetched later instead of dropped.
    if (!isQueued && standing !== 'unknown') this.#fetchLater(source, attempt, retryTimes.firstMs);
  }

  /** A starting phone announces itself before it can answer, and discovery reports it as found only once. */
  #onUnreadable(source: Source, error: unknown, attempt: number): void {
    const { location, udn } = source;
    if (this.#stopping.signal.aborted) return;
    if (attempt === 0) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.report(`The description of the device at ${authorityOf(location)} cannot be read: ${message}`);
    }
    if (udn === undefined) {
      this.retryPinned();
      return;
    }
    const hasRoom = this.#options.isKnown(udn) || this.#retries.size < maxUnknownRetrying;
    if (attempt >= maxRetries || !hasRoom) return;
    this.#fetchLater(source, attempt + 1, backOffMs(retryTimes, attempt));
  }

  #fetchLater(source: Source, attempt: number, afterMs: number): void {
    if (this.#retries.size >= maxRetrying) return;
    clearTimeout(this.#retries.get(source.location));
    this.#retries.set(
      source.location,
      setTimeout(() => this.#fetch(source, attempt), afterMs),
    );
  }

  async #describe({ location, udn, bootId, route }: Source): Promise<void> {
    const { network, log, onPhone } = this.#options;
    const signal = this.#stopping.signal;
    const root = await readDescription(new DeviceNetwork(network, route), location, { signal });
    const devices = [...walkDevices(root)];
    const phones = devices.filter((device) => messagingServiceOf(device) !== undefined);
    if (phones.length === 0) this.#ignore(location, bootId);
    const advertisedUdn = devices.length === 1 ? udn : undefined;
    for (const device of phones) {
      if (device.services.filter(isMessaging).length > 1) {
        log.report(
          `Warning: the phone at ${authorityOf(location)} has two Messaging services. Only the newer one is used.`,
        );
      }
      await onPhone({ device, advertisedUdn, location, route });
    }
  }

  #ignore(location: string, bootId: number | undefined): void {
    // Bounded: a home has few devices, but a hostile one may invent many.
    if (this.#ignored.size >= maxIgnored) this.#ignored.clear();
    this.#ignored.set(location, { bootId, untilMs: performance.now() + ignoredForMs });
  }
}

function isMessaging({ name }: { readonly name: string }): boolean {
  return name.toLowerCase() === 'messaging';
}

/** The Messaging service of a device; of two, the one with the higher version, which is a superset. */
export function messagingServiceOf(device: DeviceDescription): ServiceDescription | undefined {
  const [first, ...others] = device.services.filter(isMessaging);
  return others.reduce((best, one) => (one.version > (best?.version ?? 0) ? one : best), first);
}
