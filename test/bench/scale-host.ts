// The cloud as scale.ts starts it: a process of its own, so that its memory and processor time are its own.
// Asked `memory` over the channel, it collects its garbage and answers what is left.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NodeHost } from '../../cloud/hosts/node.ts';
import { lineLog } from '../../cloud/hosts/node-log.ts';

export interface HostMemory {
  rssBytes: number;
  heapBytes: number;
  externalBytes: number;
}

const [dataFolder = '', port = '0'] = process.argv.slice(2);
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const host = new NodeHost({
  host: '127.0.0.1',
  port: Number(port),
  dataFolder,
  home: 'home-0',
  log: lineLog('warn', (line) => process.stderr.write(line)),
});
await host.start();
process.on('message', () => {
  for (let time = 0; time < 3; time++) collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rssBytes: rss, heapBytes: heapUsed, externalBytes: external } satisfies HostMemory);
});
process.send?.({ url: host.url });
