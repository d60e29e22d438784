// The life of one phone at the agent: subscribed to, kept in step, ready for commands.
import type { PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import type { Capabilities } from '../protocol/phone-model.ts';
import type { QueueOptions } from './messaging/action-queue.ts';
import { PhoneControlPoint, standardDeadlineMs } from './messaging/control-point.ts';
import type { CloudKnowledge } from './messaging/look.ts';
import { PhoneSynchroniser } from './messaging/synchronise.ts';
import type { Journal } from './tunnel/journal.ts';
import type { DeviceDescription, ServiceDescription } from './upnp/description/description.ts';
import type { GenaSubscriber, Subscription } from './upnp/eventing/gena.ts';
import { parseHttpUrl, placeOf } from './upnp/network/http-url.ts';
import type { Network } from './upnp/network/network.ts';

export interface PhoneLinkOptions {
  readonly udn: string;
  readonly device: DeviceDescription;
  readonly service: ServiceDescription;
  /** Of the description. */
  readonly location: string;
  readonly trusted: boolean;
  readonly approved: boolean;
  readonly network: Network;
  readonly subscriber: GenaSubscriber;
  readonly journal: Journal;
  readonly cloud: CloudKnowledge;
  readonly queue?: QueueOptions | undefined;
  readonly compareMs?: number | undefined;
  readonly pollMs?: number | undefined;
  readonly confirmMs?: number | undefined;
  /** Epoch milliseconds. */
  now?(): number;
  /** Something that the `phones` frame tells has changed. */
  onChanged(): void;
  report(line: string): void;
}

/** A phone that refuses subscriptions is polled, and asked again after this: it may have been busy. */
const subscribeAgainMs = 5 * 60_000;
/** A message may always be found before its event comes: that is no reason to subscribe again and again. */
const doubtAgainMs = 60_000;

export class PhoneLink {
  readonly udn: string;
  readonly location: string;
  readonly controlPoint: PhoneControlPoint;
  readonly synchroniser: PhoneSynchroniser;
  readonly #options: PhoneLinkOptions;
  #online = true;
  #live = false;
  #capabilities: Capabilities | undefined;
  #subscription: Subscription | undefined;
  #subscribing: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;
  /** On the clock of `performance.now()`. */
  #doubtedAtMs = Number.NEGATIVE_INFINITY;
  readonly #stopping = new AbortController();

  constructor(options: PhoneLinkOptions) {
    const { udn, network, service, location, journal, cloud, queue, compareMs, pollMs, confirmMs, now } = options;
    const peer = parseHttpUrl(service.controlUrl)?.address;
    this.#options = options;
    this.udn = udn;
    this.location = location;
    this.controlPoint = new PhoneControlPoint({
      network,
      udn,
      controlUrl: service.controlUrl,
      serviceType: service.serviceType,
      ...(peer !== undefined && { peer }),
      ...(queue !== undefined && { queue }),
    });
    this.synchroniser = new PhoneSynchroniser({
      controlPoint: this.controlPoint,
      memory: journal,
      cloud,
      report: (line) => this.#report(line),
      onEpoch: () => options.onChanged(),
      onReachable: (reachable) => this.setOnline(reachable),
      onUntold: () => this.#onUntold(),
      ...(compareMs !== undefined && { compareMs }),
      ...(pollMs !== undefined && { pollMs }),
      ...(confirmMs !== undefined && { confirmMs }),
      ...(now !== undefined && { now }),
    });
  }

  get online(): boolean {
    return this.#online;
  }

  /** Subscribes and begins to synchronise; what a phone does not answer is no failure of the agent's. */
  async start(): Promise<void> {
    this.#live = true;
    const { approved, trusted } = this.#options;
    this.synchroniser.setApproved(approved);
    if (!approved && !trusted) this.#report('waits until somebody of the household approves it in the dashboard.');
    this.#subscribing = this.#subscribe();
    await this.#subscribing;
    this.synchroniser.start();
    await this.#askCapabilities();
  }

  /** Leaves the subscription, and resolves when nothing is under way with this phone any more. */
  async stop(): Promise<void> {
    this.#live = false;
    clearTimeout(this.#again);
    this.#stopping.abort(new Error('The phone is let go.'));
    await this.#subscribing;
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await Promise.allSettled([subscription?.cancel(), this.synchroniser.stop()]);
  }

  setApproved(approved: boolean): void {
    this.synchroniser.setApproved(approved);
  }

  setOnline(online: boolean): void {
    if (online === this.#online || !this.#live) return;
    this.#online = online;
    this.#report(online ? 'answers again.' : 'does not answer.');
    this.#options.onChanged();
    if (online) this.#subscribing = this.#subscribeAnew();
  }

  /** It may have been off, or have done what it did not answer: find out now, not at the next comparison. */
  examine(): void {
    this.synchroniser.lookAtEverything();
    this.proveSubscription();
  }

  /** Whether the phone still keeps the subscription; one that was off does not, and does not say so. */
  proveSubscription(): void {
    void this.#subscription?.prove();
  }

  /** As the `phones` frame tells it. */
  presence(): PhonePresence {
    const { udn, device, location, trusted } = this.#options;
    return {
      udn,
      name: device.friendlyName.slice(0, limits.shortTextChars),
      deviceType: device.deviceType.slice(0, limits.identifierChars),
      address: placeOf(location).slice(0, limits.addressChars),
      online: this.#online,
      epoch: this.synchroniser.epoch,
      trusted,
      ...(this.#capabilities !== undefined && { capabilities: this.#capabilities }),
    };
  }

  async #subscribe(): Promise<void> {
    const { subscriber, service } = this.#options;
    if (service.eventSubUrl === undefined) return this.#poll('offers no events');
    try {
      const subscription = await subscriber.subscribe({
        eventSubUrl: service.eventSubUrl,
        onEvent: (event) => this.synchroniser.onEvent(event.variables),
        onGap: () => this.synchroniser.lookAtEverything(),
        onLapse: () => this.#poll('no longer sends events'),
        onRestored: () => this.synchroniser.setHasEvents(true),
      });
      this.#subscription = subscription;
      this.synchroniser.setHasEvents(true);
      this.#report('sends its events.');
    } catch {
      this.#poll('refuses to send events');
      if (!this.#live) return;
      this.#again = setTimeout(() => {
        this.#subscribing = this.#subscribe();
      }, subscribeAgainMs);
    }
  }

  /** It was off for a moment that nobody noticed, or its events are lost on their way; or they are just late. */
  #onUntold(): void {
    if (performance.now() - this.#doubtedAtMs < doubtAgainMs) return;
    this.#doubtedAtMs = performance.now();
    this.#subscribing = this.#subscribeAnew();
  }

  /** A phone that was away may have been off, and then keeps no subscription and does not say so. */
  async #subscribeAnew(): Promise<void> {
    await this.#subscribing;
    const before = this.#subscription;
    if (before === undefined || !this.#live) return;
    this.#subscription = undefined;
    await before.cancel();
    if (this.#live) await this.#subscribe();
  }

  #poll(why: string): void {
    if (!this.#live) return;
    this.#report(`${why}: it is asked again and again instead.`);
    this.synchroniser.setHasEvents(false);
  }

  /** What the phone can do; a phone that does not say is shown without it. */
  async #askCapabilities(): Promise<void> {
    try {
      const { SupportedCapabilities } = await this.controlPoint.inTurn(
        (calls) => calls.model('GetMessagingCapabilities', {}, { deadlineMs: standardDeadlineMs }),
        { exclusive: false, signal: this.#stopping.signal },
      );
      this.#capabilities = SupportedCapabilities;
      if (this.#live) this.#options.onChanged();
    } catch {
      if (this.#live) this.#report('does not say what it can do.');
    }
  }

  #report(line: string): void {
    this.#options.report(`${printable(this.#options.device.friendlyName)}: ${line}`);
  }
}

/** A device's own name, without what could steer a terminal (requirement Z16). */
function printable(name: string): string {
  return `“${name.replace(/\p{C}/gu, ' ').slice(0, 60)}”`;
}
