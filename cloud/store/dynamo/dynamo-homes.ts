// Accounts, homes and the people who own them.

import type { HomeRecord, HomeStore } from '../home-store.ts';
import type { EventBody } from '../rules/change.ts';
import { rulesFor } from '../rules/conversation-rules.ts';
import { changeHome, type HomeWrite } from '../rules/home-rules.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';

export class DynamoHomes implements HomeStore {
  readonly #records: Records;
  readonly #homes: HomeRecords;

  constructor(records: Records, homes: HomeRecords) {
    this.#records = records;
    this.#homes = homes;
  }

  create({ id, account, name, owner }: { id: string; account: string; name: string; owner: string }): Promise<void> {
    return this.#records.change(async (batch) => {
      const person = keys.person(account, owner);
      await batch.load([keys.home(id), keys.homeOf(account, id), person]);
      if (batch.has(keys.home(id))) return;
      const home = { id, account, name, online: false, sinceMs: null, agent: null };
      const keying = { rules: rulesFor(undefined) };
      batch.put(keys.home(id), { home, keying, unread: 0, open: 0, lastEvent: '', paged: '', changes: {}, told: [] });
      batch.put(keys.homeOf(account, id), { home: id });
      if (!batch.has(person)) batch.put(person, { name: owner, role: 'owner' });
    });
  }

  async idsOf(account: string): Promise<string[]> {
    const links = await this.#records.all(keys.homeOf(account, ''));
    return links.map(({ home }) => home);
  }

  async get(id: string): Promise<HomeRecord | undefined> {
    return (await this.#homes.open(id)).head.stored?.home;
  }

  apply(batch: HomeBatch, write: HomeWrite): EventBody | undefined {
    const { nowMs } = batch.view;
    const change = changeHome(batch.home, write, nowMs);
    if (change !== undefined) batch.home = change.next;
    return change?.event;
  }
}
