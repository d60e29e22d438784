// npm run agent: runs the edge agent.
import './small-heap.ts';

import { basename } from 'node:path';
import { readSettings } from '../protocol/settings.ts';
import { FolderLock } from '../shared/node/folder-lock.ts';
import { Agent } from './agent.ts';
import { noteConnection } from './connected-file.ts';
import { agentSettings, checkAgentToken, isTokenInClear, readAgentToken } from './settings.ts';

const read = readSettings(agentSettings, {
  // The bundled agent is a single file, started by its name.
  command: import.meta.filename.endsWith('.ts') ? 'npm run agent --' : `node ${basename(import.meta.filename)}`,
  summary: 'the edge agent: it finds the phones of this home and connects them to the cloud.',
  env: process.env,
  argv: process.argv.slice(2),
  check: checkAgentToken,
});

if (read.kind === 'help') {
  process.stdout.write(`${read.text}\n`);
} else if (read.kind === 'faults') {
  process.stderr.write(`${read.text}\n`);
  process.exitCode = 2;
} else {
  const { cloud, token, tokenFile, interfaces, phone, trust, data, ssdpPort } = read.values;
  const report = (line: string) => void process.stdout.write(`${line}\n`);
  if (isTokenInClear(cloud)) {
    report('Warning: ws:// sends the token and every message in clear text. Use wss:// beyond this machine.');
  }
  // Files created from here on belong to this user only: the database with its -wal and -shm, and the lock.
  process.umask(0o077);
  const lock = takeFolder(data);
  const note = (connected: boolean) => noteConnection(data, connected, report);
  let isReady = false;
  const agent = new Agent({
    cloud,
    token: () => (tokenFile === undefined ? (token ?? '') : readAgentToken(tokenFile)),
    interfaces,
    phoneUrl: phone,
    trust,
    dataFolder: data,
    ssdpPort,
    report,
    onConnected: () => {
      note(true);
      if (!isReady) process.send?.({ type: 'ready' });
      isReady = true;
    },
    onLost: () => note(false),
    onPhone: (udn) => void process.send?.({ type: 'phone', udn }),
  });

  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    report('Stopping.');
    agent.stop().then(
      () => {
        note(false);
        lock.release();
        process.exit(0);
      },
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
  // A killed agent may have left the file.
  note(false);
  agent.start().catch((error: unknown) => fail(error, data));
}

function takeFolder(dataFolder: string): FolderLock {
  try {
    return FolderLock.take(dataFolder, 'agent');
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown, dataFolder?: string): never {
  const message = error instanceof Error ? error.message : String(error);
  const remedy = dataFolder === undefined ? '' : ` Check that this user can write to ${dataFolder} (HOMELINE_DATA).`;
  process.stderr.write(`The agent had to stop: ${message}.${remedy}\n`);
  process.exit(1);
}
