// A cloud on a disk that is really full: a small tmpfs, where this user may mount one. The operator and the household are
// told, nothing is lost, and the cloud resumes by itself when there is space again.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Disk } from '../../chaos/disk.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { patiently, RunningCloud } from './running-cloud.ts';
import type { ScriptedAgent } from './scripted-agent.ts';

const folder = mkdtempSync(join(tmpdir(), 'homeline-full-cloud-'));
const disk = Disk.make(folder, 8);
if (!disk.canFill && process.env.CI !== undefined) throw new Error('CI must be able to mount a tmpfs.');
afterAll(() => {
  disk.unmount();
  rmSync(folder, { recursive: true });
});

/** As long as a batch of messages, so that it fits into no free page of the log. */
const body = 'Dinner at 8? '.repeat(2_000);

function tell(agent: ScriptedAgent, n: number): void {
  const message = phoneMessage({ messageId: `m-${n}`, body: `${n} ${body}` });
  const event = { type: 'message.put', udn: 'uuid:phone-1', epoch: 0, id: messageId(n), fingerprint: 'f', message };
  agent.send({ type: 'events', events: [{ seq: n, time: new Date().toISOString(), event }] });
}

describe.skipIf(!disk.canFill)('a cloud whose disk is full', () => {
  const cloud = new RunningCloud({ dataFolder: folder });
  beforeAll(() => cloud.start());
  afterAll(() => cloud.stop());
  const lines = () => cloud.logged.map((line) => JSON.parse(line));
  const readyz = async () => (await cloud.get('/readyz')).status;
  const home = async () => (await cloud.get('/v1/homes/home')).body;
  const stored = async () => (await cloud.get('/v1/homes/home/messages?limit=200')).body.items.length;

  it('tells operator and household, has the agent keep its events, and resumes when there is space', async () => {
    const { agent } = await cloud.homeWithPhone();
    tell(agent, 1);
    await expect.poll(stored, patiently).toBe(1);
    expect(await readyz()).toBe(200);
    expect((await home()).trouble).toBeUndefined();

    disk.fill();
    await expect
      .poll(async () => {
        tell(agent, 2);
        return agent.frames.some((frame) => frame.type === 'nak');
      }, patiently)
      .toBe(true);
    await expect.poll(readyz, patiently).toBe(503);
    const refused = await cloud.get('/readyz');
    expect(refused.body).toMatchObject({
      code: 'store-unavailable',
      detail: expect.stringContaining('the disk is full'),
    });
    expect((await home()).trouble).toMatchObject({
      code: 'store-unavailable',
      detail: expect.stringMatching(
        /^The cloud cannot store anything now\. .* the disk is full: free some space\. New/,
      ),
    });
    // Reads still work, and writes are refused with a reason.
    expect(await stored()).toBe(1);
    const send = await cloud.post('/v1/homes/home/messages', { messageClass: 'SMS', to: ['+390110001'], body });
    expect([send.status, send.body.code]).toEqual([503, 'store-unavailable']);
    // The store is tried again and again, which logs one line. The cloud's own attempts show nowhere: five seconds hold two.
    for (let look = 0; look < 5; look++) {
      tell(agent, 2);
      expect(await readyz()).toBe(503);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    const told = lines().filter(({ event }) => event === 'store.unavailable');
    expect(told).toMatchObject([{ level: 'error', error: expect.stringContaining('the disk is full') }]);
    expect(lines()).toHaveLength(1);

    disk.free();
    await expect.poll(readyz, patiently).toBe(200);
    await expect.poll(async () => (await home()).trouble, patiently).toBeUndefined();
    await expect
      .poll(() => {
        tell(agent, 2);
        return stored();
      }, patiently)
      .toBe(2);
    expect(lines().map(({ event }) => event)).toEqual(['store.unavailable', 'store.available-again']);
  }, 120_000);
});
