// Subscribing to events: UPnP Device Architecture 2.0, chapter 4. Owns the callback servers and all subscriptions. Requirements E1–E24.
import { randomBytes } from 'node:crypto';
import { canonicalAddress } from '../../../shared/ip-address.ts';
import { UpnpError } from '../error.ts';
import { interfaceOf, type LocalInterface } from '../network/address.ts';
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
  /** The SID from the device; it changes when the subscription is replaced. */
  readonly sid: string;
  /** Checks with the device that the subscription still exists by renewing it; subscribes again if it does not. */
  probe(): Promise<SubscriptionProbe>;
  /** Sends UNSUBSCRIBE; no event is reported afterwards. */
  cancel(): Promise<void>;
}

export interface GenaOptions {
  /** Port of the callback servers; default any free one. */
  port?: number;
  /** Fraction of the granted time after which to renew; default 0.6. */
  renewFraction?: number;
  /** First back-off for a lapsed subscription; default 30 s. */
  retryMs?: number;
  /** How often to check the local addresses; default 5 s. */
  watchMs?: number;
  /** Receives what a caller's callback threw; default a process warning. */
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
      this.#syncAddresses().catch((error: unknown) => this.#fault(error));
    }, this.#options.watchMs ?? 5000);
  }

  /** Cancels every subscription in parallel, within 2 s, and closes the callback servers. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    this.#watch = undefined;
    const subscriptions = [...this.#subscriptions];
    this.#subscriptions.clear();
    await Promise.all(subscriptions.map((subscription) => subscription.cancel()));
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    // A server that failed to listen has nothing to stop; its failure was reported to the subscriber.
    const started = await Promise.allSettled(servers);
    await Promise.all(started.map((one) => (one.status === 'fulfilled' ? one.value.stop() : undefined)));
  }

  /** @throws UpnpError when the device cannot be reached or does not grant the subscription; poll it instead (E11) */
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

  /** The route exists before SUBSCRIBE is sent, because the first event may arrive before the answer (E4). */
  async #openRoute(eventSubUrl: string, subscription: LiveSubscription): Promise<EventRoute> {
    const at = this.#localInterfaceFor(eventSubUrl);
    const server = await this.#serverAt(at);
    // 16 random bytes are unguessable, and far below the 100 characters at which some devices truncate.
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

  /** Resubscribes the subscriptions whose callback address has disappeared (E22). */
  async #syncAddresses(): Promise<void> {
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
