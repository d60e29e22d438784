// The device's side of SSDP: UPnP Device Architecture 2.0 §1.2 and §1.3.3. Requirements H1–H8, H23, Z10.
// One socket per IP version receives searches; one per link sends, so that a message leaves by the link its LOCATION names.
import type { RemoteInfo, Socket } from 'node:dgram';
import { parseSsdp, ssdpAddress, writeSsdp } from '../discovery/ssdp-message.ts';
import { interfaceOf, type LocalInterface } from '../network/address.ts';
import { hostAndPort } from '../network/http-url.ts';
import {
  bindListener,
  bindSpeaker,
  close,
  type Family,
  groupOf,
  join,
  leave,
  openSocket,
  zonedAddress,
} from '../network/multicast.ts';
import { matching, type Search, searchOf, type Target } from './search-answer.ts';
import { SearchLimit } from './search-limit.ts';

/** A link on which the device is announced, with its description URL there. */
export interface AdvertisedLink {
  readonly at: LocalInterface;
  readonly location: string;
}

export interface AdvertiserOptions {
  /** From `targetsOf`; the first is the device's UDN. */
  readonly targets: readonly Target[];
  readonly server: string;
  readonly bootId: number;
  readonly configId: number;
  /** Default 1900; tests use another. */
  readonly port?: number;
  /** Returns and persists the BOOTID to use after a link is added (H8). */
  nextBootId(bootId: number): number;
  onFault(error: Error): void;
}

interface Link extends AdvertisedLink {
  readonly socket: Socket;
}

const maxAgeSeconds = 1800;
const copies = 2;
const copyGapMs = 100;
/** Repeats announcements on a new link: messages are lost until a cable or Wi-Fi carries traffic. */
const repeatMs = 3000;

export class SsdpAdvertiser {
  readonly #options: AdvertiserOptions;
  readonly #port: number;
  readonly #links = new Map<string, Link>();
  readonly #limit = new SearchLimit();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #listeners = new Map<Family, Socket>();
  #bootId: number;

  constructor(options: AdvertiserOptions) {
    this.#options = options;
    this.#port = options.port ?? ssdpAddress.port;
    this.#bootId = options.bootId;
  }

  /**
   * Announces the device on these links and listens for searches. On IPv6 the address may not be ready, or multicast
   * forbidden: such a link is reported as a fault and left out of the result. On IPv4 it is an error.
   */
  async start(links: readonly AdvertisedLink[]): Promise<readonly AdvertisedLink[]> {
    const opened: AdvertisedLink[] = [];
    for (const link of links) {
      try {
        await this.#open(link);
        opened.push(link);
      } catch (error) {
        if (link.at.family === 'IPv4') {
          await this.#close();
          throw error;
        }
        this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
      }
    }
    // Revoke announcements of an earlier run first (H2).
    await this.#announceAll('ssdp:byebye');
    await this.#announceNew();
    this.#renew();
    return opened;
  }

