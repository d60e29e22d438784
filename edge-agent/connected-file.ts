// The file `connected` in the data folder exists while the tunnel is connected, for health checks that do not call the agent.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Creates or removes the file. A disk error is only reported: the agent works without the file. */
export function noteConnection(dataFolder: string, connected: boolean, report: (line: string) => void): void {
  const file = join(dataFolder, 'connected');
  try {
    if (connected) writeFileSync(file, '');
    else rmSync(file, { force: true });
  } catch {
    report(`Warning: ${file} cannot be written, so health checks do not see whether the cloud is connected.`);
  }
}
