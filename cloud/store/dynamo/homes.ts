// Accounts, homes and the people who own them.
import { GatewayError } from '../../../protocol/errors.ts';
import { type EventBody, setHomeStatus } from '../changes.ts';
import type { HomeRecord, Write } from '../store.ts';
import type { Batch } from './batch.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';

export type HomeWrite = Extract<Write, { type: 'home.status' }>;

export class DynamoHomes {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  create({ id, account, name, owner }: { id: string; account: string; name: string; owner: string }): Promise<void> {
    return this.#records.change(async (batch) => {
      const person = keys.person(account, owner);
      await batch.load([keys.home(id), keys.homeOf(account, id), person]);
      if (batch.has(keys.home(id))) return;
      const home = { id, account, name, online: false, sinceMs: null, agent: null };
      batch.put(keys.home(id), { home, unread: 0, lastEvent: '' });
      batch.put(keys.homeOf(account, id), { home: id });
      if (!batch.has(person)) batch.put(person, { name: owner, role: 'owner' });
    });
  }

  async of(account: string): Promise<HomeRecord[]> {
    const links = await this.#records.all(keys.homeOf(account, ''));
    const stored = await this.#records.getAll(links.map(({ home }) => keys.home(home)));
    return stored.map(({ home }) => home);
  }

  async get(id: string): Promise<HomeRecord | undefined> {
    return (await this.#records.get(keys.home(id)))?.home;
  }

  /** Into the batch, which has loaded the home. */
  apply(batch: Batch, id: string, write: HomeWrite): EventBody | undefined {
    const key = keys.home(id);
    const stored = batch.get(key);
    if (stored === undefined) throw new GatewayError('not-found', 'There is no such home.');
    const change = setHomeStatus(stored.home, write, this.#records.clock.now());
    if (change !== undefined) batch.put(key, { ...stored, home: change.next });
    return change?.event;
  }
}
