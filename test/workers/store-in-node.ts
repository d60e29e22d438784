// In the place of store/sqlite.ts in workerd (vitest.workers.config.ts): the same store, kept by the process outside.
import { env } from 'cloudflare:workers';
import type { Clock, Store } from '../../cloud/store/store.ts';
import { remoteStore } from './remote-store.ts';

export interface SqliteStore extends Store {}

export class SqliteStore {
  constructor({ clock }: { path: string; clock: Clock }) {
    // biome-ignore lint/correctness/noConstructorReturn: it is called with `new` where SqliteStore is
    return remoteStore(`${env.STORE_URL}/${crypto.randomUUID()}`, clock) as SqliteStore;
  }
}
