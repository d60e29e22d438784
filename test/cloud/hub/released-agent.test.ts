// An agent of 0.1.0 at this version's hub, by its recorded frames; and what 0.1.0 kept with its sockets.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SocketAttachment } from '../../../cloud/hub/link.ts';
import type { CloudFrame, FrameOf } from '../../../protocol/frames.ts';
import { presence } from '../../contract/messages.ts';
import { connection, framesOf } from '../../fixtures/wire/released-wire.ts';
import { HubHarness, LinkedAgent, settled, udn } from './hub-harness.ts';

let harness: HubHarness;
beforeEach(async () => {
  harness = new HubHarness();
  await harness.start();
});
afterEach(() => harness.stop());

/** Sends every frame that the released agent sent by itself on that connection. */
async function replay(number: 1 | 2): Promise<LinkedAgent> {
  const agent = harness.attach();
  const wire = connection(number);
  for (const { from, frame } of wire) {
    if (from === 'agent' && frame.type !== 'result') agent.tunnel?.receive(JSON.stringify(frame));
  }
  const seqs = framesOf('agent', 'events', wire).flatMap(({ events }) =>
    (events as { seq: number }[]).map((e) => e.seq),
  );
  await settled(() => agent.of('ack').at(-1)?.seq === seqs.at(-1));
  await settled(() => agent.of('approvals').length === framesOf('agent', 'phones', wire).length);
  return agent;
}

/** The released agent's result of a frame that its cloud sent. */
function recordedResult(type: string, isMeant: (frame: Record<string, unknown>) => boolean): Record<string, unknown> {
  const asked = framesOf('cloud', type).find(isMeant);
  const answer = framesOf('agent', 'result').find(({ id }) => id === asked?.id);
  return answer?.arguments as Record<string, unknown>;
}

describe('an agent of 0.1.0', () => {
  it('is understood: its phones are approved, its events stored, its inventory answered', async () => {
    const agent = await replay(1);
    expect(agent.of('error')).toEqual([]);
    expect(agent.of('term')).toEqual([]);
    const [phone] = await harness.store.phones.list('home');
    expect(phone).toMatchObject({ name: 'Scripted phone', approved: true });
    const { items } = await harness.store.messages.list('home', {}, { limit: 50 });
    expect(items.map(({ body }) => body).sort()).toEqual(['Dinner at 8?', 'Never stored', 'Or at 9?', 'We come']);
    const again = await replay(2);
    expect(again.of('inventory')[0]?.items).toHaveLength(4);
  });

  it('answers calls', async () => {
    const agent = await replay(1);
    const phone = (await harness.store.phones.list('home'))[0]?.id ?? '';
    const action = 'GetMessagingCapabilities';
    const call = harness.hub.call({ phone, action, form: 'model', arguments: {} });
    await settled(() => agent.of('call').length === 1);
    agent.answer(recordedResult('call', (frame) => frame.action === action));
    expect((await call).arguments).toMatchObject({ SupportedCapabilities: { classes: [{ messageClass: 'SMS' }] } });
  });

  it('is asked for its dead letters, by the count in its phones', async () => {
    const agent = await replay(1);
    expect((await harness.hub.status())?.deadLetters).toBe(0);
    const letters = harness.hub.deadLetters({ limit: 50 });
    await settled(() => agent.of('dead-letters').length === 1);
    const given = recordedResult('dead-letters', ({ request }) => (request as { do: string }).do === 'list');
    agent.says({ type: 'result', id: agent.of('dead-letters')[0]?.id ?? '', arguments: given });
    expect((await letters).items).toMatchObject([
      { id: 'd3', code: 'frame-malformed', message: { text: 'Never stored' } },
    ]);
  });
});

describe('an agent that names features', () => {
  it.each([
    ['neither the feature nor the count', undefined, {}],
    ['features, but not this one', ['ping', 'teleport'], {}],
  ])('is not asked for dead letters with %s', async (_, features, counts) => {
    const agent = harness.attach();
    agent.hello(1, 'boot', features);
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })], ...counts });
    await settled(() => agent.of('approvals').length === 1);
    await expect(harness.hub.deadLetters({ limit: 50 })).rejects.toMatchObject({ code: 'agent-outdated' });
    expect(agent.of('dead-letters')).toEqual([]);
  });

  it('is asked for dead letters by the feature alone', async () => {
    const agent = harness.attach();
    agent.hello(1, 'boot', ['dead-letters']);
    const letters = harness.hub.deadLetters({ limit: 50 });
    await settled(() => agent.of('dead-letters').length === 1);
    agent.says({ type: 'result', id: agent.of('dead-letters')[0]?.id ?? '', arguments: { items: [] } });
    expect(await letters).toEqual({ items: [], next: null });
  });
});

describe('an attachment of 0.1.0', () => {
  const earlier = {
    agent: { id: 't_agent', name: 'agent', version: 'homeline-agent/0.1.0' },
    mayApprove: true,
    bootId: 'boot',
    pings: true,
    ackedSeq: 4,
    online: [],
    deadLetters: 2,
  };

  it('says that the agent answers a ping and keeps dead letters', async () => {
    const agent = new LinkedAgent();
    agent.tunnel = harness.hub.resume(agent, earlier as SocketAttachment);
    expect(await harness.hub.status()).toMatchObject({ online: true, deadLetters: 2 });
    expect(agent.pings).toBe(1);
    const settling = harness.hub.settleDeadLetter('d3', 'discard');
    await settled(() => agent.of('dead-letters').length === 1);
    const [asked] = agent.of('dead-letters') as FrameOf<CloudFrame, 'dead-letters'>[];
    agent.says({ type: 'result', id: asked?.id ?? '', arguments: { outcome: 'discarded' } });
    expect(await settling).toEqual({ outcome: 'discarded' });
  });

  it('of an agent without either says neither', async () => {
    const { pings: _, deadLetters: __, ...bare } = earlier;
    const agent = new LinkedAgent();
    agent.tunnel = harness.hub.resume(agent, bare as SocketAttachment);
    expect(await harness.hub.status()).not.toHaveProperty('deadLetters');
    expect(agent.pings).toBe(0);
    await expect(harness.hub.deadLetters({ limit: 50 })).rejects.toMatchObject({ code: 'agent-outdated' });
  });
});
