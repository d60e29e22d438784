// An agent with a full disk: a small real tmpfs, if this user may mount one. It tells the household, and delivers what
// arrived once there is space.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Disk } from '../chaos/disk.ts';
import { House } from './house.ts';

const folder = mkdtempSync(join(tmpdir(), 'homeline-full-agent-'));
const disk = Disk.make(folder, 4);
if (!disk.canFill && process.env.CI !== undefined) throw new Error('CI must be able to mount a tmpfs.');
afterAll(() => {
  disk.unmount();
  rmSync(folder, { recursive: true });
});

describe.skipIf(!disk.canFill)('an agent with a full disk', () => {
  it('tells the household and logs it once, and delivers what arrived once there is space', async () => {
    const house = new House({ approve: 'all' }, { dataFolder: folder, compareMs: 200 });
    const presence = () => {
      const frame = house.cloud.frames.findLast((each) => each.type === 'phones');
      return frame?.type === 'phones' ? frame.phones[0] : undefined;
    };
    const bodies = () =>
      house.cloud.events.flatMap((event) => (event.type === 'message.put' ? [event.message.body] : []));
    try {
      await house.start();
      await house.inStep();
      expect(presence()).not.toHaveProperty('trouble');
      disk.fill();
      const body = 'x'.repeat(100_000);
      await house.phone.notifyNewMessages(house.phone.receive(body));
      await house.cloud.until(() => presence()?.trouble?.code === 'agent-disk-full');
      expect(presence()?.trouble?.detail).toContain('Free some space there.');
      expect(bodies()).toEqual([]);
      disk.free();
      await house.cloud.until(() => presence()?.trouble === undefined);
      await house.cloud.until(() => bodies().includes(body));
      expect(bodies()).toEqual([body]);
      const told = house.lines.filter((line) => /^Warning: the disk is full|room on the disk/.test(line));
      expect(told).toEqual([expect.stringContaining('the disk is full'), 'There is room on the disk again.']);
    } finally {
      await house.stop();
    }
  }, 60_000);
});
