// How many homes one Node host takes: connecting, memory and processor at rest, events to many watchers, and the
// reconnect storm after a kill. `node test/bench/scale.ts --tunnels 10000`: one JSON object per line.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { openSqlite } from '../../cloud/store/open.ts';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import { quantile } from './load.ts';
import { report } from './report.ts';
import { FleetAgent, seedHomes, sharedOutbox } from './scale-fleet.ts';
import type { HostMemory } from './scale-host.ts';
import { Tries } from './scale-tries.ts';

const { values } = parseArgs({ options: { tunnels: { type: 'string', default: '10000' } } });
const tunnels = Number(values.tunnels);
/** Concurrent handshakes while the fleet first connects. */
const dialsAtOnce = 128;
const restMs = 30_000;
const manyWatchers = Math.min(1_000, tunnels);
/** Linux counts processor time in /proc in these units. */
const ticksPerSecond = 100;

interface RunningHost {
  child: ChildProcess;
  url: string;
}

const folder = mkdtempSync(join(tmpdir(), 'homeline-scale-'));
const database = openDatabase(join(folder, 'agents'));
const outbox = sharedOutbox(database);
let host: RunningHost | undefined;
let agents: FleetAgent[] = [];
try {
  const { agentTokens, readerTokens } = await seed();
  host = await startHost('0');
  const empty = await memoryOf(host);
  agents = agentTokens.map((token) => new FleetAgent(host?.url ?? '', token, outbox));
  await connect(host);
  await settled(host);
  reportMemory(empty, await memoryOf(host));
  const restS = cpuSeconds(host);
  await sleep(restMs);
  report({ bench: 'scale.rest', tunnels, cpuPercent: percent(cpuSeconds(host) - restS, restMs) });
  await fanOut('one event, one home, many watchers', host, readerTokens[0] ?? '', 'one');
  await fanOut('an event in each of many homes', host, readerTokens, 'each');
  host = await storm(host);
} finally {
  await Promise.all(agents.map((agent) => agent.stop()));
  host?.child.kill('SIGKILL');
  outbox.stop();
  database.close();
  rmSync(folder, { recursive: true, force: true });
}

/** One home per tunnel, written directly into the store. */
async function seed(): Promise<{ agentTokens: string[]; readerTokens: string[] }> {
  const beganMs = performance.now();
  const store = openSqlite(join(folder, 'cloud'));
  await store.start();
  const tokens = await seedHomes(store, { count: tunnels }, { count: manyWatchers, scopes: ['events:read'] });
  await store.stop();
  report({ bench: 'scale.seed', homes: tunnels, seconds: seconds(performance.now() - beganMs) });
  return tokens;
}

async function startHost(port: string): Promise<RunningHost> {
  const child = fork(join(import.meta.dirname, 'scale-host.ts'), [join(folder, 'cloud'), port], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Like `npm run cloud`.
    execArgv: ['--max-semi-space-size=16'],
  });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { child, url };
}

async function connect(at: RunningHost): Promise<void> {
  const tries = new Tries();
  for (const agent of agents) tries.add(agent);
  tries.start();
  const beganMs = performance.now();
  const beganS = cpuSeconds(at);
  const waiting = agents.values();
  await Promise.all(
    Array.from({ length: dialsAtOnce }, async () => {
      for (const agent of waiting) {
        const welcomed = new Promise<void>((resolve) => {
          agent.onWelcome = resolve;
        });
        agent.start();
        await welcomed;
      }
    }),
  );
  const elapsedMs = performance.now() - beganMs;
  tries.stop();
  const timesMs = agents.map((agent) => agent.connectMs).sort((a, b) => a - b);
  report({
    bench: 'scale.connect',
    tunnels,
    seconds: seconds(elapsedMs),
    perSecond: Math.round((tunnels / elapsedMs) * 1_000),
    p50Ms: quantile(timesMs, 0.5),
    p99Ms: quantile(timesMs, 0.99),
    cpuMsEach: Math.round(((cpuSeconds(at) - beganS) * 1_000 * 100) / tunnels) / 100,
    ...tries.figures(),
  });
}

