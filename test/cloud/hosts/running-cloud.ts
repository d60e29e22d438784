// A Node host on a free port with a data folder of its own, and the requests that tests make of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeHost, type NodeHostSettings } from '../../../cloud/hosts/node.ts';
import { lineLog } from '../../../cloud/hosts/node-log.ts';
import type { Phone } from '../../../protocol/model.ts';
import { presence } from '../../contract/messages.ts';
import { type Script, ScriptedAgent } from './scripted-agent.ts';

export const ownerToken = 'hl_owner-token-of-the-tests-0123456789abcdef';

/** For expect.poll, with time for a busy machine. */
export const patiently = { timeout: 30_000 };

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export class RunningCloud {
  readonly folder: string;
  readonly #settings: Partial<NodeHostSettings>;
  readonly #agents: ScriptedAgent[] = [];
  readonly logged: string[] = [];
  #host: NodeHost;

  constructor(settings: Partial<NodeHostSettings> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'homeline-cloud-'));
    this.#settings = settings;
    this.#host = this.#make();
  }

  get host(): NodeHost {
    return this.#host;
  }

  get url(): string {
    return this.#host.url;
  }

  start(): Promise<void> {
    return this.#host.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.vanish()));
    await this.#host.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Stops the host and starts another on the same data. */
  async restart(): Promise<void> {
    await this.#host.stop();
    this.#host = this.#make();
    await this.#host.start();
  }

  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${ownerToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.request('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.request('POST', path, body, headers);
  }

  async agent(script: Script = {}): Promise<ScriptedAgent> {
    const agent = new ScriptedAgent(this.url, await this.#host.issueAgentToken('scripted'), script);
    this.#agents.push(agent);
    return agent;
  }

  /** A connected agent with one trusted phone. */
  async homeWithPhone(script: Script = {}): Promise<{ agent: ScriptedAgent; phone: Phone }> {
    const agent = await this.agent(script);
    await agent.connect();
    await agent.phones(presence('uuid:phone-1', { name: 'Kitchen', trusted: true }));
    return { agent, phone: await this.phone() };
  }

  /** The first phone, once the cloud shows it online; within 30 s. */
  async phone(): Promise<Phone> {
    for (const endMs = performance.now() + patiently.timeout; ; ) {
      const phone: Phone | undefined = (await this.get('/v1/homes/home/phones')).body.items[0];
      if (phone?.online) return phone;
      if (performance.now() > endMs) throw new Error('The phone never came online.');
    }
  }

  #make(): NodeHost {
    return new NodeHost({
      host: '127.0.0.1',
      port: 0,
      dataFolder: this.folder,
      home: 'home',
      ownerToken,
      log: lineLog('warn', (line) => this.logged.push(line)),
      ...this.#settings,
    });
  }
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' || body instanceof Uint8Array;
}
