// The trace of a message in both directions, by REST.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Hop } from '../../protocol/model.ts';
import { Household } from './household.ts';

let household: Household;

beforeAll(async () => {
  household = await Household.open();
  await household.addPhone('Kitchen');
  await household.startAgent();
  await household.phoneOnline('Kitchen');
});
afterAll(() => household.close());

const traceOf = async (id: string): Promise<Hop[]> => (await household.home('GET', `/messages/${id}/trace`)).items;

it('follows a message out of the house’s phone and back', async () => {
  const { id } = await household.home('POST', '/messages', { messageClass: 'SMS', to: ['+390110001'], body: 'Hello' });
  const hops = await traceOf(id);
  expect(hops.map(({ hop }) => hop)).toEqual(['api', 'store', 'hub', 'agent', 'soap', 'phone', 'tunnel']);
  expect(hops.at(-1)?.reason).toBe('The phone took it.');
  const times = hops.map(({ time }) => time);
  expect(times).toEqual([...times].sort());
});

it('follows a message from the phone into the store', async () => {
  const [phone] = household.phones;
  const events = await household.events();
  await phone?.line.receive('+390110001', 'Dinner at 8?');
  const { data } = await events.next('message.received');
  const hops = await traceOf(data.id);
  expect(hops.map(({ hop }) => hop)).toEqual(['phone', 'notify', 'agent', 'tunnel']);
  expect(data).not.toHaveProperty('hops');
});

it('says why a send had to wait', async () => {
  const [phone] = household.phones;
  await household.stopAgent();
  const { id } = await household.home('POST', '/messages', { messageClass: 'SMS', to: ['+390110001'], body: 'Later' });
  expect((await traceOf(id)).map(({ hop }) => hop)).toEqual(['api', 'store']);
  await household.startAgent();
  await household.until('it went out', () => phone?.line.sent.some(({ body }) => body === 'Later'));
  await household.until('its way is told', async () => (await traceOf(id)).at(-1)?.reason === 'The phone took it.');
});

it('tells nothing of a message that is not there', async () => {
  expect((await household.api('GET', '/homes/home/messages/m_01KAPQ3Z5N0123456789ABCDEF/trace')).status).toBe(404);
});
