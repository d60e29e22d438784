// A software Telephony Server (UPnP Telephony:2) that hosts Messaging:2. A Line carries its messages.
import { release, type } from 'node:os';
import type { Party } from '../../protocol/phone-model.ts';
import { canonicalAddress } from '../../shared/ip-address.ts';
import { type HostedDevice, type HostedService, serverToken } from '../upnp/hosting/hosted-device.ts';
import { RootDevice } from '../upnp/hosting/root-device.ts';
import { LanNetwork } from '../upnp/network/network.ts';
import { ControlPage } from './control-page.ts';
import { openPhoneDatabase, type PhoneDatabase } from './database.ts';
import { EventedState } from './evented-state.ts';
import { PhoneFiles } from './files.ts';
import { countStart, keepBootId } from './identity.ts';
import type { Line, LineEvents } from './lines/line.ts';
import { MessageActions } from './message-actions.ts';
import { Messages } from './messages.ts';
import { messagingService } from './messaging-service.ts';
import { OutgoingBox } from './outgoing.ts';
import { SendLimit } from './send-limit.ts';
import { SessionActions } from './session-actions.ts';
import { PhoneSessions } from './sessions.ts';
import { TransferActions } from './transfer-actions.ts';

export const telephonyServer = 'urn:schemas-upnp-org:device:TelephonyServer:2';
export const telephonyClient = 'urn:schemas-upnp-org:device:TelephonyClient:2';

export interface SoftwarePhoneOptions {
  /** Interface names to announce on; empty means all but loopback. */
  readonly interfaces: readonly string[];
  /** The phone's TCP port on each address; 0 picks a free port. */
  readonly port: number;
  /** Port of the phone's page on 127.0.0.1; default any free one. */
  readonly pagePort?: number;
  /** Holds identity, messages and sessions. One phone per folder. */
  readonly dataFolder: string;
  readonly name: string;
  /** The phone's own address, such as `+390119999`. */
  readonly number: string;
  /** Default TelephonyServer:2. */
  readonly deviceType?: string;
  /** Default 1900. */
  readonly ssdpPort?: number;
  /** Addresses of control points that may connect; empty allows all on the link (Z14). */
  readonly allowed?: readonly string[];
  /** Rate limit per control point; default 60. */
  readonly sendsPerMinute?: number;
  readonly line: Line;
  report(line: string): void;
}

/** What exists only while the phone runs. */
interface RunningPhone {
  readonly database: PhoneDatabase;
  readonly network: LanNetwork;
  readonly device: RootDevice;
  readonly outgoing: OutgoingBox;
  readonly transfers: TransferActions;
  readonly page: ControlPage;
  readonly udn: string;
}

export class SoftwarePhone {
  readonly #options: SoftwarePhoneOptions;
  #running: RunningPhone | undefined;

  constructor(options: SoftwarePhoneOptions) {
    this.#options = options;
  }

