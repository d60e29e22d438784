// Discovery: searches for devices and receives their announcements. UPnP Device Architecture 2.0, chapter 1. Requirements D1–D24.
import type { RemoteInfo, Socket } from 'node:dgram';
import { interfaceOf, type LocalInterface, listInterfaces, objectionTo } from '../network/address.ts';
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
  speaksSsdp,
} from '../network/multicast.ts';
import { parseSsdp, ssdpAddress, writeSsdp } from './ssdp-message.ts';
import { type Advertisement, type RegistryEvents, SsdpRegistry } from './ssdp-registry.ts';

export type { Advertisement } from './ssdp-registry.ts';

export interface DiscoveryOptions extends RegistryEvents {
  /** Interface names to use; empty means all but loopback. */
  interfaces: readonly string[];
  /** Types to search for, each version listed: some devices answer to their own version only (D5). */
  targets: readonly string[];
  /** UDNs hosted by this process. */
  ignoreUdns?: ReadonlySet<string>;
  /** Known devices are never evicted by a flood. */
  isKnown?: (udn: string) => boolean;
  /** Default 1900; tests use another. */
  port?: number;
  /** How often to search again; default 5 minutes. */
  searchIntervalMs?: number;
  /** How often to check interfaces and expiry; default 1 s. */
  tickMs?: number;
  /** Accept devices at this machine's own addresses. */
  allowOwnAddress?: boolean;
  /** Monotonic time in milliseconds; default `performance.now`. */
  nowMs?: () => number;
  /** Our name in searches (CPFN.UPNP.ORG). */
  controlPointName?: string;
  /** Reports a socket that does not work; discovery continues without it and retries. */
  onFault(error: Error): void;
}

/** The sockets of one local address: `searcher` sends searches and receives their answers (D1, D2). */
interface Link {
  readonly at: LocalInterface;
  readonly searcher: Socket;
}

/** Seconds over which devices spread their answers; later answers are accepted too (D6). */
const mx = 2;
const copies = 3;
const copyGapMs = 150;
/** A cable, Wi-Fi or bridge that just came up carries no traffic for its first seconds. */
const searchAgainMs = [3000, 10_000];
/** Pause before a failed interface is retried. */
const retryMs = 30_000;

