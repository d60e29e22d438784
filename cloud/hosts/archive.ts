// npm run export · import · backup: the SQLite store as lines of JSON and back, and a copy of it while the cloud runs.
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { GatewayError } from '../../protocol/errors.ts';
import { readSettings, type Setting } from '../../protocol/settings.ts';
import { cloudSettings } from '../settings.ts';
import { backupDatabase, exportLines, importLines } from '../store/sqlite/archive.ts';

const settings = { dataFolder: cloudSettings.dataFolder, store: cloudSettings.store } satisfies Record<string, Setting>;

const verbs = {
  export: {
    summary: 'writes everything that the cloud keeps as lines of JSON',
    operands: '  npm run export -- <file>   one that broke off is gone on with; without a file, to stdout',
    run: async (database: string, file: string | undefined) => exportTo(database, file),
  },
  import: {
    summary: 'makes a store from an export, in a data folder that has none',
    operands: '  npm run import -- <file>   run again, it goes on where it was; without a file, from stdin',
    run: async (database: string, file: string | undefined) => {
      const input = file === undefined ? process.stdin : createReadStream(file);
      const rows = await importLines(database, createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }));
      return `${rows} rows were read into ${database}. Start the cloud on it; agents then tell it what is missing.`;
    },
  },
  backup: {
    summary: 'copies the database while the cloud runs',
    operands: '  npm run backup -- <file>   to restore it, stop the cloud and put it in the place of cloud.db',
    run: async (database: string, file: string | undefined) => {
      if (file === undefined) throw new GatewayError('invalid-request', 'Name the file that the copy goes to.');
      await backupDatabase(database, file);
      return `${file} is a whole copy of ${database}.`;
    },
  },
};

/** Appends to an export that broke off, after its last whole line. */
function exportTo(database: string, file: string | undefined): string {
  const before = file !== undefined && existsSync(file) ? wholeLines(readFileSync(file, 'utf8')) : '';
  const last = before.trimEnd().split('\n').at(-1);
  const target = file === undefined ? process.stdout.fd : openSync(file, 'a', 0o600);
  if (file !== undefined) ftruncateSync(target, Buffer.byteLength(before));
  let lines = 0;
  for (const line of exportLines(database, last === '' ? undefined : last)) {
    writeSync(target, `${line}\n`);
    lines++;
  }
  if (file === undefined) return '';
  fsyncSync(target);
  closeSync(target);
  return `${lines} lines were written to ${file}.`;
}

function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

async function main([verb = '', ...argv]: readonly string[]): Promise<number> {
  if (!Object.hasOwn(verbs, verb)) {
    process.stderr.write('node cloud/hosts/archive.ts export|import|backup: see --help of each.\n');
    return 2;
  }
  const { summary, operands, run } = verbs[verb as keyof typeof verbs];
  const read = readSettings(settings, { command: `npm run ${verb} --`, summary, operands, env: process.env, argv });
  if (read.kind !== 'values') {
    process[read.kind === 'help' ? 'stdout' : 'stderr'].write(`${read.text}\n`);
    return read.kind === 'help' ? 0 : 2;
  }
  if (read.values.store !== 'sqlite') {
    process.stderr.write('This is for the SQLite store. DynamoDB keeps point-in-time backups: see infra/README.md.\n');
    return 2;
  }
  try {
    const words = await run(join(read.values.dataFolder, 'cloud.db'), read.rest[0]);
    process.stderr.write(words === '' ? '' : `${words}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`npm run ${verb}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
