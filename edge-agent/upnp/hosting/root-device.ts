// A device's whole life on the LAN: its HTTP servers and its announcements, kept in step with the interfaces (H5, H23, Z9).
import { type LocalInterface, listInterfaces } from '../network/address.ts';
import { speaksSsdp, zonedAddress } from '../network/multicast.ts';
import { DeviceHost, type HostedFile } from './device-host.ts';
import type { HostedDevice, HostedService } from './hosted-device.ts';
import { targetsOf } from './search-answer.ts';
import { type AdvertisedLink, SsdpAdvertiser } from './ssdp-advertiser.ts';

export interface RootDeviceOptions {
  readonly device: HostedDevice;
  /** Names of interfaces; none means all but loopback. */
  readonly interfaces: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  readonly ssdpPort?: number;
  readonly server: string;
  readonly bootId: number;
  /** How often the interfaces are looked at; 5 s unless told. */
  readonly watchMs?: number;
  /** Decides and keeps the BOOTID that follows when an interface is added. */
  nextBootId(bootId: number): number;
  fileAt?(path: string): HostedFile | undefined;
  allows?(address: string): boolean;
  onFault(error: Error): void;
}

const standardWatchMs = 5000;

export class RootDevice {
  readonly #options: RootDeviceOptions;
  readonly #host: DeviceHost;
  readonly #advertiser: SsdpAdvertiser;
  readonly #links = new Map<string, AdvertisedLink>();
  readonly #refused = new Set<string>();
  #watch: NodeJS.Timeout | undefined;
  #adapting: Promise<void> = Promise.resolve();

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

  /** Rejects where no address is there to be hosted at, or a port is taken. */
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
      this.#adapting = this.#adapting.then(() => this.#adapt());
    }, this.#options.watchMs ?? standardWatchMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#adapting;
    await this.#advertiser.stop();
    await this.#host.stop();
    this.#links.clear();
  }

  publish(service: HostedService, variables: readonly string[]): void {
    this.#host.publish(service, variables);
  }

  /** URLs of the description, one an address. */
  get locations(): string[] {
    return [...this.#links.values()].map(({ location }) => location);
  }

  get origins(): string[] {
    return this.#host.origins;
  }

  #addresses(): LocalInterface[] {
    return listInterfaces(this.#options.interfaces).filter(speaksSsdp);
  }

  /** Follows a DHCP change or a cable: leaves addresses that went, then takes up those that came. */
  async #adapt(): Promise<void> {
    const present = new Map(this.#addresses().map((at) => [zonedAddress(at), at]));
    for (const [key, { at }] of this.#links) {
      if (present.has(key)) continue;
      this.#links.delete(key);
      await this.#advertiser.remove(at);
      await this.#host.close(at);
    }
    for (const [key, at] of present) if (!this.#links.has(key)) await this.#takeUp(key, at);
  }

  /** An address that cannot be used yet is tried again at each look, and told once. */
  async #takeUp(key: string, at: LocalInterface): Promise<void> {
    try {
      const link = { at, location: await this.#host.open(at) };
      await this.#advertiser.add(link);
      this.#links.set(key, link);
      this.#refused.delete(key);
    } catch (error) {
      await this.#host.close(at);
      if (!this.#refused.has(key)) this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
      this.#refused.add(key);
    }
  }
}
