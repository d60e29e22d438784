// A phone with a full disk: a small real tmpfs, if this user may mount one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Disk } from '../../chaos/disk.ts';
import { type Fault, nonna, startPhone } from './phone-under-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'homeline-full-disk-'));
const disk = Disk.make(folder, 2);
afterAll(() => {
  disk.unmount();
  rmSync(folder, { recursive: true });
});

describe.skipIf(!disk.canFill)('a phone with a full disk', () => {
  it('answers 603 so that the send is retried, and accepts it when there is space', async () => {
    const home = await startPhone({ dataFolder: folder });
    disk.fill();
    const refused: (number | undefined)[] = [];
    for (let number = 1; refused.length === 0 && number < 1000; number++) {
      await home.control
        .send({ body: `${number} ${'x'.repeat(150)}` })
        .catch((fault: Fault) => refused.push(fault.code));
    }
    expect(refused).toEqual([603]);
    await expect(
      home.control.ask('CreateSession', { SessionClass: 'Chat', SessionRecipients: [nonna] }),
    ).rejects.toMatchObject({ code: 603 });
    const kept = await home.control.messages();
    disk.free();
    const messageId = await home.control.send({ body: 'There is room' });
    expect((await home.control.messages()).map((message) => message.messageId)).toEqual(
      expect.arrayContaining([...kept.map((message) => message.messageId), messageId]),
    );
    await home.stop();
  });
});
