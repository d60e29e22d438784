// npm run export · import · backup: the SQLite store as lines of JSON and back, and a copy of it while the cloud runs.
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GatewayError } from '../../protocol/errors.ts';
import { readSettings, type Setting } from '../../protocol/settings.ts';
import { cloudSettings } from '../settings.ts';
import { backupDatabase, exportLines, importLines } from '../store/sqlite/archive.ts';

const settings = { dataFolder: cloudSettings.dataFolder, store: cloudSettings.store } satisfies Record<string, Setting>;

const verbs = {
  export: {
    summary: 'writes everything that the cloud keeps as lines of JSON',
    operands: '  npm run export -- <file>   one that broke off is gone on with; without a file, to stdout',
    run: async (database: string, file: string | undefined) => {
      if (file !== undefined) return exportTo(database, file);
      // Back pressure: the reader of a pipe sets the pace.
      await pipeline(Readable.from(exported(database)), process.stdout, { end: false });
      return '';
    },
  },
  import: {
    summary: 'makes a store from an export, in a data folder that has none',
    operands: '  npm run import -- <file>   run again, it goes on where it was; without a file, from stdin',
    run: async (database: string, file: string | undefined) => {
      const input = file === undefined ? process.stdin : createReadStream(file);
      const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
      const rows = await importLines(database, counted(lines, 'read'));
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
function exportTo(database: string, file: string): string {
  const target = openSync(file, 'a+', 0o600);
  let lines = 0;
  for (const line of exported(database, cutToWholeLines(target))) {
    writeSync(target, line);
    lines++;
  }
  fsyncSync(target);
  closeSync(target);
  return `${lines} lines were written to ${file}.`;
}

/** Lines with their line feeds. */
function* exported(database: string, last?: string): Generator<string> {
  let lines = 0;
  for (const line of exportLines(database, last)) {
    yield `${line}\n`;
    if (++lines % progressLines === 0) tellProgress(lines, 'written');
  }
}

/** Cuts off a partial last line. Answers the last whole line; undefined if there is none. */
function cutToWholeLines(file: number): string | undefined {
  let tail = Buffer.alloc(0);
  for (let at = fstatSync(file).size; at > 0; ) {
    const chunk = Buffer.alloc(Math.min(chunkBytes, at));
    at -= chunk.length;
    readSync(file, chunk, 0, chunk.length, at);
    tail = Buffer.concat([chunk, tail]);
    const end = tail.lastIndexOf(lineFeed);
    const start = end <= 0 ? -1 : tail.lastIndexOf(lineFeed, end - 1);
    if (end < 0 || (start < 0 && at > 0)) continue;
    ftruncateSync(file, at + end + 1);
    return tail.toString('utf8', start + 1, end);
  }
  ftruncateSync(file, 0);
  return undefined;
}

const chunkBytes = 64 * 1024;
const lineFeed = 0x0a;

/** A progress line every few seconds, for the person who waits. */
const progressLines = 100_000;

async function* counted(lines: AsyncIterable<string>, verb: string): AsyncGenerator<string> {
  let count = 0;
  for await (const line of lines) {
    yield line;
    if (++count % progressLines === 0) tellProgress(count, verb);
  }
}

function tellProgress(lines: number, verb: string): void {
  process.stderr.write(`${lines} lines are ${verb} …\n`);
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
  // Exports and backups hold all messages: only this user may read them.
  process.umask(0o077);
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
