// A true cloud with the true dashboard, built for the occasion, and a browser that looks at it.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { NodeHost } from '../../cloud/hosts/node.ts';
import { ScriptedHome } from './scripted-home.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const repository = join(import.meta.dirname, '../..');
export const ownerToken = `hl_${'o'.repeat(43)}`;
const quiet = { error: () => undefined, warn: () => undefined, info: () => undefined };

/** For expect.poll: a browser beside other work takes its time. */
export const patiently = { timeout: 30_000 };

/** Why the browser tests cannot run here; never a reason where CI is set, so that they cannot be lost in silence. */
export function browserIsMissing(): boolean {
  if (existsSync(executablePath) || process.env.CI) return false;
  console.log(`Skipped: no Chromium at ${executablePath}. Install one, or name it in CHROMIUM.`);
  return true;
}

export class Stage {
  readonly #folder: string;
  #host: NodeHost | undefined;
  #browser: Browser | undefined;
  #contexts: BrowserContext[] = [];
  #homes: ScriptedHome[] = [];
  #port = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await mkdtemp(join(tmpdir(), 'homeline-dashboard-')));
    await stage.#start();
    return stage;
  }

  async close(): Promise<void> {
    await this.clear();
    await this.#browser?.close();
    await this.#host?.stop();
    await rm(this.#folder, { recursive: true });
  }

  /** Takes the pages and homes away, and all that was stored, as between two tests. */
  async clear(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
    for (const home of this.#homes.splice(0)) await home.stop();
  }

  /** A cloud that knows nothing yet. */
  async reset(): Promise<void> {
    await this.clear();
    await this.stopCloud();
    await rm(this.#dataFolder, { recursive: true });
    this.#port = 0;
    await this.startCloud();
  }

  /** The built dashboard. */
  get dashboardFolder(): string {
    return join(this.#folder, 'dist');
  }

  get url(): string {
    return this.host.url;
  }

  get host(): NodeHost {
    if (this.#host === undefined) throw new Error('The cloud is stopped.');
    return this.#host;
  }

  async stopCloud(): Promise<void> {
    this.#port = Number(new URL(this.host.url).port);
    await this.host.stop();
    this.#host = undefined;
  }

  /** Starts it again on the same port, with the same data. */
  async startCloud(): Promise<void> {
    this.#host = new NodeHost({
      host: '127.0.0.1',
      port: this.#port,
      dataFolder: this.#dataFolder,
      home: 'home',
      log: quiet,
      ownerToken,
      dashboardFolder: this.dashboardFolder,
    });
    await this.#host.start();
  }

  /** A home whose agent is not connected yet. */
  async home(): Promise<ScriptedHome> {
    const home = new ScriptedHome(this.url, await this.host.issueAgentToken('Raspberry Pi'));
    this.#homes.push(home);
    return home;
  }

  async page(options: BrowserContextOptions = {}): Promise<Page> {
    if (this.#browser === undefined) throw new Error('The stage is closed.');
    const context = await this.#browser.newContext({
      locale: 'en-GB',
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    context.setDefaultTimeout(30_000);
    this.#contexts.push(context);
    return context.newPage();
  }

  /** A page on which the owner is signed in. */
  async signedIn(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.page(options);
    await page.goto(await this.host.signInLink());
    await page.getByRole('navigation', { name: 'Places' }).waitFor();
    return page;
  }

  async #start(): Promise<void> {
    await build({
      configFile: join(repository, 'cloud/dashboard/vite.config.ts'),
      logLevel: 'error',
      build: { outDir: this.dashboardFolder },
    });
    await this.startCloud();
    this.#browser = await chromium.launch({
      executablePath,
      args: [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  }

  get #dataFolder(): string {
    return join(this.#folder, 'data');
  }
}
