// node test/bench/soak.ts [minutes] [messages per second, each way]: the memory of cloud, agent and phone under constant
// load. A JSON line every 10 s; the last one has the slope and mean of each process over the second half. Exits with 1 if
// one grew by more than a tenth of its mean in that time.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Message } from '../../protocol/model.ts';
import { Reader, writeTo } from '../chaos/client.ts';
import { House, type ProgramName, programNames } from '../chaos/house.ts';
import { Random } from '../chaos/random.ts';

const minutes = Number(process.argv[2] ?? 30);
const perSecond = Number(process.argv[3] ?? 10);
const correspondents = 8;
/** A phone keeps unread messages, so on a slow machine no more arrive than are read. */
const mostUnread = 100;
/** The allowed growth within the second half, as a share of the mean. */
const mostGrowth = 0.1;

interface Sample extends Record<ProgramName, number> {
  readonly seconds: number;
}

const house = await House.open({ random: new Random('soak'), diskMib: 1024 });
const begunMs = performance.now();
const seconds = () => Math.round((performance.now() - begunMs) / 1000);
const isOver = () => seconds() >= minutes * 60;
const reader = new Reader(house.cloud, 'sse', '0'.repeat(26));
const following = reader.follow();
const paceMs = (1000 * correspondents) / perSecond;
const addresses = Array.from({ length: correspondents }, (_, index) => `+3901100${index}`);
let arrived = 0;
let received = 0;
const writing = addresses.map((to) => writeTo(house.cloud, to, { paceMs, isOver, mayRepeat: () => !isOver() }));
const work = [
  ...addresses.map(async (from) => {
    for (let number = 1; !isOver(); number++) {
      await pause(paceMs);
      if (arrived - received >= mostUnread) continue;
      arrived++;
      house.programs.phone.send({ type: 'arrive', from, body: `${from} says ${number}` });
    }
  }),
  readAll(),
];

const samples: Sample[] = [];
while (!isOver()) {
  const sample: Sample = { seconds: seconds(), cloud: rssOf('cloud'), agent: rssOf('agent'), phone: rssOf('phone') };
  samples.push(sample);
  process.stdout.write(`${JSON.stringify({ ...sample, received })}\n`);
  await pause(10_000);
}
await Promise.all(work);
const sent = (await Promise.all(writing)).flat().filter(({ id }) => id !== undefined).length;
reader.stop();
await following;
const half = samples.slice(samples.length / 2);
const memory = Object.fromEntries(
  programNames.map((name) => {
    const [mibPerHour, meanMib] = [slopeOf(half, name), meanOf(half, name)];
    return [name, { mibPerHour, meanMib, isFlat: (mibPerHour * minutes) / 120 <= meanMib * mostGrowth }];
  }),
);
process.stdout.write(`${JSON.stringify({ minutes, perSecond, sent, received, memory })}\n`);
if (Object.values(memory).some(({ isFlat }) => !isFlat)) process.exitCode = 1;
await house.close(false);

/** Reads what arrives, so that the phone may drop it, as phones do. */
async function readAll(): Promise<void> {
  while (!isOver()) {
    for (const event of reader.events.splice(0)) {
      if (event.type !== 'message.received') continue;
      received++;
      const { id } = event.data as Message;
      const headers = { authorization: `Bearer ${house.cloud.token}` };
      await fetch(`${house.cloud.url}/v1/homes/home/messages/${id}/read`, { method: 'POST', headers }).catch(
        () => undefined,
      );
    }
    await pause(100);
  }
}

/** Resident memory, MiB. */
function rssOf(name: ProgramName): number {
  const status = readFileSync(`/proc/${house.programs[name].pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 102.4) / 10;
}

function meanOf(of: readonly Sample[], what: keyof Sample): number {
  return Math.round((of.reduce((sum, sample) => sum + sample[what], 0) / of.length) * 10) / 10;
}

/** MiB per hour, by least squares. */
function slopeOf(of: readonly Sample[], name: ProgramName): number {
  const [meanX, meanY] = [meanOf(of, 'seconds'), meanOf(of, name)];
  const above = of.reduce((sum, sample) => sum + (sample.seconds - meanX) * (sample[name] - meanY), 0);
  const below = of.reduce((sum, sample) => sum + (sample.seconds - meanX) ** 2, 0);
  return Math.round((above / below) * 3600 * 10) / 10;
}
