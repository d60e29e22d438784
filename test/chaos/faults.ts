// The faults of a round: a random plan from the seed, and how each fault is injected.
import { setTimeout as pause } from 'node:timers/promises';
import { type House, type ProgramName, programNames } from './house.ts';
import { fairWeather } from './lan-road.ts';
import type { Random } from './random.ts';

export const faultKinds = [
  'kill',
  'restart',
  'freeze',
  'cut',
  'stall',
  'slow',
  'lost-answers',
  'bad-events',
  'short-lists',
  'full-disk',
  'clock',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** For faults of a process. */
  readonly at: ProgramName;
  /** For clock faults: how far the clock jumps. */
  readonly jumpMs: number;
}

/** Faults during the load; `kinds` restricts them. */
export function planFaults(
  random: Random,
  loadMs: number,
  options: { count: number; kinds?: readonly FaultKind[] | undefined },
): Fault[] {
  const [first = 'kill', ...rest] = options.kinds ?? faultKinds;
  return Array.from({ length: options.count }, () => ({
    kind: random.pick([first, ...rest]),
    atMs: random.between(300, loadMs * 0.9),
    forMs: random.between(200, 2500),
    at: random.pick(programNames),
    jumpMs: random.between(-7_200_000, 7_200_000),
  })).sort((one, other) => one.atMs - other.atMs);
}

export async function strike(house: House, fault: Fault): Promise<void> {
  const { kind, at, forMs } = fault;
  const program = house.programs[at];
  switch (kind) {
    case 'kill':
      await kill(house, at, forMs);
      break;
    // The phone restarts on the same port before any request reaches it: it loses only its subscribers.
    case 'restart':
      await kill(house, 'phone', 0);
      break;
    case 'freeze':
      await program.freeze(forMs);
      break;
    case 'cut':
      house.tunnelRoad.cut();
      break;
    case 'stall':
      await house.tunnelRoad.stall(forMs);
      break;
    case 'slow':
      await house.tunnelRoad.slow(Math.min(300, forMs / 4), forMs);
      break;
    case 'lost-answers':
      house.lanRoad.weather = { ...house.lanRoad.weather, lostAnswers: 0.3 };
      await pause(forMs);
      house.lanRoad.weather = { ...house.lanRoad.weather, lostAnswers: 0 };
      break;
    case 'bad-events': {
      house.lanRoad.weather = { ...house.lanRoad.weather, lostEvents: 0.3, doubledEvents: 0.3, lateEvents: 0.3 };
      await pause(forMs);
      const { lostAnswers, shortLists } = house.lanRoad.weather;
      house.lanRoad.weather = { ...fairWeather, lostAnswers, shortLists };
      break;
    }
    case 'short-lists':
      house.lanRoad.weather = { ...house.lanRoad.weather, shortLists: 0.5 };
      await pause(forMs);
      house.lanRoad.weather = { ...house.lanRoad.weather, shortLists: 0 };
      break;
    case 'full-disk':
      house.disks[at].fill();
      await pause(forMs);
      house.disks[at].free();
      break;
    case 'clock':
      program.shiftClock(fault.jumpMs);
      break;
  }
}

async function kill(house: House, name: ProgramName, forMs: number): Promise<void> {
  // While the phone is off, its port refuses connections, like its machine would.
  if (name === 'phone') house.lanRoad.close();
  await house.programs[name].kill();
  await pause(forMs);
  house.programs[name].start();
  if (name !== 'phone') return;
  await house.programs.phone.ready;
  await house.lanRoad.open();
}
