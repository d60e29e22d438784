// Writes ten events into the agent's outbox and ten sends into its journal, printing before and after each, and the end
// of each send, which is not waited for. For durability.test.ts.
import { writeSync } from 'node:fs';
import { openDatabase } from '../../edge-agent/tunnel/database.ts';
import { Journal } from '../../edge-agent/tunnel/journal.ts';
import { Outbox } from '../../edge-agent/tunnel/outbox.ts';
import { sampleEvent, udn } from '../edge-agent/tunnel/sample-events.ts';

const database = openDatabase(process.argv[2] ?? '');
const outbox = new Outbox({ database, report: () => {} });
const journal = new Journal(database, outbox);
for (let n = 1; n <= 10; n++) {
  writeSync(1, 'begin\n');
  outbox.append([sampleEvent(n)]);
  writeSync(1, 'acknowledged\n');
  writeSync(1, 'begin\n');
  journal.beginSend(udn, { key: `key ${n}`, action: 'SendMessage', arguments: {}, begunMs: Date.now() });
  writeSync(1, 'acknowledged\n');
  journal.finishSend(udn, `key ${n}`, { result: { MessageID: `m-${n}` } });
}
database.close();
