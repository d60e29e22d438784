// Calls through the tunnel: answered once, by their deadline, and capped to what the agent takes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PhoneCall } from '../../../cloud/hub/hubs.ts';
import { limits } from '../../../protocol/limits.ts';
import { HubHarness, type LinkedAgent, settled } from './hub-harness.ts';

let bench: HubHarness;
let agent: LinkedAgent;
let phone: string;
beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
  ({ agent, phone } = await bench.online());
});
afterEach(() => bench.stop());

const search = (more: Partial<PhoneCall> = {}): PhoneCall => ({
  phone,
  action: 'GetSessionUpdates',
  form: 'text',
  arguments: {},
  ...more,
});

describe('a call', () => {
  it('is one frame, and its answer has the out-arguments alone', async () => {
    const call = bench.hub.call(search({ deadlineMs: 5_000, key: 'k' }));
    await settled(() => agent.of('call').length === 1);
    expect(agent.of('call')[0]).toMatchObject({ udn: 'uuid:phone-1', deadlineMs: 5_000, key: 'k', form: 'text' });
    agent.answer({ SessionUpdates: '<sessionUpdates/>', Extra: 'dropped' });
    expect(await call).toEqual({ arguments: { SessionUpdates: '<sessionUpdates/>' }, made: undefined });
    expect(bench.clock.waiting.size).toBe(0);
  });

  it('is cancelled at its deadline, and a late answer is ignored', async () => {
    const call = bench.hub.call(search({ deadlineMs: 1_000 }));
    call.catch(() => undefined);
    await settled(() => agent.of('call').length === 1);
    bench.clock.pass(2_000);
    await expect(call).rejects.toMatchObject({ code: 'deadline-exceeded' });
    expect(agent.of('cancel')).toEqual([{ type: 'cancel', id: agent.of('call')[0]?.id }]);
    agent.answer({ SessionUpdates: 'late' });
    agent.fail('phone-refused');
    expect(agent.closed).toBeUndefined();
  });

  it('that may not be repeated has an unknown outcome without an answer', async () => {
    const call = bench.hub.call(search({ action: 'StartFileTransfer', arguments: { FileInfoList: '' } }));
    call.catch(() => undefined);
    await settled(() => agent.of('call').length === 1);
    bench.clock.pass(60_000);
    await expect(call).rejects.toMatchObject({ code: 'outcome-unknown' });
  });

  it('is refused while too many are in flight, and accepted after one is answered', async () => {
    const calls = Array.from({ length: limits.callsInFlight }, () => bench.hub.call(search()));
    await settled(() => agent.of('call').length === limits.callsInFlight);
    await expect(bench.hub.call(search())).rejects.toMatchObject({ code: 'too-many-requests' });
    agent.answer({ SessionUpdates: '' });
    await Promise.any(calls);
    const next = bench.hub.call(search());
    await settled(() => agent.of('call').length === limits.callsInFlight + 1);
    const ids = agent.of('call').map((frame) => frame.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) agent.says({ type: 'result', id, arguments: { SessionUpdates: '' } });
    await Promise.all([...calls, next]);
  });

  it.each([
    ['no such phone', { phone: 'p_none' }, 'not-found'],
    ['arguments that no frame can hold', { arguments: { x: 'x'.repeat(limits.frameChars) } }, 'frame-too-large'],
  ])('is refused for %s', async (_, more, code) => {
    await expect(bench.hub.call(search(more))).rejects.toMatchObject({ code });
    expect(bench.clock.waiting.size).toBe(0);
  });

  it('has an id that no call from before an eviction had', async () => {
    bench.hub.call(search()).catch(() => undefined);
    await settled(() => agent.of('call').length === 1);
    const { attachment } = agent;
    if (attachment === undefined) throw new Error('nothing kept');
    bench.clock.nowMs++;
    await bench.revive(attachment);
    agent.tunnel = bench.hub.resume(agent, attachment);
    bench.hub.call(search()).catch(() => undefined);
    await settled(() => agent.of('call').length === 2);
    expect(agent.of('call')[0]?.id).not.toBe(agent.of('call')[1]?.id);
  });
});
