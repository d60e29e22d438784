// One household for one round: the three processes, the networks between them and their disks.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PhoneControlPoint } from '../../edge-agent/messaging/control-point.ts';
import type { MessageEntry } from '../../edge-agent/messaging/message-list.ts';
import { readDescription } from '../../edge-agent/upnp/description/description.ts';
import { LanNetwork } from '../../edge-agent/upnp/network/network.ts';
import type { Home } from '../../protocol/model.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { ask, type Cloud } from './client.ts';
import { Disk } from './disk.ts';
import { LanRoad } from './lan-road.ts';
import { type Delivery, readDeliveries } from './phone.ts';
import { Program } from './program.ts';
import type { Random } from './random.ts';
import { TunnelRoad } from './tunnel-road.ts';

export interface HouseOptions {
  readonly random: Random;
  /** Modules to preload into each program, relative to this folder: they disable a safeguard for a test. */
  readonly preload?: Partial<Record<ProgramName, string>>;
  /** The size of each disk in MiB; default 48, so that it fills quickly. */
  readonly diskMib?: number;
}

export const programNames = ['cloud', 'agent', 'phone'] as const;
export type ProgramName = (typeof programNames)[number];

const ownerToken = `hl_${'c'.repeat(43)}`;

export class House {
  readonly folder: string;
  readonly cloud: Cloud;
  readonly programs: Readonly<Record<ProgramName, Program>>;
  readonly disks: Readonly<Record<ProgramName, Disk>>;
  readonly tunnelRoad: TunnelRoad;
  readonly lanRoad: LanRoad;
  /** The messages that the phone accepted from its line. */
  readonly arrived: string[];
  readonly #lineFile: string;
  readonly #phoneLocation: string;

  private constructor(
    parts: Pick<House, 'folder' | 'cloud' | 'programs' | 'disks' | 'tunnelRoad' | 'lanRoad' | 'arrived'>,
    lineFile: string,
    phoneLocation: string,
  ) {
    this.folder = parts.folder;
    this.cloud = parts.cloud;
    this.programs = parts.programs;
    this.disks = parts.disks;
    this.tunnelRoad = parts.tunnelRoad;
    this.lanRoad = parts.lanRoad;
    this.arrived = parts.arrived;
    this.#lineFile = lineFile;
    this.#phoneLocation = phoneLocation;
  }

