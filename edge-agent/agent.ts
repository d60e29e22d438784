// The agent's life: discover → subscribe → connect. One composition root; start() and stop() are mirrors.

import { Commands } from './commands/commands.ts';
import type { QueueOptions } from './messaging/action-queue.ts';
import { PhoneProbe } from './phone-probe.ts';
import { Phones } from './phones.ts';
import { SuspendDetector } from './suspend-detector.ts';
import { type FeatureFrame, TunnelClient } from './tunnel/client.ts';
import { HouseClock } from './tunnel/clock.ts';
import { type AgentDatabase, openDatabase } from './tunnel/database.ts';
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
  /** Asked at each dial, so that a token file that was rewritten is read again. */
  readonly token: string | (() => string);
  /** Names of interfaces; none means all but loopback. */
  readonly interfaces: readonly string[];
  /** The description of a phone that discovery cannot find. */
  readonly phoneUrl?: string | undefined;
  /** UDNs of phones that are the household's without being asked. */
  readonly trust: readonly string[];
  readonly dataFolder: string;
  /** 1900 unless told; tests take another. */
  readonly ssdpPort?: number | undefined;
  readonly queue?: QueueOptions;
  readonly backOff?: DialTimes;
  readonly compareMs?: number;
  readonly pollMs?: number;
  /** After how long a list that is suddenly short is looked at again before it is believed: 30 s unless told. */
  readonly confirmMs?: number;
  readonly probeMs?: number;
  /** Without a phone for so long, it is told what to do: 15 s unless told. */
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

/** Three searches are over by then, and the slowest answer to them is in. */
const noPhoneHintMs = 15_000;

/** Stopping may take 3 s; a phone that does not answer its UNSUBSCRIBE is not waited for any longer than this. */
const stopPhonesWithinMs = 2000;

interface Life {
  readonly database: AgentDatabase;
  readonly disk: DiskWatch;
  readonly outbox: Outbox;
  readonly network: LanNetwork;
  readonly subscriber: GenaSubscriber;
  readonly phones: Phones;
  readonly commands: Commands;
  readonly deadLetters: DeadLetterRequests;
  readonly inventory: InventoryReader;
  readonly client: TunnelClient;
  readonly probe: PhoneProbe;
  readonly suspendDetector: SuspendDetector;
  readonly discovery: SsdpDiscovery;
}

export class Agent {
  readonly #options: AgentOptions;
  #life: Life | undefined;
  #store: string | undefined;
  #compared = false;
  #hint: NodeJS.Timeout | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** @throws Error when the data folder cannot be used; whatever is not there yet, cloud or phone, is waited for */
  async start(): Promise<void> {
    if (this.#life !== undefined) throw new Error('The agent is already started.');
    const life = this.#build();
    this.#life = life;
    await life.network.start();
    await life.subscriber.start();
    life.disk.start();
    life.phones.start();
    life.deadLetters.start();
    life.client.start();
    life.probe.start();
    life.suspendDetector.start();
    await life.discovery.start();
    this.#options.report('Looking for phones on the household’s network.');
    this.#warnOfAbsentNetworks(life.network);
    this.#hint = setTimeout(() => {
      if (life.phones.presences().length > 0) return;
      this.#options.report('No phone has answered yet. “npm run doctor” names what stands in the way.');
    }, this.#options.noPhoneHintMs ?? noPhoneHintMs);
  }

