// One cloud on a data folder, the owner's token from a file, and settings saved by a Windows editor.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownerToken } from './running-cloud.ts';

const hosts = resolve(import.meta.dirname, '../../../cloud/hosts');
let folder: string;
let data: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-data-'));
  data = join(folder, 'data');
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  children = [];
  rmSync(folder, { recursive: true });
});

function start(env: Record<string, string> = {}, shell = ''): ChildProcess {
  const settings = { PATH: process.env.PATH, HOMELINE_PORT: '0', HOMELINE_DATA: data, ...env };
  const words = `${shell}exec ${process.execPath} ${join(hosts, 'node.ts')}`;
  const child = spawn('sh', ['-c', words], { env: settings, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  children.push(child);
  return child;
}

async function ready(child: ChildProcess): Promise<string> {
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return url;
}

async function refusal(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  const [said, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'exit')]);
  return { code, said };
}

function archive(verb: string, file: string, at = data): string {
  const env = { PATH: process.env.PATH, HOMELINE_DATA: at };
  return execFileSync(process.execPath, [join(hosts, 'archive.ts'), verb, file], {
    env,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

describe('a second cloud on the same data folder', () => {
  it('refuses to start and names the first; a killed cloud is no obstacle', async () => {
    const first = start();
    const url = await ready(first);
    const { code, said } = await refusal(start());
    expect(code).toBe(1);
    expect(said).toMatch(
      new RegExp(
        `^The cloud cannot start: another cloud already runs on the data folder ${data}: process ${first.pid}, ` +
          `running since 20\\d\\d-\\d\\d-\\d\\dT.*Z, at ${url}\\. Stop that one, or give this one a folder of its own ` +
          'with HOMELINE_DATA\\.\\n$',
      ),
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    first.kill('SIGKILL');
    await once(first, 'exit');
    const third = start();
    await ready(third);
    third.kill('SIGTERM');
    expect(await once(third, 'exit')).toEqual([0, null]);
    await ready(start());
  });

  it('does not include export, import and backup', async () => {
    await ready(start());
    archive('export', join(folder, 'all.jsonl'));
    archive('backup', join(folder, 'copy.db'));
    archive('import', join(folder, 'all.jsonl'), join(folder, 'other'));
    expect(existsSync(join(folder, 'other/cloud.db'))).toBe(true);
    const files = [...['all.jsonl', 'copy.db', 'other', 'other/cloud.db', 'data'], ...inData()];
    expect(files.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0)).toEqual([]);
  });
});

const inData = () => readdirSync(data, { recursive: true, encoding: 'utf8' }).map((name) => join('data', name));

describe('the files of the cloud', () => {
  it('are readable by their owner alone, whatever the umask was', async () => {
    await ready(start({}, 'umask 0; '));
    expect(inData()).toEqual(expect.arrayContaining(['data/cloud.db', 'data/cloud.db-wal', 'data/cloud.db-shm']));
    expect(['data', ...inData()].filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0)).toEqual([]);
  });
});

describe('the owner’s token in a file', () => {
  const file = () => join(folder, 'owner-token');
  const homes = (url: string, token: string) =>
    fetch(`${url}/v1/homes`, { headers: { authorization: `Bearer ${token}` } });

  it('is read, also with a Windows line end, and read again after the file changed', async () => {
    for (const token of [ownerToken, `${ownerToken}-2`]) {
      writeFileSync(file(), `${token}\r\n`, { mode: 0o600 });
      const cloud = start({ HOMELINE_OWNER_TOKEN_FILE: file() });
      expect((await homes(await ready(cloud), token)).status).toBe(200);
      cloud.kill('SIGTERM');
      await once(cloud, 'exit');
    }
  });

  it.each([
    ['open to others', ownerToken, 0o640, 'is open to other users (mode 0640)'],
    ['too short', 'hl_short', 0o600, 'needs 32 to 512 visible ASCII characters'],
    ['empty', '', 0o600, 'is empty'],
  ])('is refused with exit 2 when it is %s', async (_, token, mode, words) => {
    writeFileSync(file(), token, { mode });
    const { code, said } = await refusal(start({ HOMELINE_OWNER_TOKEN_FILE: file() }));
    expect([code, said]).toEqual([2, expect.stringContaining(words)]);
    expect(said).toContain('HOMELINE_OWNER_TOKEN_FILE: ');
  });

  it('is refused together with the token itself', async () => {
    writeFileSync(file(), ownerToken, { mode: 0o600 });
    const { code, said } = await refusal(
      start({ HOMELINE_OWNER_TOKEN_FILE: file(), HOMELINE_OWNER_TOKEN: ownerToken }),
    );
    expect([code, said]).toEqual([2, expect.stringContaining('is given beside HOMELINE_OWNER_TOKEN')]);
  });
});

describe('settings that a Windows editor wrote', () => {
  it.each([
    ['HOMELINE_DATA', () => `${data}\r`, 'ends with a carriage return'],
    ['HOMELINE_DATA', () => `${data} `, 'ends with a blank'],
    ['HOMELINE_DATA', () => `"${data}"`, 'leave the quotation marks away'],
    ['HOMELINE_OWNER_TOKEN_FILE', () => `${data}\r`, 'ends with a carriage return'],
    ['HOMELINE_OWNER_TOKEN', () => `${ownerToken}\r`, 'ends with a carriage return'],
    ['HOMELINE_BASE_URL', () => 'https://home.example.org\r', 'ends with a carriage return'],
    ['HOMELINE_HOST', () => '127.0.0.1 ', 'ends with a blank'],
    ['HOMELINE_PORT', () => '8787\r', 'ends with a carriage return'],
    ['HOMELINE_TABLE', () => 'homeline\n', 'ends with a line feed'],
  ])('%s is refused by name, and no folder is made', async (name, value, words) => {
    const { code, said } = await refusal(start({ [name]: value() }));
    expect([code, said]).toEqual([
      2,
      expect.stringContaining(
        `${name}: ${name === 'HOMELINE_DATA' && words.startsWith('leave') ? 'stands in' : words}`,
      ),
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a variable that the AWS SDK reads by itself', () => {
  it('is refused with a CR at its end if the store is DynamoDB', async () => {
    const env = { HOMELINE_STORE: 'dynamodb', AWS_SECRET_ACCESS_KEY: 'secret\r' };
    const { code, said } = await refusal(start(env));
    expect([code, said]).toEqual([2, expect.stringContaining('AWS_SECRET_ACCESS_KEY: ends with a carriage return')]);
    expect(said).not.toContain('secret');
  });
});

describe('a base address with more than a host name', () => {
  it.each([
    'https://example.org/homeline',
    'https://example.org/homeline/',
    'https://example.org/?a=1',
    'https://a@example.org',
  ])('%s is refused with a reason', async (url) => {
    const { code, said } = await refusal(start({ HOMELINE_BASE_URL: url }));
    expect([code, said]).toEqual([2, expect.stringContaining('HOMELINE_BASE_URL: needs a host name alone')]);
    expect(said).toContain('give it a name of its own, such as https://homeline.example.org');
  });
});
