// Preloaded into the cloud: its store treats each delivery of an event as a new message. For the self-test.
import { SqliteStore } from '../../cloud/store/sqlite.ts';

const commit = SqliteStore.prototype.commit;
let count = 0;

SqliteStore.prototype.commit = function (home, writes) {
  const anew = writes.map((write) => (write.type === 'message.put' ? { ...write, id: otherId(write.id) } : write));
  return commit.call(this, home, anew);
};

function otherId(id: string): string {
  return `${id.slice(0, 20)}${String(++count).padStart(8, '0')}`;
}
