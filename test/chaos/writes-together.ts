// Two hundred concurrent commits of the cloud's store; prints before and after. For durability.test.ts.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteStore } from '../../cloud/store/sqlite.ts';
import { messageId, phoneMessage } from '../contract/messages.ts';

const store = new SqliteStore({ path: join(process.argv[2] ?? '', 'cloud.db') });
await store.start();
await store.homes.create({ id: 'home', account: 'a', name: 'Home', owner: 'Ada' });
const put = { type: 'message.put', phone: 'p_1', epoch: 0, session: null, fingerprint: 'f' } as const;
writeSync(1, 'begin\n');
const commits = Array.from({ length: 200 }, (_, n) =>
  store.commit('home', [{ ...put, id: messageId(n), message: phoneMessage({ messageId: `m-${n}` }) }]),
);
await Promise.all(commits);
writeSync(1, 'acknowledged\n');
await store.stop();
