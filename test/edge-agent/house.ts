// A test harness: a scripted phone, a scripted cloud and the real agent between them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Agent, type AgentOptions } from '../../edge-agent/agent.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { type CloudScript, ScriptedCloud } from '../fixtures/tunnel/scripted-cloud.ts';

/** Shortened for tests. */
export const quickBackOff = { firstMs: 20, capMs: 100, stableMs: 60_000, replacedMs: 400, refusedMs: 60_000 };

export class House {
  readonly phone = new ScriptedPhone();
  readonly cloud: ScriptedCloud;
  readonly lines: string[] = [];
  folder = mkdtempSync(join(tmpdir(), 'homeline-agent-'));
  agent: Agent | undefined;
  readonly #options: Partial<AgentOptions>;

  constructor(script: Partial<CloudScript> = {}, options: Partial<AgentOptions> = {}) {
    this.cloud = new ScriptedCloud(script);
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.phone.start();
    await this.cloud.start();
    await this.startAgent();
  }

  async startAgent(): Promise<void> {
    this.agent = new Agent({
      cloud: this.cloud.url,
      token: this.cloud.token,
      interfaces: ['lo'],
      phoneUrl: this.phone.location,
      trust: [],
      dataFolder: this.folder,
      // No other program announces on this port.
      ssdpPort: 20_000 + Math.floor(Math.random() * 20_000),
      backOff: quickBackOff,
      report: (line) => this.lines.push(line),
      ...this.#options,
    });
    await this.agent.start();
  }

  /** Waits until the agent has compared everything once. */
  async inStep(): Promise<void> {
    await this.cloud.until(() => this.lines.some((line) => line.includes('In step')));
  }

  async restartAgent(): Promise<void> {
    await this.agent?.stop();
    this.lines.length = 0;
    await this.startAgent();
    await this.inStep();
  }

  /** Opens the journal of a stopped agent. */
  changeJournal(sql: string): void {
    const database = new DatabaseSync(join(this.folder, 'agent.db'));
    database.exec(sql);
    database.close();
  }

  loseJournal(): void {
    rmSync(this.folder, { recursive: true });
  }

  async stop(): Promise<void> {
    await this.agent?.stop();
    await this.cloud.stop();
    await this.phone.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
