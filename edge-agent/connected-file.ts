// The file `connected` in the data folder is there while the cloud is: a health check looks at it and asks the agent nothing.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes the file, or takes it away. A disk that refuses is reported: the agent goes on without. */
export function noteConnection(dataFolder: string, connected: boolean, report: (line: string) => void): void {
  const file = join(dataFolder, 'connected');
  try {
    if (connected) writeFileSync(file, '');
    else rmSync(file, { force: true });
  } catch {
    report(`Warning: ${file} cannot be written: health checks do not see whether the cloud is connected.`);
  }
}
