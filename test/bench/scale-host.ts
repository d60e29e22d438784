// The cloud as scale.ts starts it: a process of its own, so that its memory and processor time are its own.
// Asked `memory` over the channel, it collects its garbage and answers what is left.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NodeHost } from '../../cloud/hosts/node.ts';
import { lineLog } from '../../cloud/hosts/node-log.ts';

export interface HostMemory {
  rssBytes: number;
  heapBytes: number;
  externalBytes: number;
  /** What V8's young generation has taken, be it used or not. */
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
  // Fleets of more than 10,000, whose client asks as fast as it can.
  connections: 100_000,
  ratePerSecond: 0,
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
