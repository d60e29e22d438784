// The life of one phone at the agent: subscribed to, kept in step, ready for commands.
import type { PhoneEvidence, PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import type { Capabilities } from '../protocol/phone-model.ts';
import type { QueueOptions } from './messaging/action-queue.ts';
import { PhoneControlPoint, standardDeadlineMs } from './messaging/control-point.ts';
import type { CloudKnowledge } from './messaging/sync-pass.ts';
import { PhoneSynchroniser } from './messaging/synchronise.ts';
import { deviceEvidenceOf } from './phone-evidence.ts';
import { type Answer, PhonePulse } from './phone-pulse.ts';
import type { Journal } from './tunnel/journal.ts';
import {
  type DeviceDescription,
  readDescription,
  type ServiceDescription,
  walkDevices,
} from './upnp/description/description.ts';
import { UpnpError } from './upnp/error.ts';
import type { GenaSubscriber, Subscription, SubscriptionProbe } from './upnp/eventing/gena.ts';
import { DeviceNetwork } from './upnp/network/device-network.ts';
import { authorityOf, parseHttpUrl } from './upnp/network/http-url.ts';
import type { Network } from './upnp/network/network.ts';

export interface PhoneLinkOptions {
  readonly udn: string;
  readonly device: DeviceDescription;
  readonly service: ServiceDescription;
  /** Of the description. */
  readonly location: string;
  /** Where it was heard, and all that may lead to it; undefined where the operator named the URL. */
  readonly interfaceName: string | undefined;
  readonly trusted: boolean;
  /** Whether the household's approval counts for a phone with this evidence. */
  approves(evidence: PhoneEvidence): boolean;
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
  /** It said goodbye and answers no more. */
  onLeft(link: PhoneLink): void;
  /** Its description is no longer the one that this link was made of. */
  onDescribed(link: PhoneLink, device: DeviceDescription): void;
  report(line: string): void;
}

/** A phone that refuses subscriptions is polled, and asked again after this: it may have been busy. */
const subscribeAgainMs = 5 * 60_000;
/** A message may always be found before its event comes: that is no reason to subscribe again and again. */
const doubtAgainMs = 60_000;
/** Of the regular question whether it is there. */
const askDeadlineMs = 3000;
/** A phone that was given up is looked at again when it is heard, but a forged flood is not passed on to it. */
const heardAgainMs = 5000;

const hung = {
  code: 'phone-hung',
  detail:
    'The phone is there but does not answer. New messages stay on it and are fetched when it answers again. Restart the ' +
    'phone if this lasts.',
};

export class PhoneLink {
  readonly udn: string;
  readonly location: string;
  readonly controlPoint: PhoneControlPoint;
  readonly synchroniser: PhoneSynchroniser;
  /** Of when the description was read. */
  readonly evidence: PhoneEvidence;
  readonly #options: PhoneLinkOptions;
  readonly #neighbour: DeviceNetwork;
  readonly #pulse: PhonePulse;
  #silence: 'hung' | 'absent' | undefined;
  #name: string;
  #polls = false;
  #heardAtMs = Number.NEGATIVE_INFINITY;
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
    const { udn, network, service, location, interfaceName } = options;
    const { journal, cloud, queue, compareMs, pollMs, confirmMs, now } = options;
    const peer = parseHttpUrl(service.controlUrl)?.address;
    this.#neighbour = new DeviceNetwork(network, { peer, interfaceName }, () => this.#pulse.heard());
    this.#pulse = new PhonePulse({
      ask: () => this.#ask(),
      probeSubscription: () => this.#probeSubscription(),
      isActing: () => this.#neighbour.hasActionInFlight,
      onSilent: (kind) => this.#onSilent(kind),
      onBack: () => this.#onBack(),
      onLeft: () => options.onLeft(this),
    });
    this.#options = options;
    this.#name = options.device.friendlyName;
    this.udn = udn;
    this.location = location;
    this.evidence = deviceEvidenceOf(options.device, location);
    this.controlPoint = new PhoneControlPoint({
      network: this.#neighbour,
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
      onTrouble: () => options.onChanged(),
      ...(compareMs !== undefined && { compareMs }),
      ...(pollMs !== undefined && { pollMs }),
      ...(confirmMs !== undefined && { confirmMs }),
      ...(now !== undefined && { now }),
    });
  }

  get online(): boolean {
    return this.#online;
  }

  /** Why it does not answer: it takes connections and says nothing, or there is none to be had. */
  get silence(): 'hung' | 'absent' | undefined {
    return this.#silence;
  }

  /** Subscribes and begins to synchronise; what a phone does not answer is no failure of the agent's. */
  async start(): Promise<void> {
    this.#live = true;
    const { trusted } = this.#options;
    const approved = this.#options.approves(this.evidence);
    this.synchroniser.setApproved(approved);
    if (!approved && !trusted) this.#report('waits until somebody of the household approves it in the dashboard.');
    this.#subscribing = this.#subscribe();
    await this.#subscribing;
    if (!this.#live) return;
    this.#pulse.start();
    this.synchroniser.start();
    await this.#askCapabilities();
  }

  /** Leaves the subscription, and resolves when nothing is under way with this phone any more. */
  async stop(): Promise<void> {
    this.#live = false;
    this.#pulse.stop();
    clearTimeout(this.#again);
    this.#stopping.abort(new Error('The phone is let go.'));
    await this.#subscribing;
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await Promise.allSettled([subscription?.cancel(), this.synchroniser.stop()]);
  }

  /** An announcement of it was heard, or its answer to a search. */
  onHeard(kind: 'answer' | 'alive' | 'rebooted'): void {
    if (kind !== 'answer' || this.#silence !== undefined) this.#pulse.onAnnounced(kind === 'rebooted');
    if (this.#online || performance.now() - this.#heardAtMs < heardAgainMs) return;
    this.#heardAtMs = performance.now();
    this.synchroniser.requestFullSync();
  }

  onGoodbye(): void {
    this.#pulse.onGoodbye();
  }

  /** Whether the phone of this link still answers where it was. */
  async isThere(): Promise<boolean> {
    return (await this.#ask()) === 'here';
  }

  setApproved(approved: boolean): void {
    this.synchroniser.setApproved(approved);
  }

  setOnline(online: boolean): void {
    if (online === this.#online || !this.#live) return;
    this.#online = online;
    this.#report(online ? 'answers again.' : 'does not answer.');
    this.#options.onChanged();
    if (online) void this.#probeSubscription();
  }

  /** It may have been off, or have done what it did not answer: find out now, not at the next comparison. */
  examine(): void {
    this.synchroniser.requestFullSync();
    this.probeSubscription();
  }

  /** Whether the phone still keeps the subscription; one that was off does not, and does not say so. */
  probeSubscription(): void {
    void this.#subscription?.probe();
  }

  async #ask(): Promise<Answer> {
    const { device, onDescribed } = this.#options;
    try {
      const root = await readDescription(this.#neighbour, this.location, {
        deadlineMs: askDeadlineMs,
        signal: this.#stopping.signal,
        onConnectionLost: this.#onConnectionLost,
      });
      const described = [...walkDevices(root)].find(({ udn }) => udn === device.udn);
      if (described === undefined) return 'absent';
      if (!this.#live) return 'here';
      if (isOtherwise(described, device)) onDescribed(this, described);
      if (described.friendlyName !== this.#name) {
        this.#name = described.friendlyName;
        this.#options.onChanged();
      }
      return 'here';
    } catch (error) {
      const isMute = error instanceof UpnpError && error.kind === 'unreachable' && error.outcome === 'unknown';
      return isMute ? 'hung' : 'absent';
    }
  }

  readonly #onConnectionLost = () => this.#pulse.onConnectionLost();

  #onSilent(kind: 'hung' | 'absent'): void {
    this.#silence = kind;
    if (this.#online) this.setOnline(false);
    else this.#options.onChanged();
  }

  #onBack(): void {
    this.#silence = undefined;
    this.setOnline(true);
    this.synchroniser.requestFullSync();
  }

  /** As the `phones` frame tells it. */
  presence(): PhonePresence {
    const { udn, device, location, trusted } = this.#options;
    const trouble = this.#silence === 'hung' ? hung : this.synchroniser.trouble;
    return {
      udn,
      name: this.#name.slice(0, limits.shortTextChars),
      deviceType: device.deviceType.slice(0, limits.identifierChars),
      address: authorityOf(location).slice(0, limits.addressChars),
      online: this.#online,
      epoch: this.synchroniser.epoch,
      trusted,
      evidence: this.evidence,
      ...(this.#capabilities !== undefined && { capabilities: this.#capabilities }),
      ...(trouble !== undefined && { trouble }),
    };
  }

  async #subscribe(): Promise<void> {
    const { subscriber, service } = this.#options;
    clearTimeout(this.#again);
    if (service.eventSubUrl === undefined) return this.#poll('offers no events');
    try {
      const subscription = await subscriber.subscribe({
        eventSubUrl: service.eventSubUrl,
        network: this.#neighbour,
        onEvent: (event) => {
          this.#pulse.heard();
          this.synchroniser.onEvent(event.variables);
        },
        onGap: () => this.synchroniser.requestFullSync(),
        onLapse: () => this.#poll('no longer sends events'),
        onRestored: () => this.#onEventsRestored(),
      });
      this.#subscription = subscription;
      this.#onEventsRestored();
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

  /** Whether the phone keeps the subscription, or grants it now. What it lost, it may have lost with all that it told. */
  async #probeSubscription(): Promise<SubscriptionProbe> {
    await this.#subscribing;
    if (!this.#live) return 'unknown';
    if (this.#subscription === undefined) {
      this.#subscribing = this.#subscribe();
      await this.#subscribing;
      return this.#subscription === undefined ? 'unknown' : 'renewed';
    }
    const proof = await this.#subscription.probe();
    if (proof === 'renewed' && this.#live) void this.#askCapabilities();
    return proof;
  }

  #onEventsRestored(): void {
    this.#polls = false;
    this.synchroniser.setHasEvents(true);
  }

  #poll(why: string): void {
    if (!this.#live || this.#polls) return;
    this.#polls = true;
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
    this.#options.report(`${printable(this.#name)}: ${line}`);
  }
}

/** Whether what a link works with has changed. */
function isOtherwise(one: DeviceDescription, other: DeviceDescription): boolean {
  const essence = ({ deviceType, services }: DeviceDescription) => JSON.stringify([deviceType, services]);
  return essence(one) !== essence(other);
}

/** A device's own name, without what could steer a terminal (requirement Z16). */
function printable(name: string): string {
  return `“${name.replace(/\p{C}/gu, ' ').slice(0, 60)}”`;
}
