// The agent as a process: killed and back within the grace period, or frozen. A page that reads the home once and then
// follows its events must show the true state.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Home } from '../../protocol/model.ts';
import type { EventReader } from './event-reader.ts';
import { Household } from './household.ts';

const program = resolve(import.meta.dirname, '../../edge-agent/main.ts');
let household: Household;
let folder: string;
let env: Record<string, string | undefined>;
let agents: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-agent-'));
  household = await Household.open();
  const { phone } = await household.addPhone('Kitchen');
  const { body } = await household.api('POST', '/homes/home/agents', { name: 'Pi' });
  env = {
    PATH: process.env.PATH,
    HOMELINE_CLOUD: household.url.replace(/^http/, 'ws'),
    HOMELINE_AGENT_TOKEN: body.token,
    HOMELINE_INTERFACE: 'lo',
    HOMELINE_TRUST: phone.udn,
    HOMELINE_SSDP_PORT: String(household.ssdpPort),
    HOMELINE_DATA: folder,
  };
});
afterEach(async () => {
  for (const agent of agents) await kill(agent);
  agents = [];
  await household.close();
  rmSync(folder, { recursive: true });
});

async function start(): Promise<ChildProcess> {
  const agent = fork(program, [], { env, execArgv: [], silent: true });
  agents.push(agent);
  await once(agent, 'message');
  return agent;
}

async function kill(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = once(agent, 'exit');
  agent.kill('SIGKILL');
  await ended;
}

const read = (): Promise<Home> => household.home('GET', '');

/** The dashboard's polling interval: a hibernating Durable Object checks its agent only when asked. */
const lookMs = 8_000;

/** A page that reads the home, and reads it again when an event says that it changed. */
class Page {
  home!: Home;
  readonly #reader: EventReader;
  readonly #looks: boolean;
  #seen = 0;
  #lookedMs = 0;

  /** `looks`: also polls the home. */
  constructor(reader: EventReader, looks = false) {
    this.#looks = looks;
    this.#reader = reader;
  }

  async look(): Promise<void> {
    this.#lookedMs = performance.now();
    this.home = await read();
  }

  async follow(): Promise<Home> {
    for (const event of this.#reader.seen.slice(this.#seen)) {
      this.#seen++;
      const { online } = this.home;
      if (event.type === 'home.updated') await this.look();
      else if (event.type === 'home.online' || event.type === 'home.offline') {
        this.home = { ...this.home, online: event.type === 'home.online' };
      } else if (event.type === 'phone.online' || event.type === 'phone.offline') {
        this.home = { ...this.home, online, phones: [event.data] };
      }
    }
    if (this.#looks && performance.now() - this.#lookedMs > lookMs) await this.look();
    return this.home;
  }
}

describe('an agent that is killed and is back within the grace', () => {
  it.each([1, 2, 3])(
    'does not leave a page saying that the home is offline (kill %i)',
    async () => {
      const first = await start();
      await household.phoneOnline('Kitchen');
      const page = new Page(await household.events());
      await page.look();
      await kill(first);
      await household.until('the cloud has seen it go', async () => !(await read()).online);
      await page.look();
      expect(page.home).toMatchObject({ online: false, phones: [{ online: false }] });
      await start();
      await household.phoneOnline('Kitchen');
      await expect
        .poll(() => page.follow(), { timeout: 50_000 })
        .toMatchObject({ online: true, phones: [{ online: true }] });
    },
    180_000,
  );
});

describe('an agent that is frozen', () => {
  it('is seen by a page that is open, and by a program that asks; and again when it goes on', async () => {
    const agent = await start();
    await household.phoneOnline('Kitchen');
    const page = new Page(await household.events(), true);
    await page.look();
    agent.kill('SIGSTOP');
    await expect
      .poll(async () => (await page.follow()).trouble, { timeout: 50_000 })
      .toMatchObject({
        code: 'agent-silent',
        detail: expect.stringContaining('“Pi” is connected but does not answer'),
      });
    agent.kill('SIGCONT');
    await expect.poll(async () => (await page.follow()).trouble, { timeout: 50_000 }).toBeUndefined();
    agent.kill('SIGSTOP');
    await expect.poll(async () => (await read()).trouble?.code, { timeout: 50_000 }).toBe('agent-silent');
    agent.kill('SIGCONT');
    await expect.poll(async () => (await read()).trouble, { timeout: 50_000 }).toBeUndefined();
  }, 240_000);
});
