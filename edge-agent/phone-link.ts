// One phone at the agent: probes it, subscribes to it, synchronises it and takes commands for it.
import type { PhoneEvidence, PhonePresence } from '../protocol/frames.ts';
import { limits } from '../protocol/limits.ts';
import type { Capabilities } from '../protocol/phone-model.ts';
import type { QueueOptions } from './messaging/action-queue.ts';
import { defaultDeadlineMs, PhoneControlPoint } from './messaging/control-point.ts';
import type { CloudKnowledge } from './messaging/sync-pass.ts';
import { PhoneSynchroniser } from './messaging/synchronise.ts';
import { deviceEvidenceOf } from './phone-evidence.ts';
import { PhonePulse, type ProbeResult } from './phone-pulse.ts';
import { PhoneSubscription } from './phone-subscription.ts';
import type { Journal } from './tunnel/journal.ts';
import {
  type DeviceDescription,
  readDescription,
  type ServiceDescription,
  walkDevices,
} from './upnp/description/description.ts';
import { UpnpError } from './upnp/error.ts';
import type { GenaSubscriber } from './upnp/eventing/gena.ts';
import { DeviceNetwork } from './upnp/network/device-network.ts';
import { authorityOf, parseHttpUrl } from './upnp/network/http-url.ts';
import type { Network } from './upnp/network/network.ts';

export interface PhoneLinkOptions {
  readonly udn: string;
  readonly device: DeviceDescription;
  readonly service: ServiceDescription;
  /** The URL of the description. */
  readonly location: string;
  /** The only interface that may lead to the phone: where it was discovered. Undefined when the operator configured the URL. */
  readonly interfaceName: string | undefined;
  readonly trusted: boolean;
  /** Whether the household's approval covers a phone with this evidence. */
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
  /** Something in the `phones` frame has changed. */
  onChanged(): void;
  /** The phone said goodbye and no longer answers. */
  onLeft(link: PhoneLink): void;
  /** The description has changed since this link was made. */
  onDescribed(link: PhoneLink, device: DeviceDescription): void;
  report(line: string): void;
}

/** Deadline of the regular probe. */
const probeDeadlineMs = 3000;
/** Minimum time between syncs that advertisements of an offline phone cause: a forged flood must not reach the phone. */
const minSeenSyncGapMs = 5000;

const hung = {
  code: 'phone-hung',
  detail:
    'The phone is connected but does not answer. New messages stay on the phone until it answers again. If this lasts, ' +
    'restart the phone.',
};

export class PhoneLink {
  readonly udn: string;
  readonly location: string;
  readonly controlPoint: PhoneControlPoint;
  readonly synchroniser: PhoneSynchroniser;
  /** From when the description was read. */
  readonly evidence: PhoneEvidence;
  readonly #options: PhoneLinkOptions;
  readonly #network: DeviceNetwork;
  readonly #pulse: PhonePulse;
  readonly #subscription: PhoneSubscription;
  #silence: 'hung' | 'absent' | undefined;
  #name: string;
  #lastSeenSyncMs = Number.NEGATIVE_INFINITY;
  #online = true;
  #live = false;
  #capabilities: Capabilities | undefined;
  readonly #stopping = new AbortController();

