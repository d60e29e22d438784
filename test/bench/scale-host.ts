// The cloud of scale.ts: a separate process, so that its memory and processor time can be measured.
// On the IPC message `memory` it collects garbage and answers with what is left.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NodeHost } from '../../cloud/hosts/node.ts';
import { lineLog } from '../../cloud/hosts/node-log.ts';

export interface HostMemory {
  rssBytes: number;
  heapBytes: number;
  externalBytes: number;
  /** The committed size of V8's young generation. */
  youngBytes: number;
}

const [dataFolder = '', port = '0'] = process.argv.slice(2);
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const host = new NodeHost({
  host: '127.0.0.1',
  port: Number(port),
  dataFolder,
  home: 'home-0',
  // For fleets of more than 10,000, and a client without rate limit.
  connections: 100_000,
  ratePerSecond: 0,
  sendsPerDay: 0,
  log: lineLog('warn', (line) => process.stderr.write(line)),
});
await host.start();
process.on('message', () => {
  for (let time = 0; time < 3; time++) collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  process.send?.({
    rssBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    youngBytes: young?.physical_space_size ?? 0,
  } satisfies HostMemory);
});
process.send?.({ url: host.url });