/** Events to WebSocket watchers: many of one home, or one per home. */
async function fanOut(what: string, at: RunningHost, tokens: string | string[], kind: 'one' | 'each'): Promise<void> {
  const arrivedMs: number[] = [];
  let arrived = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    arrived = () => {
      arrivedMs.push(performance.now());
      if (arrivedMs.length === manyWatchers) resolve();
    };
  });
  const watchers: WebSocket[] = [];
  for (let n = 0; n < manyWatchers; n++) {
    const home = kind === 'one' ? 'home-0' : `home-${n}`;
    const token = typeof tokens === 'string' ? tokens : (tokens[n] ?? '');
    const watcher = new WebSocket(`${at.url.replace(/^http/, 'ws')}/v1/homes/${home}/events/ws`, {
      headers: { authorization: `Bearer ${token}` },
    });
    watcher.on('message', (data) => {
      if (data.toString().includes('"message.received"')) arrived();
    });
    await once(watcher, 'open');
    watchers.push(watcher);
  }
  const beganMs = performance.now();
  for (const agent of agents.slice(0, kind === 'one' ? 1 : manyWatchers)) agent.tell(kind === 'one' ? 1 : 2);
  await all;
  const timesMs = arrivedMs.map((ms) => ms - beganMs).sort((a, b) => a - b);
  report({
    bench: 'scale.fan-out',
    what,
    tunnels,
    watchers: manyWatchers,
    p50Ms: quantile(timesMs, 0.5),
    lastMs: quantile(timesMs, 1),
  });
  for (const watcher of watchers) watcher.terminate();
  await sleep(1_000);
}

/** Kills and restarts the host; returns the new one. */
async function storm(at: RunningHost): Promise<RunningHost> {
  const welcomesBefore = agents.map((agent) => agent.welcomes);
  const tries = new Tries();
  for (const agent of agents) tries.add(agent);
  tries.start();
  const fleet = monitorEventLoopDelay();
  fleet.enable();
  at.child.kill('SIGKILL');
  await once(at.child, 'exit');
  const goneMs = performance.now();
  const next = await startHost(new URL(at.url).port);
  const backMs = performance.now();
  const beganS = cpuSeconds(next);
  const beganBusyMs = busyMs(next);
  const fleetCpu = process.cpuUsage();
  let peakPercent = 0;
  let lastS = beganS;
  let lastMs = backMs;
  while (agents.some((agent, n) => agent.welcomes === welcomesBefore[n])) {
    await sleep(500);
    const nowS = cpuSeconds(next);
    const nowMs = performance.now();
    peakPercent = Math.max(peakPercent, percent(nowS - lastS, nowMs - lastMs));
    [lastS, lastMs] = [nowS, nowMs];
  }
  const { user, system } = process.cpuUsage(fleetCpu);
  const idleMs = lastMs - backMs - (busyMs(next) - beganBusyMs);
  tries.stop();
  fleet.disable();
  const timesMs = agents.map((agent) => agent.welcomedMs - backMs).sort((a, b) => a - b);
  report({
    bench: 'scale.storm',
    tunnels,
    hostGoneS: seconds(backMs - goneMs),
    halfBackS: seconds(quantile(timesMs, 0.5)),
    allBackS: seconds(quantile(timesMs, 1)),
    peakCpuPercent: peakPercent,
    cpuPercent: percent(lastS - beganS, lastMs - backMs),
    // Idle although agents were due: otherwise it ran, or waited for a processor.
    idlePercent: Math.max(0, percent(idleMs / 1_000, lastMs - backMs)),
    fleetCpuPercent: percent((user + system) / 1e6, lastMs - backMs),
    ...tries.figures(goneMs),
    // A fleet that is late itself would attribute its delay to the cloud.
    fleetLagMs: Math.round(fleet.max / 1e6),
  });
  const welcomedMs = performance.now();
  await settled(next);
  report({ bench: 'scale.storm-stored', tunnels, afterS: seconds(performance.now() - welcomedMs) });
  return next;
}

/** Waits until the work of the hellos is done. */
async function settled(at: RunningHost): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    const beforeS = cpuSeconds(at);
    await sleep(500);
    quiet = percent(cpuSeconds(at) - beforeS, 500) < 15 ? quiet + 1 : 0;
  }
}

function reportMemory(empty: HostMemory, full: HostMemory): void {
  const each = (figure: keyof HostMemory) => Math.round(((full[figure] - empty[figure]) / tunnels / 1024) * 10) / 10;
  report({
    bench: 'scale.memory',
    tunnels,
    rssMb: Math.round(full.rssBytes / 1024 ** 2),
    rssKbPerTunnel: each('rssBytes'),
    heapKbPerTunnel: each('heapBytes'),
    externalKbPerTunnel: each('externalBytes'),
    // Belongs to the process and not to its tunnels: it grows with concurrent work.
    youngGenerationKbPerTunnel: each('youngBytes'),
  });
}

async function memoryOf({ child }: RunningHost): Promise<HostMemory> {
  child.send('memory');
  const [memory] = (await once(child, 'message')) as [HostMemory];
  return memory;
}

/** User and system time of all threads of the process. */
function cpuSeconds({ child }: RunningHost): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** How long the main thread ran or waited for a processor. */
function busyMs({ child }: RunningHost): number {
  const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${child.pid}/schedstat`, 'utf8').split(' ').map(Number);
  return (ranNs + waitedNs) / 1e6;
}

/** As a share of one processor. */
function percent(cpuS: number, elapsedMs: number): number {
  return Math.round((cpuS * 1_000 * 1_000) / elapsedMs) / 10;
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
