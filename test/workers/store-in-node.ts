// Replaces store/sqlite.ts in workerd (vitest.workers.config.ts): the same store, in the process outside.
import { env } from 'cloudflare:workers';
import type { Clock } from '../../cloud/store/clock.ts';
import type { Store } from '../../cloud/store/store.ts';
import { remoteStore } from './remote-store.ts';

/** Called with `new`, like the class. */
export function SqliteStore({ clock }: { path: string; clock: Clock }): Store {
  return remoteStore(`${env.STORE_URL}/${crypto.randomUUID()}`, clock);
}