export class SsdpDiscovery {
  readonly #options: DiscoveryOptions;
  readonly #port: number;
  readonly #registry: SsdpRegistry;
  readonly #links = new Map<string, Link>();
  readonly #listeners = new Map<Family, Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #interfaces: readonly LocalInterface[] = [];
  /** The last interface refresh, in flight or done; it never rejects. */
  #refreshing: Promise<void> = Promise.resolve();
  readonly #retryAtMs = new Map<string, number>();
  #ticker: NodeJS.Timeout | undefined;
  #searcher: NodeJS.Timeout | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#port = options.port ?? ssdpAddress.port;
    this.#registry = new SsdpRegistry({
      targets: options.targets,
      ignoreUdns: options.ignoreUdns ?? new Set(),
      objectionTo: (address) => this.#objectionTo(address),
      isKnown: options.isKnown,
      events: options,
    });
  }

  /** Starting without any interface is no error: interfaces are watched (D23). */
  async start(): Promise<void> {
    this.#ticker = setInterval(() => this.#tick(), this.#options.tickMs ?? 1000);
    this.#searcher = setInterval(() => this.search(), this.#options.searchIntervalMs ?? 300_000);
    this.#refreshing = this.#syncInterfaces();
    await this.#refreshing;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    clearInterval(this.#searcher);
    this.#ticker = undefined;
    this.#searcher = undefined;
    for (const copy of this.#timers) clearTimeout(copy);
    this.#timers.clear();
    await this.#refreshing;
    const sockets = [...[...this.#links.values()].map((link) => link.searcher), ...this.#listeners.values()];
    this.#links.clear();
    this.#listeners.clear();
    await Promise.all(sockets.map(close));
  }

  /** Searches every link for every target, three times: UDP on Wi-Fi loses many datagrams (D4). */
  search(): void {
    for (const link of this.#links.values()) this.#searchOn(link);
  }

  #searchOn(link: Link): void {
    const group = groupOf(link.at);
    for (let copy = 0; copy < copies; copy++) {
      this.#after(copy * copyGapMs, () => {
        for (const target of this.#options.targets)
          this.#send(link, this.#searchFor(target, group, mx), group, this.#port);
      });
    }
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  /** A search without MX is unicast, and the device answers it at once (D19). */
  #searchFor(target: string, host: string, spread: number | undefined): Buffer {
    return writeSsdp('M-SEARCH * HTTP/1.1', [
      ['HOST', hostAndPort(host.replace(/%.*/, '').toUpperCase(), this.#port)],
      ['MAN', '"ssdp:discover"'],
      ...(spread === undefined ? [] : [['MX', String(spread)] as const]),
      ['ST', target],
      ['USER-AGENT', 'Node.js/1 UPnP/2.0 ControlPoint/1'],
      ['CPFN.UPNP.ORG', this.#options.controlPointName ?? 'ControlPoint'],
    ]);
  }

  #send(link: Link, datagram: Buffer, address: string, port: number): void {
    // The link may have closed between two copies, and a closed socket throws.
    if (this.#links.get(keyOf(link.at)) !== link) return;
    link.searcher.send(datagram, port, address, (error) => {
      // Sending fails while an interface goes down; the next refresh removes the link.
      if (error !== null && this.#links.has(keyOf(link.at))) this.#options.onFault(error);
    });
  }

  #tick(): void {
    this.#refreshing = this.#refreshing.then(() => this.#syncInterfaces());
    for (const silent of this.#registry.expire(this.#nowMs())) this.#probe(silent);
  }

  /** Sends a unicast search to a silent device. */
  #probe({ from, searchPort, target, interfaceName }: Advertisement): void {
    for (const link of this.#links.values()) {
      if (link.at.name !== interfaceName || interfaceOf(from, [link.at]) === undefined) continue;
      const address = link.at.scopeId === undefined ? from : `${from}%${interfaceName}`;
      this.#send(link, this.#searchFor(target, from, undefined), address, searchPort ?? this.#port);
      return;
    }
  }

  /** Opens and closes sockets to match the current interfaces, and searches new ones at once (D23). */
  async #syncInterfaces(): Promise<void> {
    const present = listInterfaces(this.#options.interfaces);
    this.#interfaces = present;
    const wanted = new Map(present.filter(speaksSsdp).map((at) => [keyOf(at), at]));
    for (const [key, link] of this.#links) {
      if (wanted.has(key)) continue;
      this.#links.delete(key);
      leave(this.#listeners.get(link.at.family), link.at);
      await close(link.searcher);
    }
    for (const [key, at] of wanted) {
      const isDue = performance.now() >= (this.#retryAtMs.get(key) ?? 0);
      if (this.#ticker !== undefined && isDue && !this.#links.has(key)) await this.#openLink(key, at);
    }
  }

  async #openLink(key: string, at: LocalInterface): Promise<void> {
    const link = { at, searcher: this.#socket(at.family, false, at) };
    try {
      await bindSpeaker(link.searcher, at);
      this.#reportErrorsOf(link.searcher);
      await this.#join(at);
    } catch (error) {
      this.#retryAtMs.set(key, performance.now() + retryMs);
      await close(link.searcher);
      this.#fault(error);
      return;
    }
    this.#links.set(key, link);
    this.#searchOn(link);
    for (const ms of searchAgainMs) this.#after(ms, () => this.#searchOn(link));
  }

  /** One listener per IP version, joined to the group on every interface (D3). Searching works without it. */
  async #join(at: LocalInterface): Promise<void> {
    const listener = this.#listeners.get(at.family) ?? this.#socket(at.family, true);
    try {
      if (!this.#listeners.has(at.family)) {
        await bindListener(listener, at.family, this.#port);
        this.#reportErrorsOf(listener);
        this.#listeners.set(at.family, listener);
      }
      join(listener, at);
    } catch (error) {
      if (!this.#listeners.has(at.family)) await close(listener);
      this.#fault(error);
    }
  }

  #socket(family: Family, shared: boolean, at?: LocalInterface): Socket {
    const socket = openSocket(family, shared);
    socket.on('message', (datagram, sender) => this.receive(datagram, sender, at));
    return socket;
  }

  #reportErrorsOf(socket: Socket): void {
    socket.on('error', (error) => this.#fault(error));
  }

  /**
   * Processes a datagram from any sender. Never throws and never answers.
   * @param at the interface of the receiving socket: an answer from a network that was not searched is dropped
   */
  receive(datagram: Uint8Array, sender: Pick<RemoteInfo, 'address' | 'port'>, at?: LocalInterface): void {
    const name = sender.address.split('%')[1] ?? at?.name;
    if (at !== undefined && name !== at.name) return;
    const near = name === undefined ? this.#interfaces : this.#interfaces.filter((one) => one.name === name);
    const via = interfaceOf(sender.address, near);
    if (via === undefined || this.#objectionTo(sender.address) !== undefined) return;
    const message = parseSsdp(datagram);
    if (message === undefined) return;
    try {
      this.#registry.receive({ message, from: sender.address, via }, this.#nowMs());
    } catch (error) {
      // An error in the caller's callback must not end the process through a socket (Z20).
      this.#fault(error);
    }
  }

  #objectionTo(address: string): string | undefined {
    if (this.#options.allowOwnAddress && this.#interfaces.some((at) => at.address === address)) return undefined;
    return objectionTo(address, this.#interfaces);
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? performance.now();
  }

  #fault(error: unknown): void {
    this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
  }
}

function keyOf(at: LocalInterface): string {
  return `${at.name} ${at.address}`;
}
