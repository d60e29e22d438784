// Preloaded into a process under test: shifts its clock by CHAOS_CLOCK, read at start and at each SIGUSR2.
import { readFileSync } from 'node:fs';

const file = process.env.CHAOS_CLOCK;
const trueNow = Date.now;
let shiftMs = 0;

if (file !== undefined) {
  const read = () => {
    shiftMs = Number(readFileSync(file, 'utf8')) || 0;
  };
  read();
  process.on('SIGUSR2', read);
  process.send?.({ type: 'clock' });
  const shiftedNow = () => trueNow() + shiftMs;
  globalThis.Date = new Proxy(Date, {
    construct: (target, given: unknown[], newTarget) =>
      Reflect.construct(target, given.length === 0 ? [shiftedNow()] : given, newTarget) as object,
    get: (target, name, receiver) => (name === 'now' ? shiftedNow : Reflect.get(target, name, receiver)),
  });
}
