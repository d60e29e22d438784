// The contract of Store: sends, from creation to their outcome.
import { describe, expect, it } from 'vitest';
import type { MessageRecord } from '../../../cloud/store/message-store.ts';
import { messageId, send } from '../messages.ts';
import { home, type StoreUnderTest } from './store-under-test.ts';

export function sendsContract(at: StoreUnderTest): void {
  describe('sends', () => {
    it('creates a send once', async () => {
      const create = { type: 'send.create', message: send(messageId(1)) } as const;
      expect(await at.commit(create)).toMatchObject([
        { type: 'send.updated', data: { id: messageId(1), state: 'queued' } },
      ]);
      expect(await at.commit({ ...create, message: send(messageId(1), { body: 'other' }) })).toEqual([]);
      expect(await at.store.messages.get(home, messageId(1))).toEqual(send(messageId(1)));
    });

    it('moves a send only from the named states', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1)) });
      const move = (from: MessageRecord['state'], to: MessageRecord['state'], more = {}) =>
        at.commit({ type: 'send.move', id: messageId(1), from: [from], to, ...more });
      expect(await move('sending', 'sent')).toEqual([]);
      expect(await move('queued', 'sending', { phone: at.phone.id })).toMatchObject([
        { data: { state: 'sending', phone: at.phone.id } },
      ]);
      expect(await move('sending', 'unknown', { reason: 'lost' })).toMatchObject([{ data: { stateReason: 'lost' } }]);
      const [sent] = await move('unknown', 'sent', { messageId: 'phone-7', epoch: 2 });
      expect(sent).toMatchObject({ data: { state: 'sent', folder: 'Sent', messageId: 'phone-7' } });
      expect(sent?.data).not.toHaveProperty('stateReason');
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ epoch: 2 });
    });

    it('keeps the order and the hops of a send, and publishes neither', async () => {
      const [created] = await at.commit({
        type: 'send.create',
        message: send(messageId(1), {
          sendSeq: 7,
          hops: [
            ['api', 1],
            ['store', 2],
          ],
        }),
      });
      const hops: [['phone', number, string]] = [['phone', 3, 'It took it.']];
      await at.commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'sending', hops });
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({
        sendSeq: 7,
        hops: [
          ['api', 1],
          ['store', 2],
          ['phone', 3, 'It took it.'],
        ],
      });
      const { items } = await at.store.messages.list(home, {}, { limit: 10 });
      for (const shown of [created?.data, ...items]) {
        expect(shown).not.toHaveProperty('sendSeq');
        expect(shown).not.toHaveProperty('hops');
      }
    });

    it('keeps the first and the latest of many hops', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1), { hops: [['api', 0]] }) });
      for (let n = 1; n <= 50; n++) {
        const [from, to] = n % 2 === 1 ? (['queued', 'sending'] as const) : (['sending', 'queued'] as const);
        await at.commit({ type: 'send.move', id: messageId(1), from: [from], to, hops: [['hub', n]] });
      }
      const times = (await at.store.messages.get(home, messageId(1)))?.hops?.map(([, timeMs]) => timeMs);
      expect(times).toEqual([0, 1, 2, 3, 4, 5, 6, 7, ...Array.from({ length: 24 }, (_, index) => 27 + index)]);
    });

    it('lets one of many concurrent moves of a send succeed', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1)) });
      const tries = await Promise.all(
        Array.from({ length: 20 }, () =>
          at.commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'sending' }),
        ),
      );
      expect(tries.filter((events) => events.length > 0)).toHaveLength(1);
    });

    it('finishes a send by the phone’s own folders, and never reverts it', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1)) });
      expect(await at.commit(at.put(messageId(1), { folder: 'Outgoing' }))).toMatchObject([
        { type: 'send.updated', data: { state: 'sending' } },
      ]);
      expect(await at.commit(at.put(messageId(1), { folder: 'Sent' }))).toMatchObject([
        { type: 'send.updated', data: { state: 'sent', time: send(messageId(1)).time } },
      ]);
      await at.commit(at.put(messageId(1), { folder: 'Outgoing' }));
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({ state: 'sent' });
    });

    it('does not take a failed send in the phone’s Outgoing folder for a second attempt', async () => {
      await at.commit({ type: 'send.create', message: send(messageId(1)) });
      await at.commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'failed', reason: 'refused' });
      await at.commit(at.put(messageId(1), { folder: 'Outgoing' }));
      expect(await at.store.messages.get(home, messageId(1))).toMatchObject({
        state: 'failed',
        stateReason: 'refused',
      });
      const [sent] = await at.commit(at.put(messageId(1), { folder: 'Sent' }));
      expect(sent).toMatchObject({ type: 'send.updated', data: { state: 'sent' } });
      expect(sent?.data).not.toHaveProperty('stateReason');
    });

    it('lists open sends oldest first, without those that a phone has taken', async () => {
      for (const n of [2, 1, 3, 4]) await at.commit({ type: 'send.create', message: send(messageId(n)) });
      await at.commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'sending' });
      await at.commit({ type: 'send.move', id: messageId(4), from: ['queued'], to: 'sending', messageId: 'phone-4' });
      await at.commit(at.put(messageId(5), { folder: 'Outgoing' }));
      const open = async (states: MessageRecord['state'][], limit = 10) =>
        (await at.store.messages.openSends(home, states, limit)).map((record) => record.id);
      expect(await open(['queued', 'sending'])).toEqual([1, 2, 3].map(messageId));
      expect(await open(['queued'], 1)).toEqual([messageId(2)]);
      expect(await open([])).toEqual([]);
    });
  });
}
