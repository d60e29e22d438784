// What an attempt commits, and how soon it must be on the disk.
import { expect, it } from 'vitest';
import { SendAttempts } from '../../../../cloud/hub/delivery/attempt.ts';
import { AvailablePhones } from '../../../../cloud/hub/delivery/phone-choice.ts';
import type { PhoneRecord } from '../../../../cloud/store/phone-store.ts';
import { GatewayError } from '../../../../protocol/errors.ts';
import { messageId, send } from '../../../contract/messages.ts';
import { HubHarness } from '../hub-harness.ts';

const phone: PhoneRecord = {
  id: 'p_1',
  udn: 'uuid:1',
  name: 'Phone',
  deviceType: 'urn:phone',
  approved: true,
  address: '10.0.0.2:80',
  epoch: 0,
};

it('has only what the agent can tell again share a later flush', async () => {
  const bench = new HubHarness();
  await bench.start();
  const { store } = bench;
  const faults = new Map([
    [messageId(2), new GatewayError('phone-refused', 'no', { refusal: { upnpCode: 703, upnpDescription: 'no' } })],
    [messageId(3), new GatewayError('outcome-unknown', 'nobody knows')],
    [messageId(4), new GatewayError('outcome-pending', 'the agent looks')],
  ]);
  const committed: [to: string, durability: string][] = [];
  const home = {
    commit: (writes, durability = 'now') => {
      for (const write of writes) if (write.type === 'send.move') committed.push([write.to, durability]);
      return store.commit('home', writes, durability);
    },
    phoneFor: () => phone,
    call: async ({ key = '' }) => {
      const fault = faults.get(key);
      if (fault !== undefined) throw fault;
      return { arguments: { MessageID: 'phone-1' } };
    },
    awaySinceMs: () => undefined,
  } satisfies ConstructorParameters<typeof SendAttempts>[2];
  const attempts = new SendAttempts('home', bench.deps, home, new AvailablePhones(home.phoneFor));
  for (const id of [1, 2, 3, 4].map(messageId)) {
    const record = send(id);
    await store.commit('home', [{ type: 'send.create', message: record }]);
    await attempts.try({ record, wasUnderWay: false }, () => undefined);
  }
  expect(committed).toEqual([
    ['sending', 'now'],
    ['sent', 'soon'],
    ['sending', 'now'],
    ['failed', 'now'],
    ['sending', 'now'],
    ['unknown', 'now'],
    ['sending', 'now'],
    ['sending', 'now'],
  ]);
  await bench.stop();
});
