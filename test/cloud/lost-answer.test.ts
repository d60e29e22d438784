// A send whose answer was lost on the way from the store: repeated under its Idempotency-Key, it is the same message.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Access } from '../../cloud/access/access.ts';
import { createApp } from '../../cloud/app.ts';
import type { Hubs } from '../../cloud/hub/hubs.ts';
import type { CloudApp } from '../../cloud/routes/route-kit.ts';
import { HubHarness, type LinkedAgent, settled, unavailable } from './hub/hub-harness.ts';

let bench: HubHarness;
let agent: LinkedAgent;
let app: CloudApp;
let authorization: string;
beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
  ({ agent } = await bench.online());
  const { store, clock, deadlines, log } = bench.deps;
  const access = new Access({ store, clock });
  const { token } = await access.issue('api', { account: 'a', home: 'home', name: 'test', scopes: ['*'] });
  authorization = `Bearer ${token}`;
  const hubs: Hubs = { home: () => bench.hub };
  app = createApp({
    ...{ store, hubs, access, clock, deadlines, log },
    serveAgent: () => Promise.reject(new Error('no agent')),
    isOurs: () => true,
    isSecure: () => true,
  });
});
afterEach(() => bench.stop());

function post(body: string): Promise<Response> {
  const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': 'key' };
  const draft = { messageClass: 'SMS', to: ['+1'], body };
  const request = { method: 'POST', headers, body: JSON.stringify(draft) };
  return Promise.resolve(app.request('http://cloud.example/v1/homes/home/messages', request, {}));
}

it('sends it once, and answers what came of it', async () => {
  bench.lost = (writes) => (writes.some(({ type }) => type === 'send.create') ? unavailable() : undefined);
  expect((await post('once')).status).toBe(503);
  bench.lost = undefined;
  expect((await post('another')).status).toBe(409);
  const answer = post('once');
  await settled(() => agent.of('call').length === 1);
  agent.answer({ MessageID: 'phone-1' });
  expect((await answer).status).toBe(201);
  // Whatever waits in the store goes out now.
  await bench.revive(agent.attachment);
  agent.tunnel = bench.hub.resume(agent, agent.attachment ?? expect.fail('The link keeps nothing.'));
  await bench.hub.start();
  await bench.hub.commit([]);
  const { items } = await bench.store.messages.list('home', {}, { limit: 9 });
  expect(items).toMatchObject([{ body: 'once', state: 'sent' }]);
  expect(agent.of('call')).toHaveLength(1);
});
