// `npm run build:agent`: bundles the edge agent into one file for a bare Node 24, and collects the licences of the bundle.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Metafile, type Plugin } from 'esbuild';
import { z } from 'zod';
import { readSettings } from '../protocol/settings.ts';

const root = resolve(import.meta.dirname, '..');
const settings = {
  folder: {
    name: 'HOMELINE_DIST',
    meaning: 'The folder for the two files.',
    schema: z.string().default('dist'),
    default: 'dist',
  },
};
/** `ws` is CommonJS and calls require() for Node's modules, which an ES module does not have. */
const banner = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`;

/** Zod's messages in fifty languages, of which the agent uses one: a third of the bundle and 4 MB of idle memory. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    })),
};

const read = readSettings(settings, {
  command: 'npm run build:agent --',
  summary: 'bundles the edge agent into one file',
  env: process.env,
  argv: process.argv.slice(2),
});
if (read.kind === 'values') {
  await bundle(resolve(read.values.folder));
} else if (read.kind === 'help') {
  console.log(read.text);
} else {
  console.error(read.text);
  process.exitCode = 2;
}

async function bundle(folder: string): Promise<void> {
  const file = join(folder, 'homeline-agent.mjs');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['edge-agent/main.ts'],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    // Keep function names for stack traces in error reports.
    keepNames: true,
    legalComments: 'none',
    banner: { js: banner },
    plugins: [englishOnly],
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(join(folder, 'homeline-agent.licences.txt'), licencesOf(metafile));
  const bytes = readFileSync(file);
  const size = (length: number) => `${(length / 1000).toFixed(0)} kB`;
  console.log(`${relative(process.cwd(), file)}: ${size(bytes.length)}, gzipped ${size(gzipSync(bytes).length)}`);
}

/** The licences of Homeline and of every bundled package. @throws Error if a package has none */
function licencesOf({ inputs }: Metafile): string {
  const packages = Object.keys(inputs).map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? '.');
  return [...new Set(packages)].sort().map(licenceOf).join('\n');
}

function licenceOf(folder: string): string {
  const path = join(root, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const file = readdirSync(path).find((each) => /^licen[cs]e/i.test(each));
  if (file === undefined && license === undefined) throw new Error(`${name} comes without a licence.`);
  const text = file === undefined ? `Licence: ${license}\n` : readFileSync(join(path, file), 'utf8');
  return `${'='.repeat(80)}\n${name} ${version}\n${'='.repeat(80)}\n${text}`;
}