  /** Sends byebye on every link, waits until it is on the wire, then closes (H2). */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (let copy = 0; copy < copies; copy++) await this.#announceAll('ssdp:byebye');
    await this.#close();
  }

  /** Adds a link at runtime. Known links announce the new BOOTID, then every link announces the device (H23). Rejects, and announces nothing, when the link takes no multicast. */
  async add(link: AdvertisedLink): Promise<void> {
    const known = [...this.#links.values()];
    await this.#open(link);
    const next = this.#options.nextBootId(this.#bootId);
    const update = [['NEXTBOOTID.UPNP.ORG', String(next)]] as const;
    await Promise.all(known.map((one) => this.#announce(one, 'ssdp:update', update)));
    this.#bootId = next;
    await this.#announceNew();
  }

  /** Removes a link; sends byebye if the link still works. */
  async remove(at: LocalInterface): Promise<void> {
    const link = this.#links.get(zonedAddress(at));
    if (link === undefined) return;
    await this.#announce(link, 'ssdp:byebye');
    this.#links.delete(zonedAddress(at));
    leave(this.#listeners.get(at.family), at);
    await close(link.socket);
  }

  /** Processes a datagram. Never throws; anything but a search from the same link is dropped (Z10). */
  receive(datagram: Uint8Array, from: RemoteInfo): void {
    // Port 0 cannot be answered. Some control points search from port 1900; answers are never answered, so no loop starts.
    if (from.port === 0) return;
    const zone = from.address.split('%')[1];
    const near = this.#interfaces().filter((at) => zone === undefined || at.name === zone);
    const via = interfaceOf(from.address, near);
    const link = via && this.#links.get(zonedAddress(via));
    const message = link && parseSsdp(datagram);
    const search = message && searchOf(message, groupHost(link.at));
    if (!link || !search) return;
    const found = matching(this.#options.targets, search.target);
    // On loopback many control points share one address, and amplification there harms only this host.
    const peer = link.at.internal ? `${from.address}:${from.port}` : from.address;
    if (found.length > 0 && this.#limit.allows(peer, search.target, found.length, Date.now())) {
      for (const target of found) this.#answer(link, search, target, from);
    }
  }

  #interfaces(): LocalInterface[] {
    return [...this.#links.values()].map(({ at }) => at);
  }

  #answer(link: Link, search: Search, target: Target, to: RemoteInfo): void {
    this.#after(Math.random() * search.withinMs, async () => {
      this.#limit.answered();
      await this.#send(link, to.port, to.address, 'HTTP/1.1 200 OK', [
        ['CACHE-CONTROL', `max-age=${maxAgeSeconds}`],
        ['DATE', new Date().toUTCString()],
        ['EXT', ''],
        ['LOCATION', link.location],
        ['SERVER', this.#options.server],
        ['ST', target.type],
        ['USN', target.usn],
        ...this.#counts(),
      ]);
    });
  }

  /** Announces again at about a third of the max-age, with jitter, so that devices do not synchronise (H1). */
  #renew(): void {
    this.#after(maxAgeSeconds * 1000 * (0.25 + Math.random() * 0.1), async () => {
      this.#renew();
      await this.#announceAll('ssdp:alive');
      this.#after(copyGapMs, () => this.#announceAll('ssdp:alive'));
    });
  }

  async #announceNew(): Promise<void> {
    await this.#announceAll('ssdp:alive');
    for (const ms of [copyGapMs, repeatMs]) this.#after(ms, () => this.#announceAll('ssdp:alive'));
  }

  async #announceAll(nts: string): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => this.#announce(link, nts)));
  }

  async #announce(link: Link, nts: string, more: readonly (readonly [string, string])[] = []): Promise<void> {
    const alive: readonly (readonly [string, string])[] = [
      ['CACHE-CONTROL', `max-age=${maxAgeSeconds}`],
      ['SERVER', this.#options.server],
    ];
    for (const target of this.#options.targets) {
      await this.#send(link, this.#port, groupOf(link.at), 'NOTIFY * HTTP/1.1', [
        ['HOST', `${groupHost(link.at)}:${this.#port}`],
        ...(nts === 'ssdp:alive' ? alive : []),
        ...(nts === 'ssdp:byebye' ? [] : ([['LOCATION', link.location]] as const)),
        ['NT', target.type],
        ['NTS', nts],
        ['USN', target.usn],
        ...this.#counts(),
        ...more,
      ]);
    }
  }

  #counts(): (readonly [string, string])[] {
    return [
      ['BOOTID.UPNP.ORG', String(this.#bootId)],
      ['CONFIGID.UPNP.ORG', String(this.#options.configId)],
    ];
  }

  /** Resolves when the system has taken the datagram. Errors are reported, not retried: UDP is unreliable anyway. */
  #send(link: Link, port: number, address: string, startLine: string, headers: readonly (readonly [string, string])[]) {
    return new Promise<void>((resolve) => {
      // The link may have closed between two messages, and a closed socket throws.
      if (this.#links.get(zonedAddress(link.at))?.socket !== link.socket) {
        resolve();
        return;
      }
      link.socket.send(writeSsdp(startLine, headers), port, address, (error) => {
        if (error) this.#options.onFault(error);
        resolve();
      });
    });
  }

  async #open(link: AdvertisedLink): Promise<void> {
    const { at } = link;
    const socket = openSocket(at.family, false);
    try {
      await bindSpeaker(socket, at);
      join(await this.#listenerFor(at.family), at);
    } catch (error) {
      await close(socket);
      throw error;
    }
    socket.on('error', (error) => this.#options.onFault(error));
    this.#links.set(zonedAddress(at), { ...link, socket });
  }

  async #listenerFor(family: Family): Promise<Socket> {
    const known = this.#listeners.get(family);
    if (known !== undefined) return known;
    const listener = openSocket(family, true);
    try {
      await bindListener(listener, family, this.#port);
    } catch (error) {
      await close(listener);
      throw error;
    }
    listener.on('error', (error) => this.#options.onFault(error));
    listener.on('message', (datagram, from) => this.receive(datagram, from));
    this.#listeners.set(family, listener);
    return listener;
  }

  async #close(): Promise<void> {
    const sockets = [...[...this.#links.values()].map(({ socket }) => socket), ...this.#listeners.values()];
    this.#links.clear();
    this.#listeners.clear();
    await Promise.all(sockets.map(close));
  }

  #after(ms: number, act: () => void | Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void act();
    }, ms);
    this.#timers.add(timer);
  }
}

/** The group as HOST names it, without a zone: `239.255.255.250`, `[FF02::C]`. */
function groupHost(at: LocalInterface): string {
  return at.family === 'IPv4' ? ssdpAddress.v4 : hostAndPort(ssdpAddress.v6.toUpperCase(), 80);
}