  /** Rejects when the data folder is not writable, a port is taken or no interface is usable; closes what it opened. */
  async start(): Promise<void> {
    if (this.#running !== undefined) throw new Error('The phone is on already.');
    const closing: (() => unknown)[] = [];
    try {
      this.#running = await this.#build(closing);
    } catch (error) {
      for (const close of closing.reverse()) await close();
      throw error;
    }
  }

  /** Sends byebye, drops subscribers, closes every socket and the database. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.outgoing.stop();
    await this.#options.line.stop();
    await running.page.stop();
    await running.device.stop();
    running.transfers.stop();
    await running.network.stop();
    running.database.close();
  }

  /** `uuid:…`. This and the getters below require a running phone. */
  get udn(): string {
    return this.#on.udn;
  }

  /** The URL of the description on the first address. */
  get location(): string {
    return this.#on.device.locations[0] ?? '';
  }

  get locations(): readonly string[] {
    return this.#on.device.locations;
  }

  /** The phone's page, on loopback. */
  get pageUrl(): string {
    return this.#on.page.url;
  }

  /** The token of that page; new at each start. */
  get pageToken(): string {
    return this.#on.page.token;
  }

  get #on(): RunningPhone {
    if (this.#running === undefined) throw new Error('The phone is off.');
    return this.#running;
  }

  async #build(closing: (() => unknown)[]): Promise<RunningPhone> {
    const { line, report, interfaces, dataFolder } = this.#options;
    const owner: Party = { address: this.#options.number, displayName: this.#options.name };
    const database = openPhoneDatabase(dataFolder);
    closing.push(() => database.close());
    const identity = await countStart(database, Date.now());

    const messages = new Messages(database);
    const sessions = new PhoneSessions(database);
    const files = new PhoneFiles(database);
    const evented = new EventedState(messages, (variable) => device.publish(service, [variable]));
    const sessionActions = new SessionActions({ database, messages, sessions, evented, line, owner, report });
    const outgoing = new OutgoingBox({
      database,
      messages,
      sessions,
      line,
      onSent: () => evented.messagesChanged(),
      report,
    });
    const messageActions = new MessageActions({
      database,
      messages,
      sessions,
      sessionActions,
      evented,
      outgoing,
      line,
      owner,
      report,
    });
    const network = new LanNetwork({ interfaces });
    const transfers = new TransferActions({
      database,
      files,
      sessions,
      sessionActions,
      line,
      network,
      origins: () => device.origins,
      report,
    });
    const sendLimit = new SendLimit(this.#options.sendsPerMinute ?? 60);
    const service = messagingService({
      messages: messageActions,
      sessions: sessionActions,
      transfers,
      evented,
      line,
      owner,
      sendLimit,
    });
    const device = new RootDevice({
      device: this.#describe(identity.udn, service),
      interfaces,
      port: this.#options.port,
      ...(this.#options.ssdpPort === undefined ? {} : { ssdpPort: this.#options.ssdpPort }),
      server: serverToken({ name: type(), version: release() }, { name: 'Homeline', version: '0.1' }),
      bootId: identity.bootId,
      nextBootId: (bootId) => keepBootId(database, bootId, Date.now()),
      fileAt: (path) => transfers.fileAt(path),
      ...allowanceOf(this.#options.allowed ?? []),
      onFault: (error) => report(`The network: ${error.message}`),
    });
    const events = eventsOf(messageActions, sessionActions, transfers);
    const page = new ControlPage({
      port: this.#options.pagePort ?? 0,
      dataFolder,
      owner,
      messages,
      sessions,
      events,
      correspondents: line.correspondents ?? [],
    });

    await database.write(() => files.failInterrupted());
    await network.start();
    closing.push(() => network.stop());
    await page.start();
    closing.push(() => page.stop());
    await device.start();
    closing.push(() => device.stop());
    await line.start(events);
    outgoing.start();
    return { database, network, device, outgoing, transfers, page, udn: identity.udn };
  }

  #describe(udn: string, service: HostedService): HostedDevice {
    return {
      udn,
      deviceType: this.#options.deviceType ?? telephonyServer,
      friendlyName: this.#options.name,
      manufacturer: 'Homeline',
      modelName: 'Homeline software phone',
      modelDescription: 'A telephony server that carries messages',
      modelNumber: '1',
      services: [service],
    };
  }
}

function allowanceOf(allowed: readonly string[]): { allows?(address: string): boolean } {
  if (allowed.length === 0) return {};
  const addresses = new Set(allowed.map((address) => canonicalAddress(address)));
  return { allows: (address) => addresses.has(address) };
}

function eventsOf(messages: MessageActions, sessions: SessionActions, transfers: TransferActions): LineEvents {
  return {
    arrived: (message) => messages.arrive(message),
    offered: (offer) => sessions.offered(offer),
    joined: (sessionId, party) => sessions.partyJoined(sessionId, party),
    left: (sessionId, party) => sessions.partyLeft(sessionId, party),
    closed: (sessionId) => sessions.closedByOthers(sessionId),
    fileOffered: (offer) => transfers.offered(offer),
  };
}
