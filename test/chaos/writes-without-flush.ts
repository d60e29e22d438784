// Like writes-of-agent.ts, without SQLite's flushes: the count must show it. For durability.test.ts.
import { writeSync } from 'node:fs';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import { Outbox } from '../../edge-agent/tunnel/outbox.ts';
import { sampleEvent } from '../edge-agent/tunnel/sample-events.ts';

const database = openDatabase(process.argv[2] ?? '');
database.exec('PRAGMA synchronous = OFF');
const outbox = new Outbox({ database, report: () => {} });
for (let n = 1; n <= 20; n++) {
  writeSync(1, 'begin\n');
  outbox.append([sampleEvent(n)]);
  writeSync(1, 'acknowledged\n');
}
database.close();