  /** Starts everything; resolves when the cloud knows the phone. */
  static async open({ random, preload = {}, diskMib = 48 }: HouseOptions): Promise<House> {
    const folder = mkdtempSync(join(tmpdir(), 'homeline-chaos-'));
    const disks = {
      cloud: Disk.make(join(folder, 'cloud'), diskMib),
      agent: Disk.make(join(folder, 'agent'), diskMib),
      phone: Disk.make(join(folder, 'phone'), diskMib),
    };
    const [cloudPort, phonePort] = [await freePort(), await freePort()];
    const tunnelRoad = new TunnelRoad(cloudPort);
    const tunnelPort = await tunnelRoad.start();
    const lanRoad = new LanRoad(phonePort, random);
    const lanPort = await lanRoad.open();
    const lineFile = join(folder, 'line.jsonl');
    const arrived: string[] = [];
    const common = (name: ProgramName) => ({
      name,
      folder,
      preload: preload[name] === undefined ? [] : [preload[name]],
      mayFailToStart: () => disks[name].isFull,
    });
    const cloud = new Program({
      ...common('cloud'),
      path: 'cloud/hosts/node.ts',
      env: {
        HOMELINE_PORT: String(cloudPort),
        HOMELINE_DATA: disks.cloud.folder,
        HOMELINE_OWNER_TOKEN: ownerToken,
        // The client sends as fast as it can.
        HOMELINE_RATE_PER_SECOND: '0',
        HOMELINE_SENDS_PER_DAY: '0',
        HOMELINE_IDEMPOTENCY_MIB: '0',
      },
      onMessage: ({ type, token }) => {
        if (type === 'agent-token') agentToken.resolve(String(token));
      },
    });
    const agentToken = Promise.withResolvers<string>();
    const phone = new Program({
      ...common('phone'),
      path: 'test/chaos/phone.ts',
      env: {
        HOMELINE_DATA: disks.phone.folder,
        HOMELINE_PHONE_PORT: String(phonePort),
        // It must be reachable only through the proxy.
        HOMELINE_SSDP_PORT: '20001',
        CHAOS_LINE: lineFile,
      },
      onMessage: ({ type, messageId }) => {
        if (type === 'arrived') arrived.push(String(messageId));
      },
    });
    cloud.start();
    phone.start();
    const [{ location }] = await Promise.all([phone.ready, cloud.ready]);
    cloud.send({ type: 'issue-agent-token', name: 'chaos' });
    const agent = new Program({
      ...common('agent'),
      preload: ['quick.ts', ...common('agent').preload],
      path: 'edge-agent/main.ts',
      env: {
        HOMELINE_CLOUD: `ws://127.0.0.1:${tunnelPort}`,
        HOMELINE_AGENT_TOKEN: await agentToken.promise,
        HOMELINE_INTERFACE: 'lo',
        HOMELINE_SSDP_PORT: '20002',
        HOMELINE_PHONE: Object.assign(new URL(String(location)), { host: `127.0.0.1:${lanPort}` }).href,
        HOMELINE_DATA: disks.agent.folder,
      },
    });
    agent.start();
    const house = new House(
      {
        folder,
        cloud: { url: `http://127.0.0.1:${cloudPort}`, token: ownerToken },
        programs: { cloud, agent, phone },
        disks,
        tunnelRoad,
        lanRoad,
        arrived,
      },
      lineFile,
      String(location),
    );
    await house.until(() => house.isWhole());
    return house;
  }

  /** `keep`: keeps the folder for an investigation. */
  async close(keep: boolean): Promise<void> {
    for (const name of programNames) await this.programs[name].kill();
    this.lanRoad.close();
    await this.tunnelRoad.stop();
    if (keep) return;
    for (const name of programNames) this.disks[name].unmount();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Whether the phone is online in the cloud. */
  async isWhole(): Promise<boolean> {
    const home = await ask<Home>(this.cloud, '').catch(() => undefined);
    return home?.phones.some((phone) => phone.online && phone.approved) === true;
  }

  async until(isSo: () => Promise<boolean>, patienceMs = 30_000): Promise<boolean> {
    const untilMs = performance.now() + patienceMs;
    while (performance.now() < untilMs) {
      const lookedAtMs = performance.now();
      if (await isSo()) return true;
      // Polling slows the programs down: spend at most half of the time on it.
      await pause(Math.max(200, performance.now() - lookedAtMs));
    }
    return false;
  }

  get deliveries(): Delivery[] {
    return readDeliveries(this.#lineFile);
  }

  /** All messages of the phone, read by a separate control point. */
  async phoneMessages(): Promise<PhoneMessage[]> {
    const network = new LanNetwork({ interfaces: ['lo'], allowOwnAddress: true });
    await network.start();
    try {
      const { services } = await readDescription(network, this.#phoneLocation);
      const service = services[0];
      if (service === undefined) throw new Error('The phone has no service.');
      const { controlUrl, serviceType } = service;
      const controlPoint = new PhoneControlPoint({ network, udn: 'uuid:chaos', controlUrl, serviceType });
      const everything = { MessageClass: 'ANY', MessageFolder: 'ANY', MessageStatus: 'ANY', SessionID: '' };
      const messages: PhoneMessage[] = [];
      const take = (entries: MessageEntry[]) => void messages.push(...entries.map(({ message }) => message));
      await controlPoint.inTurn((calls) => calls.searchMessages(everything, { deadlineMs: 10_000 }, take), {
        exclusive: false,
      });
      return messages;
    } finally {
      await network.stop();
    }
  }
}

/** Below the ephemeral ports of the system: while a program is dead, no other socket gets its port. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