  constructor(options: PhoneLinkOptions) {
    const { udn, network, service, location, interfaceName, subscriber } = options;
    const { journal, cloud, queue, compareMs, pollMs, confirmMs, now } = options;
    const peer = parseHttpUrl(service.controlUrl)?.address;
    this.#network = new DeviceNetwork(network, { peer, interfaceName }, () => this.#pulse.onBytes());
    this.#pulse = new PhonePulse({
      probe: () => this.#probe(),
      probeSubscription: () => this.#subscription.probe(),
      hasActionInFlight: () => this.#network.hasActionInFlight,
      onSilent: (kind) => this.#onSilent(kind),
      onBack: () => this.#onBack(),
      onLeft: () => options.onLeft(this),
    });
    this.#subscription = new PhoneSubscription({
      subscriber,
      network: this.#network,
      eventSubUrl: service.eventSubUrl,
      onEvent: (event) => {
        this.#pulse.onBytes();
        this.synchroniser.onEvent(event.variables);
      },
      onGap: () => this.synchroniser.requestFullSync(),
      // The phone has restarted, so its capabilities may have changed.
      onRenewed: () => void this.#fetchCapabilities(),
      onEvents: (hasEvents) => this.synchroniser.setHasEvents(hasEvents),
      report: (line) => this.#report(line),
    });
    this.#options = options;
    this.#name = options.device.friendlyName;
    this.udn = udn;
    this.location = location;
    this.evidence = deviceEvidenceOf(options.device, location);
    this.controlPoint = new PhoneControlPoint({
      network: this.#network,
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
      onMissedEvent: () => this.#subscription.onMissedEvent(),
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

  /** Why the phone does not answer: it accepts connections and stays silent, or it cannot be reached. */
  get silence(): 'hung' | 'absent' | undefined {
    return this.#silence;
  }

  /** Subscribes and starts to synchronise. Never rejects: a silent phone is not an error of the agent. */
  async start(): Promise<void> {
    this.#live = true;
    const { trusted } = this.#options;
    const approved = this.#options.approves(this.evidence);
    this.synchroniser.setApproved(approved);
    if (!approved && !trusted) this.#report('waits for approval in the dashboard.');
    await this.#subscription.start();
    if (!this.#live) return;
    this.#pulse.start();
    this.synchroniser.start();
    await this.#fetchCapabilities();
  }

  /** Cancels the subscription, and resolves when nothing is in flight with this phone. */
  async stop(): Promise<void> {
    this.#live = false;
    this.#pulse.stop();
    this.#stopping.abort(new Error('The phone is dropped.'));
    await Promise.allSettled([this.#subscription.stop(), this.synchroniser.stop()]);
  }

  /** The phone was advertised, or answered a search. */
  onSeen(kind: 'answer' | 'alive' | 'rebooted'): void {
    if (kind !== 'answer' || this.#silence !== undefined) this.#pulse.onAnnounced(kind === 'rebooted');
    if (this.#online || performance.now() - this.#lastSeenSyncMs < minSeenSyncGapMs) return;
    this.#lastSeenSyncMs = performance.now();
    this.synchroniser.requestFullSync();
  }

  onGoodbye(): void {
    this.#pulse.onGoodbye();
  }

  /** Whether the phone of this link still answers at its location. */
  async isReachable(): Promise<boolean> {
    return (await this.#probe()) === 'here';
  }

  setApproved(approved: boolean): void {
    this.synchroniser.setApproved(approved);
  }

  setOnline(online: boolean): void {
    if (online === this.#online || !this.#live) return;
    this.#online = online;
    this.#report(online ? 'answers again.' : 'does not answer.');
    this.#options.onChanged();
    if (online) void this.#subscription.probe();
  }

  /** The phone may have been off, or may have performed an unanswered command: find out now. */
  resync(): void {
    this.synchroniser.requestFullSync();
    this.probeSubscription();
  }

  /** Checks that the phone still keeps the subscription; a phone that was off drops it silently. */
  probeSubscription(): void {
    this.#subscription.renew();
  }

  async #probe(): Promise<ProbeResult> {
    const { device, onDescribed } = this.#options;
    try {
      const root = await readDescription(this.#network, this.location, {
        deadlineMs: probeDeadlineMs,
        signal: this.#stopping.signal,
        onConnectionLost: this.#onConnectionLost,
      });
      const described = [...walkDevices(root)].find(({ udn }) => udn === device.udn);
      if (described === undefined) return 'absent';
      if (!this.#live) return 'here';
      if (hasOtherServices(described, device)) onDescribed(this, described);
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

  /** The phone's entry in the `phones` frame. */
  presence(): PhonePresence {
    const { udn, device, location, trusted } = this.#options;
    // An answer to an action may arrive before the pulse's next probe, and ends the trouble too.
    const trouble = this.#silence === 'hung' && !this.#online ? hung : this.synchroniser.trouble;
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

  /** Fetches the phone's capabilities; without an answer the phone is shown without them. */
  async #fetchCapabilities(): Promise<void> {
    try {
      const { SupportedCapabilities } = await this.controlPoint.inTurn(
        (calls) => calls.model('GetMessagingCapabilities', {}, { deadlineMs: defaultDeadlineMs }),
        { exclusive: false, signal: this.#stopping.signal },
      );
      this.#capabilities = SupportedCapabilities;
      if (this.#live) this.#options.onChanged();
    } catch {
      if (this.#live) this.#report('does not report its capabilities.');
    }
  }

  #report(line: string): void {
    this.#options.report(`${printable(this.#name)}: ${line}`);
  }
}

/** Whether anything that a link depends on has changed. */
function hasOtherServices(one: DeviceDescription, other: DeviceDescription): boolean {
  const essence = ({ deviceType, services }: DeviceDescription) => JSON.stringify([deviceType, services]);
  return essence(one) !== essence(other);
}

/** A device's own name, without characters that could control a terminal (requirement Z16). */
function printable(name: string): string {
  return `“${name.replace(/\p{C}/gu, ' ').slice(0, 60)}”`;
}
