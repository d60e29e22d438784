// The phones of each home, by UDN, so that none is stored twice. A home has few.
import { isDeepStrictEqual } from 'node:util';
import type { PhonePresence } from '../../../protocol/frames.ts';
import type { PhoneRecord, PhoneStore } from '../phone-store.ts';
import type { EventBody } from '../rules/change.ts';
import { decide } from '../rules/phone-approval.ts';
import { inOrder, setPhoneStatus, showPhones } from '../rules/phone-rules.ts';
import type { Write } from '../store.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import type { HomeView } from './home-view.ts';
import { keys } from './keys.ts';
import type { StoredPhone } from './stored.ts';

export type PhoneWrite = Extract<Write, { type: 'phone.status' }>;

export class DynamoPhones implements PhoneStore {
  readonly #records: HomeRecords;

  constructor(records: HomeRecords) {
    this.#records = records;
  }

  async put(home: string, presences: readonly PhonePresence[]): Promise<PhoneRecord[]> {
    const { result } = await this.#records.change(home, async (batch) => {
      const known = await allOf(batch.view);
      const { phones, forgotten } = showPhones(
        known.map(({ phone }) => phone),
        presences,
        batch.view.nowMs,
      );
      await batch.load([...presences, ...forgotten].map(({ udn }) => keys.phone(home, udn)));
      for (const phone of phones) {
        if (!presences.some(({ udn }) => udn === phone.udn)) continue;
        const key = keys.phone(home, phone.udn);
        const current = batch.get(key);
        const next = { phone, online: current?.online ?? false };
        if (!isDeepStrictEqual(next, current)) batch.put(key, next);
      }
      for (const { udn } of forgotten) batch.delete(keys.phone(home, udn));
      return phones;
    });
    return result;
  }

  async list(home: string): Promise<PhoneRecord[]> {
    const phones = await allOf(await this.#records.open(home));
    return inOrder(phones.map(({ phone }) => phone));
  }

  async read(home: string, id: string): Promise<PhoneRecord | undefined> {
    return find(await allOf(await this.#records.open(home)), id)?.phone;
  }

  async approve(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined> {
    if ((await this.read(home, id)) === undefined) return undefined;
    const { result } = await this.#records.change(home, async (batch) => {
      const found = find(await allOf(batch.view), id);
      if (found === undefined) return undefined;
      const key = keys.phone(home, found.phone.udn);
      await batch.load([key]);
      const phone = decide(found.phone, approved, change);
      if (!isDeepStrictEqual(found.phone, phone)) batch.put(key, { ...found, phone });
      return phone;
    });
    return result;
  }

  /** Call it after the batch has loaded the phone. */
  apply(batch: HomeBatch, home: string, write: PhoneWrite): EventBody | undefined {
    const key = keys.phone(home, write.phone.udn);
    const current = batch.get(key);
    if (current?.phone.id !== write.phone.id) return undefined;
    const change = setPhoneStatus(current.online, write);
    if (change !== undefined) batch.put(key, { ...current, online: change.next });
    return change?.event;
  }
}

function allOf(view: HomeView): Promise<StoredPhone[]> {
  return view.all(keys.allPhones(view.home));
}

function find(phones: readonly StoredPhone[], id: string): StoredPhone | undefined {
  return phones.find(({ phone }) => phone.id === id);
}
