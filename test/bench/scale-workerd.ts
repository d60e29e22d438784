// How many homes one workerd takes, each an object with the tunnel of its agent: memory while they are awake, while they
// sleep and when all were woken, and calls to them. `node test/bench/scale-workerd.ts --homes 2000`: JSON lines.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Page } from '../../cloud/store/store.ts';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import type { Phone } from '../../protocol/model.ts';
import { StoreService } from '../workers/store-service.ts';
import { loadInTurns, quantile } from './load.ts';
import { report } from './report.ts';
import { FleetAgent, seedHomes, sharedOutbox, Tries } from './scale-fleet.ts';

const { values } = parseArgs({ options: { homes: { type: 'string', default: '2000' } } });
const most = Number(values.homes);
/** Homes are brought in by as many; then it is seen whether the machine takes more. */
const step = Math.min(250, most);
const dialsAtOnce = 32;
const sampled = Math.min(200, most);
/** An object sleeps after ten seconds without work (Cloudflare's documents; so does workerd). */
const asleepMs = 20_000;
const quietMs = 5_000;
/** A dial that takes longer is one that the machine does not take. */
const patienceMs = 30_000;
const leastFreeBytes = 1024 ** 3;

/** Nothing of this leaves the machine. */
const offline = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' };

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'homeline-scale-'));
const database = openDatabase(join(folder, 'agents'));
const outbox = sharedOutbox(database);
const stores = new StoreService();
const agents: FleetAgent[] = [];
const tries = new Tries(agents);
let workerd: ChildProcess | undefined;
try {
  const storeUrl = await stores.start();
  const scopes = ['phones:read', 'actions:call'] as const;
  const seeded = await seedHomes(await stores.open('bench'), most, { count: sampled, scopes });
  const { agentTokens, readerTokens } = seeded;
  const { child, url } = await startWorkerd(storeUrl);
  workerd = child;
  await (await fetch(`${url}/readyz`)).text();
  const emptyBytes = rssBytes(child);
  const each = () => Math.round((rssBytes(child) - emptyBytes) / agents.length / 1024);

  tries.start();
  while (agents.length < most && (await bringIn(url, agentTokens.slice(agents.length, agents.length + step)))) {
    report({ bench: 'scale.workerd.ramp', homes: agents.length, rssKbPerHome: each(), ...dialFigures() });
  }
  tries.stop();
  await settled();
  report({
    bench: 'scale.workerd.awake',
    homes: agents.length,
    rssMb: mebibytes(rssBytes(child)),
    rssKbPerHome: each(),
  });

  await sleep(asleepMs);
  report({
    bench: 'scale.workerd.asleep',
    homes: agents.length,
    rssMb: mebibytes(rssBytes(child)),
    rssKbPerHome: each(),
  });
  await callEach(url, readerTokens);

  await sleep(asleepMs);
  const before = woken();
  for (const agent of agents) agent.tell(1);
  await settled();
  report({
    bench: 'scale.workerd.all-woken',
    homes: agents.length,
    woken: woken() - before,
    rssMb: mebibytes(rssBytes(child)),
    rssKbPerHome: each(),
  });
} finally {
  await Promise.all(agents.map((agent) => agent.stop()));
  workerd?.kill('SIGKILL');
  await stores.stop();
  outbox.stop();
  database.close();
  rmSync(folder, { recursive: true, force: true });
}

/** The Worker's bundle in a bare workerd: what Cloudflare runs, without Wrangler's own Workers around it. */
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
  mkdirSync(join(folder, 'objects'));
  const child = spawn(
    join(root, 'node_modules/.bin/workerd'),
    ['serve', '--control-fd=3', join(folder, 'config.capnp')],
    { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] },
  );
  const [line] = await once(createInterface({ input: child.stdio[3] as Readable }), 'line');
  return { child, url: `http://127.0.0.1:${JSON.parse(line).port}` };
}

function configuration(compatibilityDate: string, storeUrl: string): string {
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "objects", disk = (path = "${join(folder, 'objects')}", writable = true)),
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
  durableObjectStorage = (localDisk = "objects"),
  globalOutbound = "network",
);
`;
}

/** False when the machine takes no more. */
async function bringIn(url: string, tokens: readonly string[]): Promise<boolean> {
  const waiting = tokens.values();
  let taken = true;
  await Promise.all(
    Array.from({ length: dialsAtOnce }, async () => {
      for (const token of waiting) {
        if (freemem() < leastFreeBytes) {
          taken = false;
          return;
        }
        const agent = new FleetAgent(url, token, outbox);
        agents.push(agent);
        const welcomed = new Promise<boolean>((answer) => {
          agent.onWelcome = () => answer(true);
        });
        agent.start();
        if (!(await Promise.race([welcomed, sleep(patienceMs, false, { ref: false })]))) taken = false;
      }
    }),
  );
  return taken && tries.figures.failedHellos === 0;
}

function dialFigures(): Record<string, number> {
  const timesMs = agents
    .slice(-step)
    .map((agent) => agent.connectMs)
    .sort((a, b) => a - b);
  return {
    p50Ms: quantile(timesMs, 0.5),
    p99Ms: quantile(timesMs, 0.99),
    ...tries.figures,
  };
}

/** A call to each of some homes, which wakes them, and then calls to those that are awake. */
async function callEach(url: string, readerTokens: readonly string[]): Promise<void> {
  const shots = await Promise.all(
    readerTokens.map(async (token, n) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const phones = await fetch(`${url}/v1/homes/home-${n}/phones`, { headers });
      const [phone] = ((await phones.json()) as Page<Phone>).items;
      const body = JSON.stringify({ arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } });
      return {
        url: `${url}/v1/homes/home-${n}/phones/${phone?.id}/actions/GetSessions`,
        method: 'POST',
        headers,
        body,
      };
    }),
  );
  await sleep(asleepMs);
  const before = woken();
  const shoot = (count: number) => shots[count % shots.length] ?? { url, method: 'GET', headers: {} };
  const [figures] = await loadInTurns(16, 10, [shoot]);
  report({ bench: 'scale.workerd.calls', homes: agents.length, woken: woken() - before, ...figures });
}

/** Objects that have read their phones from the store, which each does once in a life. */
function woken(): number {
  return stores.asked.get('listPhones') ?? 0;
}

/** Until the store was asked nothing for some seconds. */
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

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
