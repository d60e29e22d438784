// Runs a hosted device: its HTTP servers and announcements follow the interfaces (H5, H23, Z9).
import { type LocalInterface, listInterfaces } from '../network/address.ts';
import { speaksSsdp, zonedAddress } from '../network/multicast.ts';
import { DeviceHost, type HostedFile } from './device-host.ts';
import type { HostedDevice, HostedService } from './hosted-device.ts';
import { targetsOf } from './search-answer.ts';
import { type AdvertisedLink, SsdpAdvertiser } from './ssdp-advertiser.ts';

export interface RootDeviceOptions {
  readonly device: HostedDevice;
  /** Interface names; empty means all but loopback. */
  readonly interfaces: readonly string[];
  /** 0 picks a free port. */
  readonly port: number;
  readonly ssdpPort?: number;
  readonly server: string;
  readonly bootId: number;
  /** How often to check the interfaces; default 5 s. */
  readonly watchMs?: number;
  /** Returns and persists the BOOTID to use after an interface is added. */
  nextBootId(bootId: number): number;
  fileAt?(path: string): HostedFile | undefined;
  allows?(address: string): boolean;
  onFault(error: Error): void;
}

const defaultWatchMs = 5000;

export class RootDevice {
  readonly #options: RootDeviceOptions;
  readonly #host: DeviceHost;
  readonly #advertiser: SsdpAdvertiser;
  readonly #links = new Map<string, AdvertisedLink>();
  readonly #reported = new Set<string>();
  #watch: NodeJS.Timeout | undefined;
  #syncing: Promise<void> = Promise.resolve();

  constructor(options: RootDeviceOptions) {
    this.#options = options;
    this.#host = new DeviceHost(options);
    this.#advertiser = new SsdpAdvertiser({
      targets: targetsOf(options.device),
      server: options.server,
      bootId: options.bootId,
      configId: this.#host.configId,
      ...(options.ssdpPort === undefined ? {} : { port: options.ssdpPort }),
      nextBootId: options.nextBootId,
      onFault: options.onFault,
    });
  }

  /** Rejects when there is no address to listen on, or a port is taken. */
  async start(): Promise<void> {
    const found = this.#addresses();
    if (found.length === 0) {
      const names = this.#options.interfaces.join(', ') || 'any interface but loopback';
      throw new Error(`There is no address on ${names}.`);
    }
    try {
      const links: AdvertisedLink[] = [];
      for (const at of found) links.push({ at, location: await this.#host.open(at) });
      for (const link of await this.#advertiser.start(links)) this.#links.set(zonedAddress(link.at), link);
      for (const { at } of links) if (!this.#links.has(zonedAddress(at))) await this.#host.close(at);
    } catch (error) {
      await this.#host.stop();
      throw error;
    }
    this.#watch = setInterval(() => {
      this.#syncing = this.#syncing.then(() => this.#syncInterfaces());
    }, this.#options.watchMs ?? defaultWatchMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#syncing;
    await this.#advertiser.stop();
    await this.#host.stop();
    this.#links.clear();
  }

  publish(service: HostedService, variables: readonly string[]): void {
    this.#host.publish(service, variables);
  }

  /** The description's URLs, one per address. */
  get locations(): string[] {
    return [...this.#links.values()].map(({ location }) => location);
  }

  get origins(): string[] {
    return this.#host.origins;
  }

  #addresses(): LocalInterface[] {
    return listInterfaces(this.#options.interfaces).filter(speaksSsdp);
  }

  /** Follows DHCP and cable changes: closes addresses that disappeared, then opens new ones. */
  async #syncInterfaces(): Promise<void> {
    const present = new Map(this.#addresses().map((at) => [zonedAddress(at), at]));
    for (const [key, { at }] of this.#links) {
      if (present.has(key)) continue;
      this.#links.delete(key);
      await this.#advertiser.remove(at);
      await this.#host.close(at);
    }
    for (const [key, at] of present) if (!this.#links.has(key)) await this.#openLink(key, at);
  }

  /** Opens an address. A failure is reported once and retried at each check. */
  async #openLink(key: string, at: LocalInterface): Promise<void> {
    try {
      const link = { at, location: await this.#host.open(at) };
      await this.#advertiser.add(link);
      this.#links.set(key, link);
      this.#reported.delete(key);
    } catch (error) {
      await this.#host.close(at);
      if (!this.#reported.has(key)) this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
      this.#reported.add(key);
    }
  }
}
