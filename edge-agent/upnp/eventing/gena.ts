// Subscribing to events: UPnP Device Architecture 2.0, chapter 4. Keeps the callback servers and all subscriptions. Requirements E1–E24.
import { randomBytes } from 'node:crypto';
import { UpnpError } from '../error.ts';
import { canonicalAddress, interfaceOf, type LocalInterface } from '../network/address.ts';
import { parseHttpUrl } from '../network/http-url.ts';
import type { Network } from '../network/network.ts';
import { CallbackServer } from './gena-callback.ts';
import {
  type EventRoute,
  LiveSubscription,
  type SubscribeOptions,
  type SubscriptionProbe,
} from './gena-subscription.ts';

export type { GenaEvent, SubscribeOptions, SubscriptionProbe } from './gena-subscription.ts';

export interface Subscription {
  /** The identifier that the device gave; it changes when the subscription had to be made anew. */
  readonly sid: string;
  /** Asks the device whether it still keeps the subscription, by renewing it; makes it anew where it does not. */
  probe(): Promise<SubscriptionProbe>;
  /** UNSUBSCRIBE; nothing is reported afterwards. */
  cancel(): Promise<void>;
}

export interface GenaOptions {
  /** Of the callback servers; any unless told. */
  port?: number;
  /** The part of the granted time after which to renew; 0.6 unless told. */
  renewFraction?: number;
  /** The first pause before a lapsed subscription is asked for again; 30 s unless told. */
  retryMs?: number;
  /** How often our own addresses are looked at; 5 s unless told. */
  watchMs?: number;
  /** What a caller's own callback threw; a process warning unless told. */
  onFault?(error: unknown): void;
}

const maxSubscriptions = 256;

export class GenaSubscriber {
  readonly #network: Network;
  readonly #options: GenaOptions;
  readonly #servers = new Map<string, Promise<CallbackServer>>();
  readonly #routes = new Map<string, LiveSubscription>();
  readonly #subscriptions = new Set<LiveSubscription>();
  #watch: NodeJS.Timeout | undefined;

  constructor(network: Network, options: GenaOptions = {}) {
    this.#network = network;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#watch = setInterval(() => {
      this.#followAddresses().catch((error: unknown) => this.#fault(error));
    }, this.#options.watchMs ?? 5000);
  }

  /** Leaves every subscription, all at once and within 2 s, and closes the callback servers. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    this.#watch = undefined;
    const subscriptions = [...this.#subscriptions];
    this.#subscriptions.clear();
    await Promise.all(subscriptions.map((subscription) => subscription.cancel()));
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    // One that could not listen has nothing to stop, and its failure was told to whoever subscribed.
    const started = await Promise.allSettled(servers);
    await Promise.all(started.map((one) => (one.status === 'fulfilled' ? one.value.stop() : undefined)));
  }

  /** @throws UpnpError when the device cannot be reached or does not grant the subscription: poll it instead (E11) */
  async subscribe(request: SubscribeOptions): Promise<Subscription> {
    if (this.#watch === undefined) throw notDone('The subscriber is not started');
    if (this.#subscriptions.size >= maxSubscriptions) throw notDone('Too many subscriptions');
    const live = new LiveSubscription({
      network: this.#network,
      request,
      renewFraction: this.#options.renewFraction ?? 0.6,
      retryMs: this.#options.retryMs ?? 30_000,
      openRoute: (subscription) => this.#openRoute(request.eventSubUrl, subscription),
      closeRoute: (route) => this.#routes.delete(route.token),
      onFault: (error) => this.#fault(error),
    });
    this.#subscriptions.add(live);
    try {
      await live.open();
    } catch (error) {
      this.#subscriptions.delete(live);
      throw error;
    }
    return {
      get sid() {
        return live.sid;
      },
      probe: () => live.probe(),
      cancel: async () => {
        this.#subscriptions.delete(live);
        await live.cancel();
      },
    };
  }

  /** The route stands before SUBSCRIBE is sent, since the first event may come before its answer (E4). */
  async #openRoute(eventSubUrl: string, subscription: LiveSubscription): Promise<EventRoute> {
    const at = this.#localInterfaceFor(eventSubUrl);
    const server = await this.#serverAt(at);
    // 16 random bytes: nobody guesses the path, and it stays far below the 100 characters that some cut at.
    const token = randomBytes(16).toString('base64url');
    this.#routes.set(token, subscription);
    return { server, token };
  }

  #localInterfaceFor(url: string): LocalInterface {
    const target = parseHttpUrl(url);
    const interfaces = this.#network.interfaces();
    const onZone = target?.zone === undefined ? interfaces : interfaces.filter((one) => isZone(one, target.zone));
    const at = target?.address === undefined ? undefined : interfaceOf(target.address, onZone);
    if (at === undefined) throw notDone('No address of ours reaches the device');
    return at;
  }

  #serverAt(at: LocalInterface): Promise<CallbackServer> {
    const key = keyOf(at);
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const server = new CallbackServer({
      at,
      port: this.#options.port ?? 0,
      interfaces: () => this.#network.interfaces(),
      receiverOf: (token, sid) => {
        const subscription = this.#routes.get(token);
        return subscription?.accepts(sid) ? (notification) => subscription.receive(notification) : undefined;
      },
    });
    const started = server.start().then(
      () => server,
      (error: unknown) => {
        this.#servers.delete(key);
        throw new UpnpError('unreachable', 'The callback server cannot listen', { outcome: 'not-done', cause: error });
      },
    );
    this.#servers.set(key, started);
    return started;
  }

  /** When an address of ours is gone, so are the callbacks that lead to it (E22). */
  async #followAddresses(): Promise<void> {
    const present = new Set(this.#network.interfaces().map(keyOf));
    for (const [key, starting] of this.#servers) {
      if (present.has(key)) continue;
      this.#servers.delete(key);
      const server = await starting;
      await server.stop();
      await Promise.all(
        [...this.#subscriptions].filter((one) => one.route?.server === server).map((one) => one.reopen()),
      );
    }
  }

  #fault(error: unknown): void {
    if (this.#options.onFault !== undefined) this.#options.onFault(error);
    else process.emitWarning(error instanceof Error ? error : String(error));
  }
}

function keyOf(at: LocalInterface): string {
  return `${canonicalAddress(at.address) ?? at.address}%${at.name}`;
}

function isZone(at: LocalInterface, zone: string | undefined): boolean {
  return at.name === zone || String(at.scopeId) === zone;
}

function notDone(message: string): UpnpError {
  return new UpnpError('unreachable', message, { outcome: 'not-done' });
}
