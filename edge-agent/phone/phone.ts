// A Telephony Server in software (UPnP Telephony:2) that hosts Messaging:2. Its messages come and go by a Line.
import { release, type } from 'node:os';
import type { Party } from '../../protocol/phone-model.ts';
import { canonicalAddress } from '../../shared/ip-address.ts';
import { type HostedDevice, type HostedService, serverToken } from '../upnp/hosting/hosted-device.ts';
import { RootDevice } from '../upnp/hosting/root-device.ts';
import { LanNetwork } from '../upnp/network/network.ts';
import { ControlPage } from './control-page.ts';
import { openPhoneDatabase, type PhoneDatabase } from './database.ts';
import { PhoneFiles } from './files.ts';
import { countStart, keepBootId } from './identity.ts';
import type { Line, LineEvents } from './lines/line.ts';
import { MessageActions } from './message-actions.ts';
import { Messages } from './messages.ts';
import { messagingService } from './messaging-service.ts';
import { News } from './news.ts';
import { OutgoingBox } from './outgoing.ts';
import { SendLimit } from './send-limit.ts';
import { SessionActions } from './session-actions.ts';
import { PhoneSessions } from './sessions.ts';
import { TransferActions } from './transfer-actions.ts';

export const telephonyServer = 'urn:schemas-upnp-org:device:TelephonyServer:2';
export const telephonyClient = 'urn:schemas-upnp-org:device:TelephonyClient:2';

export interface SoftwarePhoneOptions {
  /** Names of interfaces to be found on; none means all but loopback. */
  readonly interfaces: readonly string[];
  /** Of the phone's server on each address; 0 for any free one. */
  readonly port: number;
  /** Of the phone's own page on 127.0.0.1; any free one unless told. */
  readonly pagePort?: number;
  /** Holds who the phone is and all that it knows. One phone a folder. */
  readonly dataFolder: string;
  readonly name: string;
  /** The phone's own address, such as `+390119999`. */
  readonly number: string;
  /** TelephonyServer:2 unless told. */
  readonly deviceType?: string;
  /** 1900 unless told. */
  readonly ssdpPort?: number;
  /** Control points that may ask at all; all on the link where none is named (Z14). */
  readonly allowed?: readonly string[];
  /** Messages that one control point may send a minute; 60 unless told. */
  readonly sendsPerMinute?: number;
  readonly line: Line;
  report(line: string): void;
}

/** All that exists only while the phone is on. */
interface Life {
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
  #life: Life | undefined;

  constructor(options: SoftwarePhoneOptions) {
    this.#options = options;
  }

  /** Rejects where the data folder cannot be written, a port is taken, or no interface can be used; nothing is left open then. */
  async start(): Promise<void> {
    if (this.#life !== undefined) throw new Error('The phone is on already.');
    const closing: (() => unknown)[] = [];
    try {
      this.#life = await this.#begin(closing);
    } catch (error) {
      for (const close of closing.reverse()) await close();
      throw error;
    }
  }

  /** Says byebye, forgets subscribers, closes every socket and the database. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    life.outgoing.stop();
    await this.#options.line.stop();
    await life.page.stop();
    await life.device.stop();
    life.transfers.stop();
    await life.network.stop();
    life.database.close();
  }

  /** `uuid:…`. The phone must be on, here and below. */
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

  /** The phone's own page, on loopback. */
  get pageUrl(): string {
    return this.#on.page.url;
  }

  /** What that page asks for; another one at each start. */
  get pageToken(): string {
    return this.#on.page.token;
  }

  get #on(): Life {
    if (this.#life === undefined) throw new Error('The phone is off.');
    return this.#life;
  }

  async #begin(closing: (() => unknown)[]): Promise<Life> {
    const { line, report, interfaces, dataFolder } = this.#options;
    const owner: Party = { address: this.#options.number, displayName: this.#options.name };
    const database = openPhoneDatabase(dataFolder);
    closing.push(() => database.close());
    const identity = await countStart(database, Date.now());

    const messages = new Messages(database);
    const sessions = new PhoneSessions(database);
    const files = new PhoneFiles(database);
    const news = new News(messages, (variable) => device.publish(service, [variable]));
    const sessionActions = new SessionActions({ database, messages, sessions, news, line, owner, report });
    const outgoing = new OutgoingBox({
      database,
      messages,
      sessions,
      line,
      onSent: () => news.messagesChanged(),
      report,
    });
    const desk = new MessageActions({
      database,
      messages,
      sessions,
      sessionActions,
      news,
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
      messages: desk,
      sessions: sessionActions,
      transfers,
      news,
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
    const events = eventsOf(desk, sessionActions, transfers);
    const page = new ControlPage({
      port: this.#options.pagePort ?? 0,
      dataFolder,
      owner,
      messages,
      sessions,
      events,
      correspondents: line.correspondents ?? [],
    });

    await database.write(() => files.breakOff());
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
