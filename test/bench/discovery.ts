// The time from the agent's start until it is subscribed to a phone, and the agent's resources at rest:
// `node test/bench/discovery.ts`. The phone speaks SSDP and HTTP on loopback and answers every search without delay.
import { execFileSync, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Agent } from '../../edge-agent/agent.ts';
import { parseSsdp, writeSsdp } from '../../edge-agent/upnp/discovery/ssdp-message.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { ScriptedCloud } from '../fixtures/tunnel/scripted-cloud.ts';
import { quantile } from './load.ts';
import { report } from './report.ts';

const rounds = 20;
const restMs = 5000;
const port = 21_901;
const group = '239.255.255.250';

const phone = new ScriptedPhone();
await phone.start();
const cloud = new ScriptedCloud();
await cloud.start();
const ear = createSocket({ type: 'udp4', reuseAddr: true });
ear.on('message', (datagram, from) => {
  const target = parseSsdp(datagram)?.headers.get('ST');
  if (target !== 'urn:schemas-upnp-org:service:Messaging:2') return;
  const answer = writeSsdp('HTTP/1.1 200 OK', [
    ['LOCATION', phone.location],
    ['ST', target],
    ['USN', `${phone.udn}::${target}`],
  ]);
  ear.send(answer, from.port, from.address);
});
await new Promise<void>((done) => ear.bind(port, '0.0.0.0', done));
ear.addMembership(group, '127.0.0.1');

const tookMs: number[] = [];
for (let round = 0; round < rounds; round++) {
  const dataFolder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
  const agent = new Agent({
    cloud: cloud.url,
    token: cloud.token,
    interfaces: ['lo'],
    trust: [],
    dataFolder,
    ssdpPort: port,
    report: () => undefined,
  });
  const startedAtMs = performance.now();
  await agent.start();
  while (phone.subscribers === 0) await new Promise((done) => setTimeout(done, 1));
  tookMs.push(performance.now() - startedAtMs);
  await agent.stop();
  rmSync(dataFolder, { recursive: true });
}
tookMs.sort((a, b) => a - b);
report({ what: 'start to subscribed', rounds, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) });

const root = resolve(import.meta.dirname, '../..');
const bundleFolder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
execFileSync(process.execPath, [join(root, 'infra/build-agent.ts'), '--dist', bundleFolder], { stdio: 'ignore' });
// The release is one JavaScript file; from source, Node's type stripping also stays in memory.
await rest('released', join(bundleFolder, 'homeline-agent.mjs'));
await rest('from source', join(root, 'edge-agent/main.ts'));
rmSync(bundleFolder, { recursive: true });
ear.close();
await cloud.stop();
await phone.stop();

/** The agent as a separate process, connected, subscribed and idle for a while. */
async function rest(what: string, main: string): Promise<void> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
  const env = {
    PATH: process.env.PATH,
    HOMELINE_CLOUD: cloud.url,
    HOMELINE_AGENT_TOKEN: cloud.token,
    HOMELINE_INTERFACE: 'lo',
    HOMELINE_DATA: dataFolder,
    HOMELINE_SSDP_PORT: String(port),
  };
  const child = fork(main, [], { env, execArgv: [], silent: true });
  while (phone.subscribers === 0) await new Promise((done) => setTimeout(done, 10));
  await new Promise((done) => setTimeout(done, restMs));
  report({ what: `agent at rest, one phone, ${what}`, rssMb: rssMbOf(child.pid) });
  const ended = once(child, 'exit');
  child.kill();
  await ended;
  rmSync(dataFolder, { recursive: true });
}

/** Resident memory (Linux). */
function rssMbOf(pid: number | undefined): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}
