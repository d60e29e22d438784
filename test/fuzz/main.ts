// npm run fuzz: every property with random input, 100,000 cases by default: `npm run fuzz -- [cases] [seed]`.
// The seed of a failure repeats its cases.
import { properties } from './properties.ts';

const usage = 'npm run fuzz -- [cases] [seed]: both are whole numbers; 100,000 cases and any seed unless told.\n';
const given = process.argv.slice(2);
if (given.includes('--help')) {
  process.stdout.write(usage);
  process.exit(0);
}
const [cases = 100_000, seed = Math.trunc(Math.random() * 2 ** 31)] = given.map(Number);
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed) || given.length > 2) {
  process.stderr.write(usage);
  process.exit(2);
}
process.stdout.write(`seed ${seed}, ${cases} cases\n`);
const numRuns = Math.ceil(cases / properties.length);
let tried = 0;
for (const property of properties) {
  const startedAtMs = performance.now();
  const details = property.run(numRuns, seed);
  tried += details.numRuns;
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  process.stdout.write(
    `${details.failed ? 'FAILED' : 'holds '}  ${property.name}  (${details.numRuns} cases, ${seconds} s)\n`,
  );
  if (!details.failed) continue;
  process.exitCode = 1;
  process.stdout.write(`  with ${JSON.stringify(details.counterexample)}\n  ${String(details.errorInstance)}\n`);
}
process.stdout.write(`${tried} cases tried\n`);
