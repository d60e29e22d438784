// A hub that is woken by its alarm, with a link that outlived the hub before it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../../contract/messages.ts';
import { HubBench, settled } from './hub-bench.ts';

const bench = new HubBench();
beforeAll(() => bench.start());
afterAll(() => bench.stop());

it('goes on with sends that wait for a phone, under their keys', async () => {
  const { agent, phone } = await bench.online();
  const record = send('m_00000000000000000000000007');
  const waiting = bench.hub.send(record, 'queue');
  await settled(() => agent.of('call').length === 1);
  agent.fail('phone-unreachable');
  expect((await waiting).message.state).toBe('queued');
  const { attachment } = agent;
  if (attachment === undefined) throw new Error('The link keeps nothing.');

  await bench.revive([phone]);
  agent.tunnel = bench.hub.resume(agent, attachment);
  await bench.hub.start();
  await settled(() => agent.of('call').length === 2);
  expect(agent.of('call')[1]).toMatchObject({ action: 'SendMessage', key: record.id });
  agent.answer({ MessageID: 'phone-1' });
  await settled(async () => (await bench.store.getMessage('home', record.id))?.state === 'sent');
});
