// SqliteStore: the contract.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import { storeContract } from '../../contract/store.ts';

storeContract('SqliteStore', (place, clock) => new SqliteStore({ path: join(place, 'homeline.db'), clock }), {
  make: () => mkdtempSync(join(tmpdir(), 'homeline-store-')),
  clear: (place) => rmSync(place, { recursive: true, force: true }),
});
