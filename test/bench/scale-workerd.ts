// How many homes one workerd takes, each an object with its agent's tunnel, and what limits it: memory awake, hibernated
// and after waking all, and calls. `node test/bench/scale-workerd.ts`: JSON lines.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Page } from '../../cloud/store/page.ts';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import type { Phone } from '../../protocol/model.ts';
import { StoreService } from '../workers/store-service.ts';
import { loadInTurns, quantile, type Shot } from './load.ts';
import { report } from './report.ts';
import { FleetAgent, seedHomes, sharedOutbox } from './scale-fleet.ts';
import { Tries } from './scale-tries.ts';

const { values } = parseArgs({
  options: {
    homes: { type: 'string', default: '100000' },
    /** The limit of workerd's memory, GiB. */
    memory: { type: 'string', default: '8' },
    /** The time limit for connecting all homes. */
    minutes: { type: 'string', default: '8' },
  },
});
const most = Number(values.homes);
const mostBytes = Number(values.memory) * 1024 ** 3;
const untilMs = performance.now() + Number(values.minutes) * 60_000;
/** Homes per batch; after each the limits are checked. */
const step = Math.min(250, most);
const dialsAtOnce = 32;
const scopes = ['phones:read', 'actions:call'] as const;
const sampled = Math.min(200, most);
/** An object hibernates after ten idle seconds (Cloudflare's documents; workerd too). */
const asleepMs = 20_000;
const quietMs = 5_000;
/** A home that takes longer to connect is over the machine's limit. */
const patienceMs = 30_000;
const leastFreeBytes = 1024 ** 3;
/** Reserved file descriptors for calls and for store requests of woken objects; without them workerd closes callers' connections. */
const spareFiles = 1_000;
const wokenAtOnce = 32;
const wakingMs = 100;

/** Fake credentials: nothing leaves the machine. */
const offline = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' };

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'homeline-scale-'));
const database = openDatabase(join(folder, 'agents'));
const outbox = sharedOutbox(database);
const stores = new StoreService();
const agents: FleetAgent[] = [];
const tries = new Tries();
let workerd: ChildProcess | undefined;
try {
  const storeUrl = await stores.start();
  const store = await stores.open('bench');
  const { child, url } = await startWorkerd(storeUrl);
  workerd = child;
  await (await fetch(`${url}/readyz`)).text();
  const emptyBytes = rssBytes(child);
  const beganMs = performance.now();
  const size = () => ({
    homes: agents.length,
    rssMb: mebibytes(rssBytes(child)),
    rssKbPerHome: Math.round((rssBytes(child) - emptyBytes) / agents.length / 1024),
    openFiles: openFiles(child),
  });

  const readerTokens: string[] = [];
  let stoppedBy: string | undefined;
  tries.start();
  while (stoppedBy === undefined) {
    const from = agents.length;
    const count = Math.min(step, most - from);
    const seeded = await seedHomes(store, { from, count }, { count: Math.max(0, sampled - from), scopes });
    readerTokens.push(...seeded.readerTokens);
    stoppedBy = (await bringIn(child, url, seeded.agentTokens)) ?? bound(child);
    report({
      bench: 'scale.workerd.ramp',
      ...size(),
      seconds: Math.round((performance.now() - beganMs) / 1_000),
      ...dialFigures(),
    });
  }
  tries.stop();
  await settled();
  report({
    bench: 'scale.workerd.awake',
    stoppedBy,
    ...size(),
  });

  await sleep(asleepMs);
  report({ bench: 'scale.workerd.asleep', ...size() });
  await callEach(url, readerTokens);

  await sleep(asleepMs);
  const before = woken();
  for (let from = 0; from < agents.length; from += wokenAtOnce) {
    for (const agent of agents.slice(from, from + wokenAtOnce)) agent.tell(1);
    // An object's connection to the store stays open for some seconds.
    do await sleep(wakingMs);
    while (filesLeft(child) < spareFiles / 2);
  }
  await settled();
  report({ bench: 'scale.workerd.all-woken', woken: woken() - before, ...size() });
} finally {
  await Promise.all(agents.map((agent) => agent.stop()));
  workerd?.kill('SIGKILL');
  await stores.stop();
  outbox.stop();
  database.close();
  rmSync(folder, { recursive: true, force: true });
}

/** The Worker's bundle in a bare workerd, without Wrangler's additional Workers. */
async function startWorkerd(storeUrl: string): Promise<{ child: ChildProcess; url: string }> {
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const entry = join(root, 'test/workers/worker-alone.ts');
  execFileSync(
    join(root, 'node_modules/.bin/wrangler'),
    ['deploy', entry, '--dry-run', '--assets', empty, '--outdir', folder],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...offline } },
  );
  const date = /^compatibility_date = "(.*)"$/m.exec(readFileSync(join(root, 'wrangler.toml'), 'utf8'))?.[1] ?? '';
  writeFileSync(join(folder, 'config.capnp'), configuration(date, storeUrl));
  const child = spawn(
    join(root, 'node_modules/.bin/workerd'),
    ['serve', '--control-fd=3', join(folder, 'config.capnp')],
    { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] },
  );
  const [line] = await once(createInterface({ input: child.stdio[3] as Readable }), 'line');
  return { child, url: `http://127.0.0.1:${JSON.parse(line).port}` };
}

