// The agent: every part of it is built here, and is one entry in the list that starts and stops them.
import type { EdgeFrame } from '../protocol/frames.ts';
import { AgentFeatures } from './agent-features.ts';
import { Commands } from './commands/commands.ts';
import { FirstHints } from './first-hints.ts';
import { LanPhones, PhoneNetwork } from './lan-phones.ts';
import type { QueueOptions } from './messaging/action-queue.ts';
import { PhoneProbe } from './phone-probe.ts';
import { PhoneReporter } from './phone-reporter.ts';
import { Phones } from './phones.ts';
import { SuspendDetector } from './suspend-detector.ts';
import { TunnelClient } from './tunnel/client.ts';
import { HouseClock } from './tunnel/clock.ts';
import { openDatabase } from './tunnel/database.ts';
import { DeadLetterRequests } from './tunnel/dead-letter-requests.ts';
import type { DialTimes } from './tunnel/dial-back-off.ts';
import { DiskWatch } from './tunnel/disk-watch.ts';
import { InventoryReader } from './tunnel/inventory.ts';
import { Journal } from './tunnel/journal.ts';
import { Outbox } from './tunnel/outbox.ts';
import { SsdpDiscovery } from './upnp/discovery/ssdp.ts';
import { GenaSubscriber } from './upnp/eventing/gena.ts';
import { LanNetwork } from './upnp/network/network.ts';

export interface AgentOptions {
  /** The tunnel's address: `ws://…` or `wss://…`, with its path. */
  readonly cloud: string;
  /** Read at each dial, so that a rewritten token file counts at once. */
  readonly token: string | (() => string);
  /** Names of interfaces; none means all but loopback. */
  readonly interfaces: readonly string[];
  /** The description of a phone that discovery cannot find. */
  readonly phoneUrl?: string | undefined;
  /** UDNs of phones that are approved without asking the household. */
  readonly trust: readonly string[];
  readonly dataFolder: string;
  /** Default 1900; tests use another. */
  readonly ssdpPort?: number | undefined;
  readonly queue?: QueueOptions;
  readonly backOff?: DialTimes;
  readonly compareMs?: number;
  readonly pollMs?: number;
  /** After this time a suddenly short list is read a second time before it is believed. Default 30 s. */
  readonly confirmMs?: number;
  readonly probeMs?: number;
  /** When no phone has answered after this time, the user is told what to do. Default 15 s. */
  readonly noPhoneHintMs?: number;
  /** One line in plain words for each step. */
  report(line: string): void;
  onConnected?(): void;
  onLost?(): void;
  onPhone?(udn: string): void;
}

export const software = 'homeline-agent/0.1.0';

/** Every version by name: broken devices answer a search for their own version only (requirement D5). */
export const searchTargets: readonly string[] = [
  'urn:schemas-upnp-org:service:Messaging:1',
  'urn:schemas-upnp-org:service:Messaging:2',
  'urn:schemas-upnp-org:device:TelephonyServer:1',
  'urn:schemas-upnp-org:device:TelephonyServer:2',
  'urn:schemas-upnp-org:device:TelephonyClient:1',
  'urn:schemas-upnp-org:device:TelephonyClient:2',
];

