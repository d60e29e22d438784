// Dead letters, as REST tells of them and as the agent is asked: seen, sent again, forgotten.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CloudFrame, DeadLetterNote, FrameOf } from '../../../protocol/frames.ts';
import type { Phone } from '../../../protocol/model.ts';
import { presence } from '../../contract/messages.ts';
import { patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
const path = '/v1/homes/home/dead-letters';
const kitchen = presence('uuid:phone-1', { name: 'Kitchen', trusted: true });
let agent: ScriptedAgent;
let phone: Phone;

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());

const letter = (number: number, more: Partial<DeadLetterNote> = {}): DeadLetterNote => ({
  id: `d${number}`,
  udn: kitchen.udn,
  time: '2026-11-22T19:30:01.000Z',
  code: 'internal',
  reason: 'The store cannot hold this event.',
  event: 'message.put',
  message: {
    folder: 'Received',
    with: { address: '+390110001', displayName: 'Nonna' },
    text: 'Dinner at 8?',
    time: '2026-11-22T19:30:00.000Z',
  },
  ...more,
});

/** Makes a request and answers the frame that it leads to. */
async function through(method: string, at: string, answer: Record<string, unknown>) {
  const seen = agent.frames.length;
  const answered = cloud.request(method, at);
  const frame: FrameOf<CloudFrame, 'dead-letters'> = await agent.next('dead-letters', seen);
  agent.send({ type: 'result', id: frame.id, arguments: answer });
  return { request: frame.request, answer: await answered };
}

describe('the dead letters of an agent that cannot be asked for them', () => {
  it('are refused with words that say what to do, and the home tells no number', async () => {
    for (const [method, at] of [
      ['GET', path],
      ['POST', `${path}/d1/retry`],
      ['DELETE', `${path}/d1`],
    ] as const) {
      const { status, body } = await cloud.request(method, at);
      expect([status, body.code]).toEqual([501, 'agent-outdated']);
      expect(body.detail).toContain('update');
    }
    expect((await cloud.get('/v1/homes/home')).body).not.toHaveProperty('deadLetters');
    expect(agent.frames.some((frame) => frame.type === 'dead-letters')).toBe(false);
  });
});

describe('dead letters', () => {
  it('are counted with the home', async () => {
    agent.send({ type: 'phones', phones: [kitchen], deadLetters: 2 });
    await expect.poll(async () => (await cloud.get('/v1/homes/home')).body.deadLetters, patiently).toBe(2);
  });

  it('are listed page by page, under the phone that they are of', async () => {
    const { udn: _, ...first } = letter(43);
    const page = await through('GET', `${path}?limit=1`, { items: [letter(43)], next: 'd43' });
    expect(page.request).toEqual({ do: 'list', limit: 1 });
    expect(page.answer.body).toEqual({ items: [{ ...first, phone: phone.id }], next: 'd43' });
    const next = await through('GET', `${path}?limit=1&cursor=d43`, { items: [letter(12)] });
    expect(next.request).toEqual({ do: 'list', limit: 1, before: 'd43' });
    expect(next.answer.body).toMatchObject({ items: [{ id: 'd12' }], next: null });
  });

  it('of a phone that is not approved are not passed on, whatever the agent says', async () => {
    const stranger = letter(44, { udn: 'uuid:stranger' });
    const { answer } = await through('GET', path, { items: [stranger, letter(43)] });
    expect(answer.body.items.map(({ id }: { id: string }) => id)).toEqual(['d43']);
  });

  it.each([
    ['stored', { outcome: 'stored' }],
    ['refused again', { outcome: 'refused', code: 'internal', reason: 'The store cannot hold this event.' }],
    ['on their way', { outcome: 'waiting' }],
  ])('are sent again, and told to be %s', async (_, outcome) => {
    const { request, answer } = await through('POST', `${path}/d43/retry`, outcome);
    expect(request).toEqual({ do: 'retry', letter: 'd43' });
    expect([answer.status, answer.body]).toEqual([200, outcome]);
  });

  it('are forgotten when they are deleted', async () => {
    const { request, answer } = await through('DELETE', `${path}/d12`, { outcome: 'discarded' });
    expect(request).toEqual({ do: 'discard', letter: 'd12' });
    expect(answer.status).toBe(204);
  });

  it('that are no longer there are not found', async () => {
    for (const [method, at] of [
      ['POST', `${path}/d1/retry`],
      ['DELETE', `${path}/d1`],
    ] as const) {
      const { answer } = await through(method, at, { outcome: 'gone' });
      expect([answer.status, answer.body.code]).toEqual([404, 'not-found']);
    }
    expect((await cloud.post(`${path}/${'d'.repeat(65)}/retry`)).status).toBe(404);
  });

  it.each([
    ['nothing', {}],
    ['what is no letter', { items: [{ id: 7 }] }],
  ])('are not taken from an answer that holds %s', async (_, given) => {
    const { answer } = await through('GET', path, given);
    expect([answer.status, answer.body.code]).toEqual([502, 'phone-malformed']);
  });

  it('are told with the home while its agent is there', async () => {
    await agent.vanish();
    await expect.poll(async () => (await cloud.get('/v1/homes/home')).body.online, patiently).toBe(false);
    expect((await cloud.get('/v1/homes/home')).body).not.toHaveProperty('deadLetters');
    expect((await cloud.get(path)).body.code).toBe('home-offline');
  });
});