/** An object stores only its alarm (docs/decisions/0006-workers.md); on disk that would take three more open files. */
function configuration(compatibilityDate: string, storeUrl: string): string {
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "network", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker-alone.js")],
  compatibilityDate = "${compatibilityDate}",
  bindings = [
    (name = "HOMES", durableObjectNamespace = "HomeObject"),
    (name = "STORE_URL", text = "${storeUrl}"),
    (name = "STORE_NAME", text = "bench"),
  ],
  durableObjectNamespaces = [(className = "HomeObject", uniqueKey = "homes", enableSql = true)],
  durableObjectStorage = (inMemory = void),
  globalOutbound = "network",
);
`;
}

/** Returns the limit that stopped it. */
async function bringIn(child: ChildProcess, url: string, tokens: readonly string[]): Promise<string | undefined> {
  const waiting = tokens.values();
  let stoppedBy: string | undefined;
  await Promise.all(
    Array.from({ length: dialsAtOnce }, async () => {
      for (const token of waiting) {
        stoppedBy ??= bound(child);
        if (stoppedBy !== undefined) return;
        const agent = new FleetAgent(url, token, outbox);
        agents.push(agent);
        tries.add(agent);
        const welcomed = new Promise<boolean>((answer) => {
          agent.onWelcome = () => answer(true);
        });
        agent.start();
        if (!(await Promise.race([welcomed, sleep(patienceMs, false, { ref: false })]))) {
          stoppedBy ??= `a home that was not in after ${patienceMs / 1_000} s`;
        }
      }
    }),
  );
  const { failedHellos, failures } = tries.figures();
  return failedHellos > 0 ? `failed hellos: ${failures}` : stoppedBy;
}

/** The limit that is reached, if any. */
function bound(child: ChildProcess): string | undefined {
  if (agents.length >= most) return `the bound of ${most} homes`;
  if (rssBytes(child) >= mostBytes) return `the bound of ${values.memory} GiB`;
  if (freemem() < leastFreeBytes) return 'the memory of the machine';
  if (filesLeft(child) <= spareFiles) return `the limit of ${openFilesLimit(child)} open files`;
  if (performance.now() >= untilMs) return `the bound of ${values.minutes} minutes`;
  return undefined;
}

function dialFigures(): Record<string, number | string> {
  const timesMs = agents
    .slice(-step)
    .map((agent) => agent.connectMs)
    .sort((a, b) => a - b);
  return {
    p50Ms: quantile(timesMs, 0.5),
    p99Ms: quantile(timesMs, 0.99),
    ...tries.figures(),
  };
}

/** Calls some homes, which wakes them, and then calls them again while awake. */
async function callEach(url: string, readerTokens: readonly string[]): Promise<void> {
  const shots: Shot[] = [];
  for (const [n, token] of readerTokens.entries()) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const phones = await fetch(`${url}/v1/homes/home-${n}/phones`, { headers });
    const [phone] = ((await phones.json()) as Page<Phone>).items;
    const body = JSON.stringify({ arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } });
    shots.push({
      url: `${url}/v1/homes/home-${n}/phones/${phone?.id}/actions/GetSessions`,
      method: 'POST',
      headers,
      body,
    });
  }
  await sleep(asleepMs);
  const before = woken();
  const shoot = (count: number) => shots[count % shots.length] ?? { url, method: 'GET', headers: {} };
  const [figures] = await loadInTurns(16, 10, [shoot]);
  report({ bench: 'scale.workerd.calls', homes: agents.length, woken: woken() - before, ...figures });
}

/** The number of woken objects: each reads its phones from the store once. */
function woken(): number {
  return stores.asked.get('phones.list') ?? 0;
}

/** Waits until the store was idle for some seconds. */
async function settled(): Promise<void> {
  const count = () => [...stores.asked.values()].reduce((total, each) => total + each, 0);
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(quietMs);
  }
}

function rssBytes({ pid }: ChildProcess): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}

/** Since Linux 6.2 the size of the folder is the number of open files. */
function openFiles({ pid }: ChildProcess): number {
  return statSync(`/proc/${pid}/fd`).size;
}

function openFilesLimit({ pid }: ChildProcess): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1]);
}

function filesLeft(child: ChildProcess): number {
  return openFilesLimit(child) - openFiles(child);
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
