// A process that commits message after message and prints the number of each once it is stored; made to be killed.

import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import { GatewayError } from '../../../protocol/errors.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';

const store = new SqliteStore({ path: process.argv[2] ?? '' });
try {
  await store.start();
  await store.homes.create({ id: 'home', account: 'account', name: 'Home', owner: 'Ada' });
  for (let n = 1; n < 100_000; n++) {
    const message = phoneMessage({ messageId: `phone-${n}`, body: 'Dinner at 8? '.repeat(100) });
    const write = {
      type: 'message.put',
      id: messageId(n),
      phone: 'p_1',
      epoch: 0,
      session: null,
      fingerprint: 'f',
    } as const;
    await store.commit('home', [{ ...write, message }]);
    process.stdout.write(`${n}\n`);
  }
} catch (error) {
  process.stdout.write(`${error instanceof GatewayError ? error.code : error}\n`);
}