  /** They may come later, and are watched for; but a name may also be mistyped. */
  #warnOfAbsentNetworks(network: LanNetwork): void {
    const present = new Set(network.interfaces().map(({ name }) => name));
    const absent = this.#options.interfaces.filter((name) => !present.has(name));
    if (absent.length === 0 && present.size > 0) return;
    const who =
      absent.length === 0 ? 'No network of this machine has an address' : `There is no address on ${absent.join(', ')}`;
    this.#options.report(`Warning: ${who}. Phones there are found once it has one; --interface names other networks.`);
  }

  /** Leaves every subscription, closes tunnel and database, within 3 s. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    clearTimeout(this.#hint);
    await life.discovery.stop();
    life.suspendDetector.stop();
    life.probe.stop();
    life.commands.stop();
    life.inventory.onLost();
    await within(stopPhonesWithinMs, life.phones.stop());
    await life.subscriber.stop();
    await life.client.stop();
    life.deadLetters.stop();
    // What is still under way with a phone ends here, before the database that it would write to is closed.
    await life.network.stop();
    await life.phones.stop();
    life.outbox.stop();
    life.disk.stop();
    life.database.close();
  }

  #build(): Life {
    const options = this.#options;
    const { interfaces, trust, report } = options;
    // A device at our own address is a forgery unless a software phone is meant to be beside the agent (Z4).
    const allowOwnAddress = interfaces.includes('lo') || trust.length > 0 || options.phoneUrl !== undefined;
    const database = openDatabase(options.dataFolder);
    const disk = new DiskWatch({ database, report, changed: () => this.#tellPhones() });
    const outbox = new Outbox({ database, report });
    const journal = new Journal(database, outbox);
    const network = new LanNetwork({ interfaces, allowOwnAddress });
    const subscriber = new GenaSubscriber(network);
    const clock = new HouseClock();
    const inventory = new InventoryReader((frame) => client.send(frame));
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
        store: () => this.#store,
        inventory: (udn) => inventory.read(udn),
        backlog: () => (this.#store === undefined ? 0 : outbox.unacknowledged),
      },
      onChanged: () => this.#tellPhones(),
      onFound: (udn) => options.onPhone?.(udn),
    });
    const commands = new Commands({
      journal,
      phoneOf: (udn) => phones.approvedLinkOf(udn),
      isApproved: (udn) => phones.isApproved(udn),
      send: (frame) => client.send(frame),
      report,
    });
    const deadLetters = new DeadLetterRequests({
      outbox,
      isReady: () => this.#compared,
      send: (frame) => client.send(frame),
      onCount: () => this.#tellPhones(),
    });
    const client = new TunnelClient({
      url: options.cloud,
      token: options.token,
      software,
      outbox,
      report,
      ...(options.backOff !== undefined && { backOff: options.backOff }),
      onWelcome: (welcome) => {
        this.#store = welcome.store;
        clock.onCloudTime(welcome.time);
        report(`Connected to ${new URL(options.cloud).host}.`);
        this.#tellPhones();
        options.onConnected?.();
      },
      onFrame: (frame) => this.#onFrame(frame),
      onLost: () => {
        this.#store = undefined;
        this.#compared = false;
        commands.stop();
        inventory.onLost();
        options.onLost?.();
      },
    });
    const probe = new PhoneProbe({
      outbox,
      phones: () => (client.connected ? phones.able : []),
      everyMs: options.probeMs,
    });
    const suspendDetector = new SuspendDetector({ onResumed: (awayMs) => phones.onResumed(awayMs) });
    const discovery = new SsdpDiscovery({
      interfaces,
      targets: searchTargets,
      allowOwnAddress,
      ...(options.ssdpPort !== undefined && { port: options.ssdpPort }),
      isKnown: (udn) => phones.isKnown(udn),
      onFound: (found) => phones.onFound(found),
      onSeen: (found, kind) => phones.onHeard(found, kind),
      onMoved: (found) => phones.onRenewed(found),
      onRebooted: (found) => phones.onRenewed(found),
      onChanged: (found) => phones.onRenewed(found),
      onGone: (udn, reason) => phones.onGone(udn, reason),
      onFault: (error) => report(`Warning: discovery: ${error.message}`),
    });
    return {
      database,
      disk,
      outbox,
      network,
      subscriber,
      phones,
      commands,
      deadLetters,
      inventory,
      client,
      probe,
      suspendDetector,
      discovery,
    };
  }

  #onFrame(frame: FeatureFrame): void {
    const life = this.#life;
    if (life === undefined) return;
    switch (frame.type) {
      case 'approvals':
        // The first ones of a connection: now it can be compared what the cloud knows and the phones have.
        if (!this.#compared) life.phones.examine();
        this.#compared = true;
        life.phones.approve(frame.approved, frame.evidence);
        break;
      case 'call':
        void life.commands.handle(frame);
        break;
      case 'cancel':
        life.commands.cancel(frame.id);
        break;
      case 'dead-letters':
        void life.deadLetters.handle(frame);
        break;
      case 'inventory':
        life.inventory.onPage(frame);
        break;
    }
  }

  /** The whole list at each change; before `welcome` there is nobody to tell. */
  #tellPhones(): void {
    const life = this.#life;
    if (life === undefined || !life.client.connected) return;
    const deadLetters = life.outbox.deadLetters.count;
    life.client.send({ type: 'phones', phones: life.disk.mark(life.phones.presences()), deadLetters });
  }
}

/** Resolves with the work or after the time, whichever is first. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
