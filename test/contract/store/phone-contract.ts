// The contract of Store: phones.
import { describe, expect, it } from 'vitest';
import type { Write } from '../../../cloud/store/store.ts';
import type { PhonePresence } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { presence } from '../messages.ts';
import { home, type StoreUnderTest } from './store-under-test.ts';

export function phonesContract(at: StoreUnderTest): void {
  describe('phones', () => {
    it('gives a phone a permanent id, and stores the agent’s report of it', async () => {
      const capabilities = { classes: [], sessionClasses: [], fileTransfer: true };
      await at.store.phones.put(home, [presence('uuid:1', { name: 'Hall', epoch: 3, capabilities })]);
      const [seen, second] = await at.store.phones.put(home, [
        presence('uuid:1', { name: 'Hall', epoch: 3 }),
        presence('uuid:2'),
      ]);
      expect(seen).toMatchObject({ id: at.phone.id, name: 'Hall', epoch: 3, capabilities });
      expect(await at.store.phones.list(home)).toEqual([seen, second]);
    });

    it('approves a trusted phone when it is first seen, and later only by a person’s decision', async () => {
      expect(at.phone.approved).toBe(false);
      expect(
        await at.store.phones.put(home, [presence('uuid:1', { trusted: true }), presence('uuid:2', { trusted: true })]),
      ).toMatchObject([{ approved: false }, { approved: true }]);
      expect(await at.store.phones.approve(home, at.phone.id, true)).toMatchObject({ id: at.phone.id, approved: true });
      expect(await at.store.phones.put(home, [presence('uuid:1')])).toMatchObject([
        { approved: true },
        { approved: true },
      ]);
      expect(await at.store.phones.approve(home, 'p_none', true)).toBeUndefined();
    });

    it('asks about an approved phone with other evidence, and recognises the approved evidence', async () => {
      const as = (address: string, more: PhonePresence['evidence'] = {}) =>
        presence('uuid:1', { address: `${address}:80`, evidence: { address, digest: 'd1', ...more } });
      const see = async (seen: PhonePresence) => (await at.store.phones.put(home, [seen]))[0];
      await see(as('10.0.0.2'));
      await at.store.phones.approve(home, at.phone.id, true);
      expect(await see({ ...as('10.0.0.2'), address: '10.0.0.2:99' })).toMatchObject({ approved: true });
      const changed = { approved: false, changed: { from: '10.0.0.2', to: '10.0.0.66' } };
      expect(await see(as('10.0.0.66'))).toMatchObject(changed);
      expect(await at.store.phones.list(home)).toMatchObject([changed]);
      expect(await see(as('10.0.0.2', { digest: 'd2' }))).toMatchObject({ approved: false });
      const back = await see(as('10.0.0.2'));
      expect(back).toMatchObject({ approved: true });
      expect(back?.changed).toBeUndefined();
      await see(as('10.0.0.66'));
      const again = await at.store.phones.approve(home, at.phone.id, true);
      expect(again).toMatchObject({ approved: true });
      expect(again?.changed).toBeUndefined();
      expect(await see(as('10.0.0.66'))).toMatchObject({ approved: true });
      expect(await see(as('10.0.0.2'))).toMatchObject({ approved: false });
      // A refused phone stays refused at any address.
      await at.store.phones.approve(home, at.phone.id, false);
      expect(await see(as('10.0.0.66'))).toMatchObject({ approved: false });
    });

    it('approves the evidence that people were shown, and no later evidence', async () => {
      const see = async (address: string, digest: string) =>
        (await at.store.phones.put(home, [presence('uuid:1', { evidence: { address, digest } })]))[0]?.changed?.id;
      await see('10.0.0.2', 'd1');
      await at.store.phones.approve(home, at.phone.id, true);
      const shown = await see('10.0.0.66', 'd1');
      expect(await see('10.0.0.66', 'd1')).toBe(shown);
      const last = await see('10.0.0.66', 'd2');
      const late = at.store.phones.approve(home, at.phone.id, true, shown);
      await expect(late).rejects.toMatchObject({ code: 'conflict' });
      expect(await at.store.phones.list(home)).toMatchObject([{ approved: false, changed: { id: last } }]);
      expect(await at.store.phones.approve(home, at.phone.id, true, last)).toMatchObject({ approved: true });
      expect(await at.store.phones.approve(home, at.phone.id, true, last)).toMatchObject({ approved: true });
    });

    it('follows an approved phone that moves with its network card or its host name', async () => {
      const see = async (evidence: PhonePresence['evidence']) =>
        (await at.store.phones.put(home, [presence('uuid:1', { evidence })]))[0];
      await see({ address: '10.0.0.2', digest: 'd1', hardware: '02:00:00:00:00:01', host: 'kitchen.local' });
      await at.store.phones.approve(home, at.phone.id, true);
      const moved = { approved: true, moved: { from: '10.0.0.2', to: '10.0.0.9' } };
      expect(await see({ address: '10.0.0.9', digest: 'd1', hardware: '02:00:00:00:00:01' })).toMatchObject(moved);
      expect(await see({ address: '10.0.0.7', digest: 'd2', host: 'kitchen.local' })).toMatchObject({ approved: true });
      expect(await see({ address: '10.0.0.7', digest: 'd2', hardware: '02:00:00:00:00:66' })).toMatchObject({
        approved: false,
      });
    });

    it('uses the host of the address for an agent that reports no evidence', async () => {
      const see = async (address: string) => (await at.store.phones.put(home, [presence('uuid:1', { address })]))[0];
      await see('10.0.0.2:80');
      await at.store.phones.approve(home, at.phone.id, true);
      expect(await see('10.0.0.2:49200')).toMatchObject({ approved: true });
      expect(await see('10.0.0.3:80')).toMatchObject({ approved: false, changed: { to: '10.0.0.3' } });
    });

    it('caps the phones of a home, except for approved ones', async () => {
      const known = async () => (await at.store.phones.list(home)).map(({ udn }) => udn);
      const strangers = (from: number, trusted = false) =>
        Array.from({ length: limits.phones }, (_, n) => presence(`uuid:stranger-${from + n}`, { trusted }));
      await at.store.phones.put(home, [presence('uuid:absent')]);
      await at.store.phones.approve(home, at.phone.id, true);
      await at.store.phones.put(home, strangers(100));
      expect(await known()).toEqual(['uuid:1', ...strangers(100).map(({ udn }) => udn)]);
      expect(await at.store.phones.put(home, strangers(200))).toHaveLength(limits.phones + 1);
      expect(await known()).toEqual(['uuid:1', ...strangers(200).map(({ udn }) => udn)]);
      // An agent that trusts every phone must not fill the home with phones that are never deleted.
      await at.store.phones.put(home, strangers(300, true));
      const [ours, ...trusted] = await at.store.phones.put(home, strangers(400, true));
      expect(ours).toMatchObject({ udn: 'uuid:1', approved: true });
      expect(trusted.filter(({ approved }) => approved)).toHaveLength(limits.phones - 1);
      expect(await at.store.phones.put(home, [])).toHaveLength(limits.phones);
    });

    it('stores one event when a phone goes online or offline', async () => {
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