export class Agent {
  readonly #options: AgentOptions;
  #features: Pick<AgentFeatures, 'start' | 'stop'> | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** @throws Error when the data folder cannot be used. An absent cloud or phone is waited for. */
  async start(): Promise<void> {
    if (this.#features !== undefined) throw new Error('The agent is already started.');
    const features = this.#build();
    this.#features = features;
    await features.start();
  }

  /** Ends every subscription, closes tunnel and database, within 3 s. */
  async stop(): Promise<void> {
    const features = this.#features;
    this.#features = undefined;
    await features?.stop();
  }

  /** The one place that knows all parts. Those that need each other are joined by the functions handed in here. */
  #build(): Pick<AgentFeatures, 'start' | 'stop'> {
    const options = this.#options;
    const { interfaces, trust, report } = options;
    // A device at our own address is a forgery unless a software phone is meant to be beside the agent (Z4).
    const allowOwnAddress = interfaces.includes('lo') || trust.length > 0 || options.phoneUrl !== undefined;
    const tellPhones = () => phoneReporter.tell();
    const database = openDatabase(options.dataFolder);
    const disk = new DiskWatch({ database, report, changed: tellPhones });
    const outbox = new Outbox({ database, report });
    const journal = new Journal(database, outbox);
    const clock = new HouseClock();
    const client = new TunnelClient({
      url: options.cloud,
      token: options.token,
      software,
      outbox,
      report,
      ...(options.backOff !== undefined && { backOff: options.backOff }),
      onWelcome: (welcome) => {
        report(`Connected to ${new URL(options.cloud).host}.`);
        features.onWelcome(welcome);
        options.onConnected?.();
      },
      onFrame: (frame) => features.handle(frame),
      onLost: () => {
        features.onLost();
        options.onLost?.();
      },
    });
    const send = (frame: EdgeFrame) => client.send(frame);
    const inventory = new InventoryReader(send);
    const network = new LanNetwork({ interfaces, allowOwnAddress });
    const subscriber = new GenaSubscriber(network);
    const phones = new Phones({
      network,
      subscriber,
      journal,
      report,
      trust: new Set(trust),
      pinned: options.phoneUrl,
      queue: options.queue,
      compareMs: options.compareMs,
      pollMs: options.pollMs,
      confirmMs: options.confirmMs,
      now: () => clock.nowMs(),
      cloud: {
        store: () => client.store,
        inventory: (udn) => inventory.read(udn),
        backlog: () => (client.connected ? outbox.unacknowledged : 0),
      },
      onChanged: tellPhones,
      onFound: (udn) => options.onPhone?.(udn),
    });
    const phoneReporter = new PhoneReporter({
      presences: () => disk.mark(phones.presences()),
      counts: () => ({ deadLetters: outbox.deadLetters.count }),
      isConnected: () => client.connected,
      send,
    });
    // In the order of their start; stop() is the reverse.
    const features = new AgentFeatures([
      { stop: () => database.close() },
      disk,
      outbox,
      new PhoneNetwork(network, subscriber, phones),
      new DeadLetterRequests({ outbox, isReady: () => client.hasApprovals, send, onCount: tellPhones }),
      client,
      clock,
      phoneReporter,
      new LanPhones(phones, () => client.hasApprovals),
      inventory,
      new Commands({
        journal,
        phoneOf: (udn) => phones.approvedLinkOf(udn),
        isApproved: (udn) => phones.isApproved(udn),
        send,
        report,
      }),
      new PhoneProbe({ outbox, phones: () => (client.connected ? phones.usable : []), everyMs: options.probeMs }),
      new SuspendDetector({ onResumed: (awayMs) => phones.onResumed(awayMs) }),
      new SsdpDiscovery({
        interfaces,
        targets: searchTargets,
        allowOwnAddress,
        ...(options.ssdpPort !== undefined && { port: options.ssdpPort }),
        isKnown: (udn) => phones.isKnown(udn),
        onFound: (found) => phones.onFound(found),
        onSeen: (found, kind) => phones.onSeen(found, kind),
        onMoved: (found) => phones.onRenewed(found),
        onRebooted: (found) => phones.onRenewed(found),
        onChanged: (found) => phones.onRenewed(found),
        onGone: (udn, reason) => phones.onGone(udn, reason),
        onFault: (error) => report(`Warning: discovery: ${error.message}`),
      }),
      new FirstHints({
        interfaces,
        present: () => network.interfaces().map(({ name }) => name),
        hasPhone: () => phones.presences().length > 0,
        report,
        noPhoneHintMs: options.noPhoneHintMs,
      }),
    ]);
    return features;
  }
}
