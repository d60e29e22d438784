// Takes the lock of a data folder and holds it until killed; exits with 1 and the reason if the lock is taken.
import { FolderLock } from '../../shared/node/folder-lock.ts';

const [folder = '', address] = process.argv.slice(2);
try {
  const lock = FolderLock.take(folder, 'cloud');
  if (address !== undefined) lock.listensAt(address);
  process.on('message', () => {
    lock.release();
    process.exit(0);
  });
  process.send?.({ pid: process.pid });
} catch (error) {
  process.stderr.write(String(error));
  process.exit(1);
}
