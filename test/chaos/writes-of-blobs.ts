// Writes twenty large texts into a folder; prints before and after each. For durability.test.ts.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { FolderBlobs } from '../../cloud/store/folder-blobs.ts';

const blobs = new FolderBlobs(join(process.argv[2] ?? '', 'texts'));
for (let n = 1; n <= 20; n++) {
  writeSync(1, 'begin\n');
  await blobs.put(`until/2026-11-${n + 10}/${n}`, 'x'.repeat(200_000));
  writeSync(1, 'acknowledged\n');
}
