// A device's whole life on the LAN: its HTTP servers and its announcements, kept in step with the interfaces (H5, H23, Z9).
import { type LocalInterface, listInterfaces } from './address.ts';
import { DeviceHost, type HostedFile } from './device-host.ts';
import type { HostedDevice, HostedService } from './hosted-device.ts';
import { targetsOf } from './search-answer.ts';
import { SsdpAdvertiser } from './ssdp-advertiser.ts';

export interface RootDeviceOptions {
  readonly device: HostedDevice;
  /** Names of interfaces; none means all but loopback. */
  readonly interfaces: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  readonly ssdpPort?: number;
  readonly server: string;
  readonly bootId: number;
  /** Decides and keeps the BOOTID that follows when an interface is added. */
  nextBootId(bootId: number): number;
  fileAt?(path: string): HostedFile | undefined;
  allows?(address: string): boolean;
  onFault(error: Error): void;
}

const watchMs = 5000;

export class RootDevice {
  readonly #options: RootDeviceOptions;
  readonly #host: DeviceHost;
  readonly #advertiser: SsdpAdvertiser;
  readonly #locations = new Map<string, string>();
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
      throw new Error(`There is no IPv4 address on ${names}.`);
    }
    try {
      for (const at of found) this.#locations.set(at.address, await this.#host.open(at));
      await this.#advertiser.start(found.map((at) => ({ at, location: this.#locations.get(at.address) ?? '' })));
    } catch (error) {
      await this.#host.stop();
      throw error;
    }
    this.#watch = setInterval(() => {
      this.#adapting = this.#adapting.then(() => this.#adapt());
    }, watchMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#adapting;
    await this.#advertiser.stop();
    await this.#host.stop();
    this.#locations.clear();
  }

  publish(service: HostedService, variables: readonly string[]): void {
    this.#host.publish(service, variables);
  }

  /** URLs of the description, one an address. */
  get locations(): string[] {
    return [...this.#locations.values()];
  }

  get origins(): string[] {
    return this.#host.origins;
  }

  /** IPv4 only: every control point that is known speaks it, and many speak nothing else. */
  #addresses(): LocalInterface[] {
    return listInterfaces(this.#options.interfaces).filter(({ family }) => family === 'IPv4');
  }

  /** Follows a DHCP change or a cable: leaves addresses that went, then takes up those that came. */
  async #adapt(): Promise<void> {
    try {
      const present = this.#addresses();
      const gone = [...this.#locations.keys()].filter((address) => !present.some((at) => at.address === address));
      for (const address of gone) {
        this.#locations.delete(address);
        await this.#advertiser.remove(address);
        await this.#host.close(address);
      }
      for (const at of present) {
        if (this.#locations.has(at.address)) continue;
        const location = await this.#host.open(at);
        this.#locations.set(at.address, location);
        await this.#advertiser.add({ at, location });
      }
    } catch (error) {
      this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
