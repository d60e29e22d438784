// The contract of Store: phones.
import { describe, expect, it } from 'vitest';
import type { Write } from '../../../cloud/store/store.ts';
import { limits } from '../../../protocol/limits.ts';
import { presence } from '../messages.ts';
import { home, type StoreUnderTest } from './store-under-test.ts';

export function phonesContract(at: StoreUnderTest): void {
  describe('phones', () => {
    it('gives a phone an id for ever, and keeps what the agent sees of it', async () => {
      const capabilities = { classes: [], sessionClasses: [], fileTransfer: true };
      await at.store.putPhones(home, [presence('uuid:1', { name: 'Hall', epoch: 3, capabilities })]);
      const [seen, second] = await at.store.putPhones(home, [
        presence('uuid:1', { name: 'Hall', epoch: 3 }),
        presence('uuid:2'),
      ]);
      expect(seen).toMatchObject({ id: at.phone.id, name: 'Hall', epoch: 3, capabilities });
      expect(await at.store.listPhones(home)).toEqual([seen, second]);
      expect(await at.store.getPhone(home, at.phone.id)).toEqual(seen);
      expect(await at.store.getPhone(home, 'p_none')).toBeUndefined();
    });

    it('approves a trusted phone when it is first seen, and later only by decision', async () => {
      expect(at.phone.approved).toBe(false);
      expect(
        await at.store.putPhones(home, [presence('uuid:1', { trusted: true }), presence('uuid:2', { trusted: true })]),
      ).toMatchObject([{ approved: false }, { approved: true }]);
      expect(await at.store.approvePhone(home, at.phone.id, true)).toMatchObject({ id: at.phone.id, approved: true });
      expect(await at.store.putPhones(home, [presence('uuid:1')])).toMatchObject([
        { approved: true },
        { approved: true },
      ]);
      expect(await at.store.approvePhone(home, 'p_none', true)).toBeUndefined();
    });

    it('keeps no more than an agent can show, but for those that somebody approved', async () => {
      const known = async () => (await at.store.listPhones(home)).map(({ udn }) => udn);
      const strangers = (from: number, trusted = false) =>
        Array.from({ length: limits.phones }, (_, n) => presence(`uuid:stranger-${from + n}`, { trusted }));
      await at.store.putPhones(home, [presence('uuid:absent')]);
      await at.store.approvePhone(home, at.phone.id, true);
      await at.store.putPhones(home, strangers(100));
      expect(await known()).toEqual(['uuid:1', ...strangers(100).map(({ udn }) => udn)]);
      expect(await at.store.putPhones(home, strangers(200))).toHaveLength(limits.phones + 1);
      expect(await known()).toEqual(['uuid:1', ...strangers(200).map(({ udn }) => udn)]);
      // An agent that trusts whatever it sees does not fill the home with what may never be forgotten.
      await at.store.putPhones(home, strangers(300, true));
      const [ours, ...trusted] = await at.store.putPhones(home, strangers(400, true));
      expect(ours).toMatchObject({ udn: 'uuid:1', approved: true });
      expect(trusted.filter(({ approved }) => approved)).toHaveLength(limits.phones - 1);
      expect(await at.store.putPhones(home, [])).toHaveLength(limits.phones);
    });

    it('tells that a phone came or went once, at the change', async () => {
      const status = (online: boolean): Write => ({ type: 'phone.status', phone: { ...at.phone, online } });
      expect(await at.commit(status(false))).toEqual([]);
      expect(await at.commit(status(true))).toMatchObject([
        { type: 'phone.online', data: { id: at.phone.id, online: true } },
      ]);
      expect(await at.commit(status(true))).toEqual([]);
      expect(await at.commit(status(false))).toMatchObject([{ type: 'phone.offline' }]);
      expect(await at.commit({ type: 'phone.status', phone: { ...at.phone, id: 'p_none', online: true } })).toEqual([]);
    });
  });
}
