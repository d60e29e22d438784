// Twenty commits of the cloud's store; prints before and after each. For durability.test.ts.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteStore } from '../../cloud/store/sqlite.ts';
import { messageId, phoneMessage } from '../contract/messages.ts';

const store = new SqliteStore({ path: join(process.argv[2] ?? '', 'cloud.db') });
await store.start();
await store.homes.create({ id: 'home', account: 'a', name: 'Home', owner: 'Ada' });
for (let n = 1; n <= 20; n++) {
  writeSync(1, 'begin\n');
  const put = { type: 'message.put', id: messageId(n), phone: 'p_1', epoch: 0, session: null } as const;
  await store.commit('home', [{ ...put, message: phoneMessage({ messageId: `m-${n}` }), fingerprint: 'f' }]);
  writeSync(1, 'acknowledged\n');
}
await store.stop();
