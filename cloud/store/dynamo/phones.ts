// The phones of each home, by the name that they give themselves (UDN), so that none is there twice. A home has few.
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../../protocol/errors.ts';
import type { PhonePresence } from '../../../protocol/frames.ts';
import { type EventBody, seePhone, setPhoneStatus } from '../changes.ts';
import { nextId } from '../ordered-id.ts';
import type { PhoneRecord, Write } from '../store.ts';
import type { Batch } from './batch.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';
import type { StoredPhone } from './stored.ts';

export type PhoneWrite = Extract<Write, { type: 'phone.status' }>;

export class DynamoPhones {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Answers all phones of the home. Throws `not-found`. */
  see(home: string, presences: readonly PhonePresence[]): Promise<PhoneRecord[]> {
    return this.#records.change(async (batch) => {
      const known = new Map((await this.#all(home)).map((each) => [each.phone.udn, each]));
      await batch.load([keys.home(home), ...presences.map(({ udn }) => keys.phone(home, udn))]);
      if (!batch.has(keys.home(home))) throw new GatewayError('not-found', 'There is no such home.');
      for (const presence of presences) {
        const key = keys.phone(home, presence.udn);
        const current = batch.get(key);
        const last = inOrder([...known.values()]).at(-1)?.id ?? '';
        const newId = `p_${nextId(last.slice(2), this.#records.clock.now())}`;
        const phone = seePhone(current?.phone, presence, newId);
        const next = { phone, online: current?.online ?? false };
        known.set(presence.udn, next);
        if (!isDeepStrictEqual(next, current)) batch.put(key, next);
      }
      return inOrder([...known.values()]);
    });
  }

  /** In the order in which they were first seen. */
  async list(home: string): Promise<PhoneRecord[]> {
    return inOrder(await this.#all(home));
  }

  async get(home: string, id: string): Promise<PhoneRecord | undefined> {
    return (await this.#find(home, id))?.phone;
  }

  approve(home: string, id: string, approved: boolean): Promise<PhoneRecord | undefined> {
    return this.#records.change(async (batch) => {
      const found = await this.#find(home, id);
      if (found === undefined) return undefined;
      const key = keys.phone(home, found.phone.udn);
      await batch.load([key]);
      const current = batch.get(key) ?? found;
      const phone = { ...current.phone, approved };
      if (current.phone.approved !== approved) batch.put(key, { ...current, phone });
      return phone;
    });
  }

  /** Into the batch, which has loaded the phone. */
  apply(batch: Batch, home: string, write: PhoneWrite): EventBody | undefined {
    const key = keys.phone(home, write.phone.udn);
    const current = batch.get(key);
    if (current?.phone.id !== write.phone.id) return undefined;
    const change = setPhoneStatus(current.online, write);
    if (change !== undefined) batch.put(key, { ...current, online: change.next });
    return change?.event;
  }

  async #find(home: string, id: string): Promise<StoredPhone | undefined> {
    return (await this.#all(home)).find(({ phone }) => phone.id === id);
  }

  #all(home: string): Promise<StoredPhone[]> {
    return this.#records.all(keys.allPhones(home));
  }
}

function inOrder(phones: readonly StoredPhone[]): PhoneRecord[] {
  return phones.map(({ phone }) => phone).sort((a, b) => (a.id < b.id ? -1 : 1));
}
