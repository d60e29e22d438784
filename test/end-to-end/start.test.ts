// `npm start` for a newcomer: its output, what survives a restart, how it exits, and its errors.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
/** Timeout for tests that start three programs twice on a busy machine. */
const patience = 120_000;
const ownerToken = `hl_${'s'.repeat(43)}`;

let folder: string;
const running = new Set<Start>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homeline-start-'));
});
afterEach(async () => {
  for (const start of running) await start.kill();
});
afterAll(() => rm(folder, { recursive: true }));

class Start {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';
  faults = '';
  readonly #waiters = new Set<() => void>();

  constructor(env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, ['infra/start.ts'], {
      cwd: root,
      env: {
        ...process.env,
        HOMELINE_DATA: join(folder, 'data'),
        HOMELINE_PORT: '0',
        HOMELINE_OWNER_TOKEN: ownerToken,
        HOMELINE_SSDP_PORT: '19087',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (data) => {
        this.output += data;
        if (stream === this.#child.stderr) this.faults += data;
        for (const waiter of this.#waiters) waiter();
      });
    }
    this.ended = once(this.#child, 'close').then(([code]) => {
      running.delete(this);
      for (const waiter of this.#waiters) waiter();
      return code as number | null;
    });
    running.add(this);
  }

  /** The first match in the output; fails if the process exits without it. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((found, fail) => {
      const late = setTimeout(() => fail(new Error(`Never printed ${pattern}:\n${this.output}`)), patience / 2);
      const look = () => {
        const match = pattern.exec(this.output);
        if (match === null && running.has(this)) return;
        this.#waiters.delete(look);
        clearTimeout(late);
        if (match === null) fail(new Error(`Ended without printing ${pattern}:\n${this.output}`));
        else found(match);
      };
      this.#waiters.add(look);
      look();
    });
  }

  async url(): Promise<string> {
    const [, url = ''] = await this.printed(/Dashboard:\s+(http:\S+?)\/#sign-in=/);
    await this.printed(/In step with the phone/);
    return url;
  }

  interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.ended;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }
}

function get(url: string, path: string): Promise<Response> {
  return fetch(`${url}/v1${path}`, { headers: { authorization: `Bearer ${ownerToken}` } });
}

async function subjects(url: string): Promise<string[]> {
  const answer = (await (await get(url, '/homes/home/messages?folder=Received')).json()) as {
    items: { body: string }[];
  };
  return answer.items.map((message) => message.body);
}

describe('npm start', () => {
  it(
    'runs the whole, says each step and a sign-in link, stops on Ctrl-C, and keeps the data for the next start',
    async () => {
      const first = new Start();
      const url = await first.url();
      for (const step of [/cloud\s+The cloud listens at/, /phone\s+“Home phone” is on/, /agent\s+Connected to/]) {
        await first.printed(step);
      }
      const [, code] = await first.printed(/#sign-in=(\S+)/);
      const signIn = await fetch(`${url}/v1/sign-in`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: url },
        body: JSON.stringify({ code }),
      });
      expect(signIn.status).toBeLessThan(300);
      expect(signIn.headers.get('set-cookie')).toContain('HttpOnly');
      expect(await (await fetch(url)).text()).toContain('<title>Homeline');

      await say('Dinner at 8?');
      await expect.poll(() => subjects(url), { timeout: patience / 2 }).toEqual(['Dinner at 8?']);

      expect(await first.interrupt()).toBe(0);
      // In this order, so that the phone still answers the agent's UNSUBSCRIBE; no part had to be killed.
      expect(first.output).toMatch(/Stopping….*agent {2}Stopping\..*phone {2}Stopping\./s);
      await expect(fetch(`${url}/healthz`)).rejects.toThrow();

      const second = new Start();
      const again = await second.url();
      expect(await subjects(again)).toEqual(['Dinner at 8?']);
      const agents = (await (await get(again, '/homes/home/agents')).json()) as { items: { name: string }[] };
      expect(agents.items.map((agent) => agent.name)).toEqual(['this machine']);
      expect(await second.interrupt()).toBe(0);
    },
    patience,
  );

  it(
    'starts a part again that died',
    async () => {
      const start = new Start({ HOMELINE_DATA: join(folder, 'revived') });
      const url = await start.url();
      const [, pid = ''] = (await partPid('edge-agent/main.ts', join(folder, 'revived'))) ?? [];
      process.kill(Number(pid), 'SIGKILL');
      await start.printed(/agent\s+ended \(signal SIGKILL\); starting it again/);
      await expect
        .poll(async () => ((await (await get(url, '/homes/home')).json()) as { online: boolean }).online, {
          timeout: patience / 2,
        })
        .toBe(true);
      expect(await start.interrupt()).toBe(0);
    },
    patience,
  );

  it(
    'names a taken port and the mend',
    async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as { port: number };
      const start = new Start({ HOMELINE_PORT: String(port) });
      expect(await start.ended).not.toBe(0);
      expect(start.faults).toContain(`port ${port}`);
      expect(start.faults).toContain('HOMELINE_PORT');
      other.close();
    },
    patience,
  );

  it(
    'names a data folder that cannot be written and the mend',
    async () => {
      const file = join(folder, 'a-file');
      await writeFile(file, '');
      const start = new Start({ HOMELINE_DATA: join(file, 'below') });
      expect(await start.ended).toBe(1);
      expect(start.faults).toMatch(/data folder .* cannot be written .*--data/);
    },
    patience,
  );

  it(
    'names an interface that is not there and the mend',
    async () => {
      const start = new Start({ HOMELINE_INTERFACE: 'none0', HOMELINE_DATA: join(folder, 'no-interface') });
      expect(await start.ended).not.toBe(0);
      expect(start.output).toMatch(/none0|interface/i);
      expect(start.output).toMatch(/--interface/);
    },
    patience,
  );

  it(
    'tells all wrong settings at once, whichever part they are of, exit 2',
    async () => {
      const wrong = {
        HOMELINE_PORT: 'x',
        HOMELINE_OWNER_TOKEN: 'short',
        HOMELINE_PHONE_KIND: 'tv',
        HOMELINE_PHONE: '::',
      };
      const start = new Start(wrong);
      expect(await start.ended).toBe(2);
      for (const name of Object.keys(wrong)) expect(start.faults).toContain(name);
    },
    patience,
  );

  it(
    'ends with 0 on Ctrl-C in a terminal',
    async () => {
      const env = {
        ...process.env,
        HOMELINE_DATA: join(folder, 'data'),
        HOMELINE_PORT: '0',
        HOMELINE_SSDP_PORT: '19087',
      };
      // Its standard input is the terminal in which npm and its children run. Without `exec` a shell that stays npm's
      // parent (dash) would be killed by the same Ctrl-C and exit with 130.
      const terminal = spawn('script', ['--quiet', '--return', '--command', 'exec npm start', '/dev/null'], {
        cwd: root,
        env,
      });
      const ended = once(terminal, 'close');
      let screen = '';
      terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
        const isUp = screen.includes('In step with the phone');
        screen += text;
        if (!isUp && screen.includes('In step with the phone')) terminal.stdin.write('\x03');
      });
      expect(await ended).toEqual([0, null]);
      expect(screen).toMatch(/Stopping….*agent {2}Stopping\..*phone {2}Stopping\./s);
    },
    patience,
  );
});

/** `npm run phone -- say`, beside the running phone. */
async function say(text: string): Promise<void> {
  const child = spawn(process.execPath, ['edge-agent/phone/main.ts', 'say', '+390110001', text], {
    cwd: root,
    env: { ...process.env, HOMELINE_DATA: join(folder, 'data') },
    stdio: 'ignore',
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
}

/** The process that runs a program on a data folder. */
async function partPid(program: string, dataFolder: string): Promise<[string, string] | undefined> {
  const { readdir, readFile } = await import('node:fs/promises');
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!existsSync(`/proc/${pid}/environ`)) continue;
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    if ((await read('cmdline')).includes(program) && (await read('environ')).includes(`HOMELINE_DATA=${dataFolder}`)) {
      return [program, pid];
    }
  }
  return undefined;
}
