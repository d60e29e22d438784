// `npm run bench`: the benchmarks one after the other, or those that are named. JSON lines on stdout, rows on stderr.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** In this order without a name; the others take many minutes, a network or Java, and are run when they are named. */
const usual = ['rest', 'homes', 'soap', 'xml', 'phone', 'pages', 'discovery'];
const named = ['large-phone', 'floods', 'devices', 'scale', 'scale-workerd', 'dynamo', 'cost', 'soak'];

const [, , ...asked] = process.argv;
const unknown = asked.filter((name) => ![...usual, ...named].includes(name) && name !== '--help');
if (asked.includes('--help') || unknown.length > 0) {
  const text = [
    'npm run bench [-- name …]: JSON lines on standard output, rows on standard error.',
    `Without a name: ${usual.join(', ')}. By name only: ${named.join(', ')}.`,
  ].join('\n');
  if (unknown.length > 0) process.stderr.write(`There is no benchmark ${unknown.join(', ')}.\n`);
  process.stderr.write(`${text}\n`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

for (const name of asked.length > 0 ? asked : usual) {
  process.stderr.write(`\n${name}\n`);
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
