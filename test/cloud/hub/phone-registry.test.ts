// The phones that a hub knows while the store is slow or fails.
import { expect, it } from 'vitest';
import { PhoneRegistry } from '../../../cloud/hub/phone-registry.ts';
import type { PhoneRecord, PhoneStore } from '../../../cloud/store/phone-store.ts';
import type { Store } from '../../../cloud/store/store.ts';
import { unavailable } from './hub-harness.ts';

const phone = (approved: boolean): PhoneRecord => {
  const seen = { udn: 'uuid:1', name: 'Phone', deviceType: 'urn:phone', address: '10.0.0.2:80', epoch: 0 };
  return { id: 'p_1', approved, ...seen };
};

/** The part of a store that the registry needs. */
function storeOf(list: () => Promise<PhoneRecord[]>): Store {
  return { phones: { list } as Pick<PhoneStore, 'list'> as PhoneStore } as Pick<Store, 'phones'> as Store;
}

it('reads the phones again after a change with an unknown outcome', async () => {
  let approved = true;
  const phoneRegistry = new PhoneRegistry(
    'home',
    storeOf(async () => [phone(approved)]),
    { online: [] },
  );
  await phoneRegistry.load();
  expect(phoneRegistry.snapshot.phones).toEqual([phone(true)]);
  const change = phoneRegistry.change(
    () => {
      approved = false;
      return Promise.reject(unavailable());
    },
    () => undefined,
  );
  await expect(change).rejects.toMatchObject({ code: 'store-unavailable' });
  expect(phoneRegistry.snapshot.phones).toBeUndefined();
  await phoneRegistry.load();
  expect(phoneRegistry.snapshot.phones).toEqual([phone(false)]);
});

it('does not overwrite a change by a read that began before it', async () => {
  const answers: ((phones: PhoneRecord[]) => void)[] = [];
  const phoneRegistry = new PhoneRegistry(
    'home',
    storeOf(() => new Promise((resolve) => answers.push(resolve))),
    { online: [] },
  );
  const loaded = phoneRegistry.load();
  await expect.poll(() => answers.length).toBe(1);
  await phoneRegistry.change(
    async () => phone(false),
    (changed) => phoneRegistry.update(changed),
  );
  answers[0]?.([phone(true)]);
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.([phone(false)]);
  await loaded;
  expect(phoneRegistry.phones).toMatchObject([{ approved: false }]);
});

it('makes changes one after the other', async () => {
  const phoneRegistry = new PhoneRegistry(
    'home',
    storeOf(async () => [phone(true)]),
    { online: [] },
  );
  const first = Promise.withResolvers<PhoneRecord[]>();
  const begun: string[] = [];
  const changes = [
    phoneRegistry.change(
      () => {
        begun.push('first');
        return first.promise;
      },
      (phones) => phoneRegistry.keep(phones),
    ),
    phoneRegistry.change(
      async () => {
        begun.push('second');
        return phone(false);
      },
      (changed) => phoneRegistry.update(changed),
    ),
  ];
  await expect.poll(() => begun.length).toBeGreaterThan(0);
  expect(begun).toEqual(['first']);
  first.resolve([phone(true)]);
  await Promise.all(changes);
  expect(phoneRegistry.approvedUdns).toEqual([]);
});
