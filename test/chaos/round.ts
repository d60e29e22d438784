// One round: load in both directions, faults at their times, a quiet phase, and the verdict.
import { setTimeout as pause } from 'node:timers/promises';
import type { HomeEvent, Message } from '../../protocol/model.ts';
import { allMessages, Reader, type SentLetter, writeTo } from './client.ts';
import { type Fault, type FaultKind, planFaults, strike } from './faults.ts';
import { House, type HouseOptions, programNames } from './house.ts';
import { fairWeather } from './lan-road.ts';
import { Random } from './random.ts';
import { judge, type Observed, type Verdict } from './verdict.ts';

export interface RoundOptions {
  /** The same seed gives the same faults at the same times. */
  readonly seed: string;
  readonly loadMs: number;
  /** Messages each way. */
  readonly perSecond: number;
  readonly faults: number;
  readonly kinds?: readonly FaultKind[];
  readonly preload?: HouseOptions['preload'];
  /** The time limit for the quiet phase. */
  readonly quietMs: number;
  /** Delete the folder even after a fault. */
  readonly discard?: boolean;
}

export interface Round extends Verdict {
  readonly seed: string;
  readonly plan: readonly Fault[];
  readonly quietAfterMs: number;
  /** The longest time until a client's message was accepted. */
  readonly slowestMs: number;
  /** Processes that exited by themselves. */
  readonly crashes: number;
  readonly diskFilled: boolean;
  readonly folder?: string;
}

const correspondents = 16;
const beginning = '0'.repeat(26);

export async function runRound(options: RoundOptions): Promise<Round> {
  const random = new Random(options.seed);
  const plan = planFaults(random, options.loadMs, { count: options.faults, kinds: options.kinds });
  const house = await House.open({ random, ...(options.preload !== undefined && { preload: options.preload }) });
  let isGood = false;
  try {
    const readers = [
      new Reader(house.cloud, 'sse', beginning),
      new Reader(house.cloud, 'sse', beginning),
      new Reader(house.cloud, 'websocket', beginning),
    ];
    const reading = readers.map((reader) => reader.follow());
    const letters = await underLoad(house, options, plan);
    const begunMs = performance.now();
    await comeToRest(house);
    let seen = await observe(house, letters, readers);
    let verdict = judge(seen);
    await house.until(async () => {
      seen = await observe(house, letters, readers).catch(() => seen);
      verdict = judge(seen);
      return isQuiet(verdict);
    }, options.quietMs);
    const quietAfterMs = Math.round(performance.now() - begunMs);
    for (const reader of readers) reader.stop();
    await Promise.all(reading);
    const crashes = programNames.reduce((sum, name) => sum + house.programs[name].crashes, 0);
    isGood = verdict.faults.length === 0 && crashes === 0;
    return {
      seed: options.seed,
      plan,
      ...verdict,
      quietAfterMs,
      slowestMs: Math.max(...letters.map(({ tookMs = 0 }) => tookMs)),
      crashes,
      diskFilled: house.disks.agent.canFill && plan.some(({ kind }) => kind === 'full-disk'),
      ...(!isGood && !options.discard && { folder: house.folder }),
    };
  } finally {
    await house.close(!isGood && options.discard !== true);
  }
}

async function underLoad(house: House, options: RoundOptions, plan: readonly Fault[]): Promise<SentLetter[]> {
  const { loadMs, perSecond, quietMs } = options;
  const begunMs = performance.now();
  const isOver = () => performance.now() - begunMs >= loadMs;
  const mayRepeat = () => performance.now() - begunMs < loadMs + quietMs;
  const paceMs = (1000 * correspondents) / perSecond;
  const addresses = Array.from({ length: correspondents }, (_, index) => `+3901100${index}`);
  const writing = addresses.map((to) => writeTo(house.cloud, to, { paceMs, isOver, mayRepeat }));
  const arriving = addresses.map(async (from) => {
    for (let number = 1; !isOver(); number++) {
      house.programs.phone.send({ type: 'arrive', from, body: `${from} says ${number}` });
      await pause(Math.max(0, begunMs + number * paceMs - performance.now()));
    }
  });
  const striking = plan.map(async (fault) => {
    await pause(fault.atMs);
    await strike(house, fault);
  });
  await Promise.all([...arriving, ...striking]);
  return (await Promise.all(writing)).flat();
}

/** Restores everything and delivers one more message, which makes missed messages show. */
async function comeToRest(house: House): Promise<void> {
  house.lanRoad.weather = fairWeather;
  for (const name of programNames) {
    house.disks[name].free();
    house.programs[name].start();
  }
  await house.programs.phone.ready;
  await house.lanRoad.open();
  house.programs.phone.send({ type: 'arrive', from: '+390110099', body: 'quiet' });
}

async function observe(house: House, letters: readonly SentLetter[], readers: readonly Reader[]): Promise<Observed> {
  const [phone, cloud, events] = await Promise.all([house.phoneMessages(), allMessages(house.cloud), replay(house)]);
  return {
    arrived: [...house.arrived],
    phone,
    cloud: cloud as Message[],
    letters,
    deliveries: house.deliveries,
    events,
    readers: readers.map((reader) => reader.events),
  };
}

/** All stored events, read until no new one arrives. */
async function replay(house: House): Promise<HomeEvent[]> {
  const reader = new Reader(house.cloud, 'sse', beginning);
  const following = reader.follow();
  for (let before = -1; before !== reader.events.length; ) {
    before = reader.events.length;
    await pause(300);
  }
  reader.stop();
  await following;
  return reader.events;
}

function isQuiet(verdict: Verdict): boolean {
  return verdict.faults.length === 0;
}
