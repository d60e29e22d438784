// A household for tests: real cloud, software phones and agent, on loopback and temporary folders.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeHost } from '../../cloud/hosts/node.ts';
import type { Log } from '../../cloud/hub/hub-deps.ts';
import { Agent } from '../../edge-agent/agent.ts';
import { SoftwarePhone } from '../../edge-agent/phone/phone.ts';
import type { Phone } from '../../protocol/model.ts';
import { ActionLine } from './action-line.ts';
import { EventReader } from './event-reader.ts';

const quiet: Log = { info: () => {}, warn: () => {}, error: () => {} };

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the API answered
  body: any;
  headers: Headers;
}

export interface HouseholdOptions {
  log?: Log;
  dashboardFolder?: string;
}

export interface TestPhone {
  name: string;
  line: ActionLine;
  phone: SoftwarePhone;
}

export class Household {
  readonly ownerToken = `hl_${'e'.repeat(43)}`;
  readonly #folder: string;
  readonly #options: HouseholdOptions;
  /** A separate discovery port, so that households of other test files are not found. */
  readonly ssdpPort: number;
  readonly phones: TestPhone[] = [];
  readonly agentLines: string[] = [];
  readonly #readers: EventReader[] = [];
  #cloud: NodeHost | undefined;
  #cloudPort = 0;
  #agentToken: string | undefined;
  #agent: Agent | undefined;

  private constructor(folder: string, ssdpPort: number, options: HouseholdOptions) {
    this.#folder = folder;
    this.#options = options;
    this.ssdpPort = ssdpPort;
  }

  /** A cloud only; the test adds phones and the agent. */
  static async open(options: HouseholdOptions = {}): Promise<Household> {
    const folder = await mkdtemp(join(tmpdir(), 'homeline-household-'));
    const household = new Household(folder, 20_000 + Math.floor(Math.random() * 40_000), options);
    await household.startCloud();
    return household;
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.splice(0)) reader.close();
    await this.stopAgent();
    for (const { phone } of this.phones.splice(0)) await phone.stop();
    await this.stopCloud();
    await rm(this.#folder, { recursive: true });
  }

  get cloudFolder(): string {
    return join(this.#folder, 'cloud');
  }

  get url(): string {
    if (this.#cloud === undefined) throw new Error('The cloud is stopped.');
    return this.#cloud.url;
  }

  /** Opens the dashboard as the owner. */
  async signInLink(): Promise<string> {
    if (this.#cloud === undefined) throw new Error('The cloud is stopped.');
    return this.#cloud.signInLink();
  }

  async startCloud(): Promise<void> {
    this.#cloud = new NodeHost({
      host: '127.0.0.1',
      port: this.#cloudPort,
      dataFolder: this.cloudFolder,
      home: 'home',
      log: quiet,
      ownerToken: this.ownerToken,
      ...this.#options,
    });
    await this.#cloud.start();
    this.#cloudPort = Number(new URL(this.#cloud.url).port);
  }

  async stopCloud(): Promise<void> {
    await this.#cloud?.stop();
    this.#cloud = undefined;
  }

  async addPhone(name: string, more: { deviceType?: string; number?: string } = {}): Promise<TestPhone> {
    const line = new ActionLine();
    const phone = new SoftwarePhone({
      interfaces: ['lo'],
      port: 0,
      dataFolder: join(this.#folder, name),
      name,
      number: '+390119999',
      ssdpPort: this.ssdpPort,
      sendsPerMinute: 10_000,
      line,
      report: () => {},
      ...more,
    });
    await phone.start();
    const made = { name, line, phone };
    this.phones.push(made);
    return made;
  }

  /** `fresh`: deletes the agent's data folder first. */
  async startAgent(
    options: {
      trust?: readonly string[];
      fresh?: boolean;
      phoneUrl?: string;
      ssdpPort?: number;
      compareMs?: number;
    } = {},
  ): Promise<void> {
    if (this.#cloud === undefined) throw new Error('The cloud is stopped.');
    this.#agentToken ??= await this.#cloud.issueAgentToken('test agent');
    if (options.fresh === true) await rm(join(this.#folder, 'agent'), { recursive: true, force: true });
    this.#agent = new Agent({
      cloud: `${this.url.replace(/^http/, 'ws')}/v1/tunnel`,
      token: this.#agentToken,
      interfaces: ['lo'],
      trust: options.trust ?? this.phones.map(({ phone }) => phone.udn),
      phoneUrl: options.phoneUrl,
      ssdpPort: options.ssdpPort ?? this.ssdpPort,
      dataFolder: join(this.#folder, 'agent'),
      ...(options.compareMs !== undefined && { compareMs: options.compareMs }),
      report: (line) => this.agentLines.push(line),
    });
    await this.#agent.start();
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.stop();
    this.#agent = undefined;
  }

  /** One request of the owner below `/v1`. */
  async api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(`${this.url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.ownerToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text), headers: answer.headers };
  }

  /** The body of a request below the home; fails the test unless it succeeds. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the API answered
  async home(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.api(method, `/homes/home${path}`, body);
    if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Waits until the phone is online in the cloud, and returns it. */
  async phoneOnline(name: string): Promise<Phone> {
    return await this.until(`the phone ${name} is online`, async () => {
      const { items } = await this.home('GET', '/phones');
      return (items as Phone[]).find((phone) => phone.name === name && phone.online);
    });
  }

  /** Live events from now on (or after `lastEventId`). */
  async events(lastEventId?: string): Promise<EventReader> {
    const reader = await EventReader.open(`${this.url}/v1/homes/home/events`, this.ownerToken, lastEventId);
    this.#readers.push(reader);
    return reader;
  }

  /** Polls until `look` returns a value; fails with `what` before the test's own timeout. */
  async until<Found>(
    what: string,
    look: () => Promise<Found | undefined | false> | Found | undefined | false,
  ): Promise<Found> {
    const deadline = Date.now() + 50_000;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}.`);
      await sleep(20);
    }
  }
}
