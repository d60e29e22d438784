// A hub that is rebuilt by an alarm, with a link that survived the eviction.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { presence, send } from '../../contract/messages.ts';
import { HubHarness, put, settled, udn } from './hub-harness.ts';

const bench = new HubHarness();
beforeAll(() => bench.start());
afterAll(() => bench.stop());

it('resumes sends that wait for a phone, under their keys', async () => {
  const { agent } = await bench.online();
  const record = send('m_00000000000000000000000007');
  const waiting = bench.hub.send(record, 'queue');
  await settled(() => agent.of('call').length === 1);
  agent.fail('phone-unreachable');
  expect((await waiting).message.state).toBe('queued');
  const attachment = agent.attachment ?? fail();
  await bench.revive(attachment);
  agent.tunnel = bench.hub.resume(agent, attachment);
  await bench.hub.start();
  await settled(() => agent.of('call').length === 2);
  expect(agent.of('call')[1]).toMatchObject({ action: 'SendMessage', key: record.id });
  agent.answer({ MessageID: 'phone-1' });
  await settled(async () => (await bench.store.messages.get('home', record.id))?.state === 'sent');
});

it('knows the phones and their approvals from the link, without a read of the store', async () => {
  const { agent, phone } = await bench.online();
  for (const approved of [false, true, false]) {
    await bench.hub.approve(phone, approved);
    const attachment = agent.attachment ?? fail();
    await bench.revive(attachment);
    const readsBefore = bench.reads;
    agent.tunnel = bench.hub.resume(agent, attachment);
    expect(bench.reads).toBe(readsBefore);
    const answered = agent.of('ack').length;
    agent.events([attachment.ackedSeq + 1, put(1)]);
    await settled(() => agent.of('ack').length > answered);
    expect(agent.of('term').filter(({ code }) => code === 'phone-not-approved').length > 0).toBe(!approved);
    agent.frames.length = 0;
    expect(bench.reads).toBe(readsBefore);
  }
});

it('reads the phones from the store if the eviction came during a change', async () => {
  const { agent, phone } = await bench.online();
  await bench.hub.approve(phone, true);
  bench.hub.approve(phone, false).catch(() => undefined);
  await settled(() => agent.attachment?.phones === undefined);
  const { attachment } = agent;
  await bench.revive(attachment);
  await settled(async () => (await bench.store.phones.list('home')).find(({ id }) => id === phone)?.approved === false);
  expect((await bench.hub.status())?.phones).toMatchObject([{ id: phone, approved: false }]);
});

it('reads the phones from the store if they are too many for the attachment', async () => {
  const many = Array.from({ length: 32 }, (_, n) => presence(`uuid:${n}`, { name: 'n'.repeat(200) }));
  const { agent } = await bench.online(presence(udn, { trusted: true }), ...many.slice(1));
  const { attachment } = agent;
  expect(JSON.stringify(attachment).length).toBeLessThan(4_000);
  await bench.revive(attachment);
  expect((await bench.hub.status())?.phones).toHaveLength(32);
});

function fail(): never {
  throw new Error('The link keeps nothing.');
}
