// The bundled agent: built, copied to an empty folder, and run there by a bare Node.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Household } from '../end-to-end/household.ts';

const root = resolve(import.meta.dirname, '../..');
const built = mkdtempSync(join(tmpdir(), 'homeline-built-'));
const bare = mkdtempSync(join(tmpdir(), 'homeline-bare-'));
const file = join(bare, 'homeline-agent.mjs');
let said = '';

beforeAll(() => {
  said = execFileSync(process.execPath, [join(root, 'infra/build-agent.ts'), '--dist', built], { encoding: 'utf8' });
  copyFileSync(join(built, 'homeline-agent.mjs'), file);
});
afterAll(() => {
  for (const folder of [built, bare]) rmSync(folder, { recursive: true });
});

function start(args: string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, [file, ...args], { cwd: bare, env });
}

describe('npm run build:agent', () => {
  it('makes one file of less than 1.5 MB, and says its size', () => {
    expect(readdirSync(built).sort()).toEqual(['homeline-agent.licences.txt', 'homeline-agent.mjs']);
    expect(statSync(file).size).toBeLessThan(1_500_000);
    expect(said).toMatch(/homeline-agent\.mjs: \d+ kB, gzipped \d+ kB\n/);
  });

  it('keeps the licence of every package that is in it', () => {
    const licences = readFileSync(join(built, 'homeline-agent.licences.txt'), 'utf8');
    for (const name of ['homeline', 'ws', 'zod', 'fast-xml-parser', '@nodable/entities']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\n=+\\n.*(Apache|Copyright|MIT)`, 'ms'));
    }
  });

  it('holds no path of the machine that built it', () => {
    expect(readFileSync(file, 'utf8')).not.toContain(root);
  });
});

describe('the file alone', () => {
  it('explains itself under its own name', async () => {
    const help = await textOf(start(['--help']).stdout);
    expect(help).toMatch(/^node homeline-agent\.mjs: the edge agent/);
    expect(help).toContain('HOMELINE_AGENT_TOKEN');
  });

  it('tells wrong settings and ends with 2', async () => {
    const agent = start([], { HOMELINE_CLOUD: 'http://example.org' });
    const [words, [status]] = await Promise.all([textOf(agent.stderr), once(agent, 'close')]);
    expect([status, words]).toEqual([2, expect.stringContaining('HOMELINE_AGENT_TOKEN')]);
  });

  it('carries messages both ways between a phone and a cloud, and stops on SIGTERM', async () => {
    const household = await Household.open();
    const phone = await household.addPhone('Kitchen');
    const { body } = await household.api('POST', '/homes/home/agents', { name: 'bundled' });
    const agent = start([], {
      HOMELINE_CLOUD: household.url.replace(/^http/, 'ws'),
      HOMELINE_AGENT_TOKEN: body.token,
      HOMELINE_INTERFACE: 'lo',
      HOMELINE_TRUST: phone.phone.udn,
      HOMELINE_SSDP_PORT: String(household.ssdpPort),
      HOMELINE_DATA: join(bare, 'data'),
    });
    const errors = textOf(agent.stderr);
    const ended = once(agent, 'close');
    try {
      await household.phoneOnline('Kitchen');
      const events = await household.events();
      const messageId = await phone.line.receive('+390110001', 'Dinner at 8?');
      const { data } = await events.next('message.received', (event) => event.data.messageId === messageId);
      expect(data.body).toBe('Dinner at 8?');
      const sent = await household.home('POST', '/messages', {
        messageClass: 'SMS',
        to: ['+390110001'],
        body: 'Yes!',
      });
      expect(sent.state).toBe('sent');
      expect(phone.line.sent.map((message) => message.body)).toEqual(['Yes!']);
    } finally {
      agent.kill('SIGTERM');
      const [status] = await ended;
      await household.close();
      expect([status, await errors]).toEqual([0, '']);
    }
  });
});
