// SSDP from the side of a device: UPnP Device Architecture 2.0 §1.2 and §1.3.3. Requirements H1–H8, H23, Z10.
// One socket for each IP version listens for searches; one a link sends, so that each message leaves by the link whose LOCATION it names.
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

/** A link on which the device is announced, and where its description is on it. */
export interface AdvertisedLink {
  readonly at: LocalInterface;
  readonly location: string;
}

export interface AdvertiserOptions {
  /** As `targetsOf` makes them; the first is the device's UDN. */
  readonly targets: readonly Target[];
  readonly server: string;
  readonly bootId: number;
  readonly configId: number;
  /** 1900 where not told; tests take another. */
  readonly port?: number;
  /** The number that follows when a link is added while the device runs; it must be kept for the next start (H8). */
  nextBootId(bootId: number): number;
  onFault(error: Error): void;
}

interface Link extends AdvertisedLink {
  readonly socket: Socket;
}

const maxAgeSeconds = 1800;
const copies = 2;
const copyGapMs = 100;
/** Once more after this where a link is new: until a cable or a Wi-Fi carries, what is said on it is lost. */
const sayAgainMs = 3000;

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
   * Announces the device on these links and listens for searches. An IPv6 address may not be ready yet, or multicast may be
   * forbidden on it: such a link is told as a fault and left out of the result. On IPv4 it is an error.
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
    // What an earlier life left behind is revoked first (H2).
    await this.#toAll('ssdp:byebye');
    await this.#introduce();
    this.#renew();
    return opened;
  }

  /** Says byebye on every link, waits until it is on the wire, then closes (H2). */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (let copy = 0; copy < copies; copy++) await this.#toAll('ssdp:byebye');
    await this.#close();
  }

  /** A link appeared while the device runs; rejects where it takes no multicast, and then nothing is said. Those who know the device learn its new BOOTID, then it is announced anew (H23). */
  async add(link: AdvertisedLink): Promise<void> {
    const known = [...this.#links.values()];
    await this.#open(link);
    const next = this.#options.nextBootId(this.#bootId);
    const update = [['NEXTBOOTID.UPNP.ORG', String(next)]] as const;
    await Promise.all(known.map((one) => this.#announce(one, 'ssdp:update', update)));
    this.#bootId = next;
    await this.#introduce();
  }

  /** A link went away; what can still be said on it is said. */
  async remove(at: LocalInterface): Promise<void> {
    const link = this.#links.get(zonedAddress(at));
    if (link === undefined) return;
    await this.#announce(link, 'ssdp:byebye');
    this.#links.delete(zonedAddress(at));
    leave(this.#listeners.get(at.family), at);
    await close(link.socket);
  }

  /** One datagram from anyone. Never throws; whatever is not a search from the same link is dropped (Z10). */
  receive(datagram: Uint8Array, from: RemoteInfo): void {
    // Port 0 cannot be answered. Some control points search from 1900 itself; nobody answers an answer, so no loop begins.
    if (from.port === 0) return;
    const zone = from.address.split('%')[1];
    const near = this.#interfaces().filter((at) => zone === undefined || at.name === zone);
    const via = interfaceOf(from.address, near);
    const link = via && this.#links.get(zonedAddress(via));
    const message = link && parseSsdp(datagram);
    const search = message && searchOf(message, groupHost(link.at));
    if (!link || !search) return;
    const found = matching(this.#options.targets, search.target);
    // On loopback many control points share one address, and what mirrors to oneself harms nobody else.
    const asker = link.at.internal ? `${from.address}:${from.port}` : from.address;
    if (found.length > 0 && this.#limit.allows(asker, search.target, found.length, Date.now())) {
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

  /** Announces again at a third of the time that an announcement holds, with jitter, so that devices do not fall in step (H1). */
  #renew(): void {
    this.#after(maxAgeSeconds * 1000 * (0.25 + Math.random() * 0.1), async () => {
      this.#renew();
      await this.#toAll('ssdp:alive');
      this.#after(copyGapMs, () => this.#toAll('ssdp:alive'));
    });
  }

  async #introduce(): Promise<void> {
    await this.#toAll('ssdp:alive');
    for (const ms of [copyGapMs, sayAgainMs]) this.#after(ms, () => this.#toAll('ssdp:alive'));
  }

  async #toAll(nts: string): Promise<void> {
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

  /** Resolves when the system has taken the datagram. What it does not take is told and not tried again: UDP promises nothing. */
  #send(link: Link, port: number, address: string, startLine: string, headers: readonly (readonly [string, string])[]) {
    return new Promise<void>((resolve) => {
      // Between two messages the link may have gone, and a closed socket throws.
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

/** The group's address as HOST names it, without its zone: `239.255.255.250`, `[FF02::C]`. */
function groupHost(at: LocalInterface): string {
  return at.family === 'IPv4' ? ssdpAddress.v4 : hostAndPort(ssdpAddress.v6.toUpperCase(), 80);
}
