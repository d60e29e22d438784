// Sends: stored before they are tried, one at a time to the same people, never sent twice, never lost.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SendQueue } from '../../../cloud/hub/delivery/queue.ts';
import type { MessageRecord } from '../../../cloud/store/message-store.ts';
import { GatewayError } from '../../../protocol/errors.ts';
import { messageId, presence, send } from '../../contract/messages.ts';
import { HubHarness, type LinkedAgent, put, settled, udn, unavailable } from './hub-harness.ts';

let bench: HubHarness;
let agent: LinkedAgent;
let phone: string;
let n: number;
beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
  ({ agent, phone } = await bench.online());
  n = 0;
});
afterEach(() => bench.stop());

const draft = (more: Partial<MessageRecord> = {}) => send(messageId(++n), { phone, ...more });
const stored = (id: string) => bench.store.messages.get('home', id);
const called = (count: number) => settled(() => agent.of('call').length === count);

describe('a send', () => {
  it('goes out after the sends before it, even if the clock was set back between them', async () => {
    await bench.hub.detach(agent.tunnel ?? expect.fail('It has no tunnel.'));
    const first = draft({ id: messageId(9), body: 'first' });
    const second = draft({ id: messageId(8), body: 'second' });
    await bench.hub.send(first, 'queue');
    bench.clock.nowMs -= 3_600_000;
    await bench.hub.send(second, 'queue');
    await bench.revive();
    agent = bench.attach();
    agent.hello();
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await called(1);
    expect(agent.of('call')[0]?.key).toBe(first.id);
    agent.answer({ MessageID: 'x' });
    await called(2);
    expect(agent.of('call')[1]?.key).toBe(second.id);
    agent.answer({ MessageID: 'y' });
  });

  it('stored before under its id is answered from the store and not sent again', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    agent.answer({ MessageID: 'x' });
    await sent;
    expect((await bench.hub.send(record, 'queue')).message).toMatchObject({ state: 'sent', messageId: 'x' });
    expect(agent.of('call')).toHaveLength(1);
  });

  it('that went out before its answer was lost is answered to a repeated request while the home is offline', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'fail');
    await called(1);
    agent.answer({ MessageID: 'x' });
    await sent;
    await bench.hub.detach(agent.tunnel ?? expect.fail('It has no tunnel.'));
    expect((await bench.hub.send(record, 'fail')).message).toMatchObject({ state: 'sent', messageId: 'x' });
    await expect(bench.hub.send(draft(), 'fail')).rejects.toMatchObject({ code: 'home-offline' });
  });

  it('that the phone took while the store was away is no error, because a repeat would be another message', async () => {
    const record = draft({ body: 'text 1' });
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    bench.fault = unavailable;
    agent.answer({ MessageID: 'm-1' });
    const { message, error } = await sent;
    expect([message.id, error]).toEqual([record.id, undefined]);
    bench.fault = undefined;
    // The phone's own event settles the send before the hub asks again.
    agent.events([1, { ...put(1, { folder: 'Sent', from: { address: '' } }), id: record.id }]);
    await settled(async () => (await stored(record.id))?.state === 'sent');
    expect((await bench.hub.send(record, 'queue')).message).toMatchObject({ state: 'sent', messageId: 'm-1' });
  });

  it('is retried after the first back-off, even if many failed at once', async () => {
    for (let n = 0; n < 6; n++) {
      const sent = bench.hub.send(draft({ to: [{ address: `+${n}` }] }), 'queue');
      let answered = false;
      void sent.then(() => {
        answered = true;
      });
      await settled(() => {
        for (const { id } of agent.of('call')) {
          agent.says({ type: 'failure', id, code: 'store-unavailable', detail: 'The disk is full.' });
        }
        return answered;
      });
    }
    await new Promise((resolve) => setImmediate(resolve));
    const before = agent.of('call').length;
    bench.clock.pass(5_000);
    await called(before + 6);
  });

  it('says at once, while the home is offline, until when it is held', async () => {
    await bench.hub.detach(agent.tunnel ?? expect.fail('It has no tunnel.'));
    bench.clock.pass(60_000);
    const { message } = await bench.hub.send(draft({ deliverByMs: Date.UTC(2026, 10, 22, 18) }), 'queue');
    expect(message.stateReason).toBe(
      'The home is offline since 2026-11-22 12:00 UTC; the message is held until 2026-11-22 18:00 UTC.',
    );
    const patient = await bench.hub.send(draft(), 'queue');
    expect(patient.message.stateReason).toContain('the message is held until it is back.');
  });

  it('is stored as being sent before its frame leaves', async () => {
    const record = draft();
    let stateAtCall: string | undefined;
    const hear = agent.send.bind(agent);
    agent.send = (text) => {
      if (JSON.parse(text).type === 'call') stateAtCall = bench.commits.flat().at(-1)?.type;
      hear(text);
    };
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    expect(stateAtCall).toBe('send.move');
    expect((await stored(record.id))?.state).toBe('sending');
    agent.answer({ MessageID: 'x' });
    expect((await sent).message).toMatchObject({ state: 'sent', messageId: 'x' });
  });

  it('is refused whole when the store does not answer', async () => {
    bench.fault = unavailable;
    await expect(bench.hub.send(draft(), 'queue')).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(agent.of('call')).toEqual([]);
  });

  it('that the phone did not take waits and is retried with a growing back-off', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    agent.fail('phone-unreachable');
    expect((await sent).message).toMatchObject({ state: 'queued', stateReason: 'as the test says' });
    for (const [tries, waitMs] of [
      [2, 5_000],
      [3, 10_000],
      [4, 20_000],
    ] as const) {
      bench.clock.pass(waitMs - 1);
      expect(agent.of('call')).toHaveLength(tries - 1);
      bench.clock.pass(1);
      await called(tries);
      agent.fail('phone-unreachable');
      await settled(async () => (await stored(record.id))?.state === 'queued');
      await bench.hub.commit([]);
    }
    bench.clock.pass(40_000);
    await called(5);
    agent.answer({ MessageID: 'x' });
    await settled(async () => (await stored(record.id))?.state === 'sent');
    expect(new Set(agent.of('call').map((frame) => frame.key))).toEqual(new Set([record.id]));
  });

  it('that finds the phone full is held, and no other send asks that phone until the retry', async () => {
    const full = { upnpCode: 603, upnpDescription: 'Out of Memory' };
    const reason = 'The phone refused: 603 Out of Memory. The message is held and tried again.';
    const first = bench.hub.send(draft(), 'queue');
    await called(1);
    agent.fail('phone-refused', full);
    expect(await first).toMatchObject({ message: { state: 'queued', stateReason: reason } });
    expect((await first).error).toBeUndefined();
    const second = await bench.hub.send(draft({ to: [{ address: '+2' }] }), 'queue');
    expect(second.message).toMatchObject({ state: 'queued', stateReason: reason });
    await expect(bench.hub.send(draft({ to: [{ address: '+3' }] }), 'fail')).rejects.toMatchObject({
      code: 'phone-refused',
      refusal: full,
    });
    expect(agent.of('call')).toHaveLength(1);
    bench.clock.pass(5_000);
    await called(3);
    for (const { id, key } of agent.of('call').slice(1))
      agent.says({ type: 'result', id, arguments: { MessageID: key } });
    await settled(async () => (await stored(second.message.id))?.state === 'sent');
    const next = bench.hub.send(draft(), 'queue');
    await called(4);
    agent.answer({ MessageID: 'x' });
    expect((await next).message.state).toBe('sent');
  });

  it('with `fail` fails at once', async () => {
    const sent = bench.hub.send(draft(), 'fail');
    await called(1);
    agent.fail('phone-unreachable');
    expect(await sent).toMatchObject({ message: { state: 'failed' }, error: { code: 'phone-unreachable' } });
  });

  it('without an answer is asked for again under its key, and is unknown after its deadline', async () => {
    const record = draft({ deliverByMs: bench.clock.nowMs + 60_000 });
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    bench.clock.pass(31_000);
    expect((await sent).message.state).toBe('sending');
    bench.clock.pass(5_000);
    await called(2);
    expect(agent.of('call')[1]?.key).toBe(record.id);
    bench.clock.pass(25_000);
    expect((await stored(record.id))?.state).toBe('sending');
    bench.clock.pass(6_000);
    await settled(() => bench.clock.waiting.size > 0);
    bench.clock.pass(10_000);
    await settled(async () => (await stored(record.id))?.state === 'unknown');
  });

  it('whose outcome the agent cannot look up yet stays `sending`, says why, and is asked for when the phone is back', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    agent.fail('outcome-pending');
    expect(await sent).toEqual({
      message: expect.objectContaining({ state: 'sending', stateReason: 'as the test says' }),
    });
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true, online: false })] });
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await called(2);
    expect(agent.of('call')[1]?.key).toBe(record.id);
    agent.answer({ MessageID: 'x' });
    await settled(async () => (await stored(record.id))?.state === 'sent');
  });

  it('whose outcome is open does not count as untried if the phone goes away', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'fail');
    await called(1);
    agent.fail('outcome-pending');
    await sent;
    bench.clock.pass(5_000);
    await called(2);
    agent.fail('phone-offline');
    // Two timers: the deadline of the send and the next retry.
    await settled(() => bench.clock.waiting.size === 2);
    bench.clock.pass(10_000);
    await called(3);
    expect((await stored(record.id))?.state).toBe('sending');
    agent.fail('outcome-unknown');
    await settled(async () => (await stored(record.id))?.state === 'unknown');
  });

  it('without an outcome for six days is unknown, because the agent forgets its key after seven', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    agent.fail('outcome-pending');
    await sent;
    await bench.hub.detach(agent.tunnel ?? expect.fail('It has no tunnel.'));
    bench.clock.nowMs += 6 * 86_400_000 - 1;
    await bench.revive();
    expect((await stored(record.id))?.state).toBe('sending');
    bench.clock.pass(2);
    await settled(async () => (await stored(record.id))?.state === 'unknown');
  });

  it('that became unknown is sent once the phone lists it as sent', async () => {
    const record = draft();
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    agent.fail('outcome-unknown');
    expect((await sent).message.state).toBe('unknown');
    agent.events([1, { ...put(1, { folder: 'Sent', from: { address: '' } }), id: record.id }]);
    await settled(async () => (await stored(record.id))?.state === 'sent');
  });

  it('is tried when its phone comes back in the tick in which a read of the backlog ends', async () => {
    for (let turns = 0; turns < 10; turns++) {
      const record = draft({ to: [{ address: `+${turns}` }] });
      await bench.hub.commit([{ type: 'send.create', message: record }]);
      let isBack = false;
      let tries = 0;
      const comeBackAfter = (left: number): void => {
        if (left > 0) {
          queueMicrotask(() => comeBackAfter(left - 1));
          return;
        }
        isBack = true;
        sends.drain();
      };
      const sends = new SendQueue('home', bench.deps, {
        commit: (writes) => bench.hub.commit(writes),
        phoneFor: () => {
          if (isBack)
            return { id: phone, udn, name: '', deviceType: '', approved: true, address: '', epoch: 0 } as never;
          comeBackAfter(turns);
          throw new GatewayError('phone-offline', 'It is away.');
        },
        call: async () => {
          tries++;
          return { arguments: { MessageID: `x-${turns}` } } as never;
        },
        awaySinceMs: () => undefined,
      });
      sends.drain();
      await settled(() => tries === 1);
      sends.stop();
    }
  });

  it('is settled by the phone’s own event when its answer was lost', async () => {
    const record = draft();
    void bench.hub.send(record, 'queue');
    await called(1);
    agent.events([
      1,
      {
        type: 'message.put',
        udn,
        epoch: 0,
        id: record.id,
        message: { ...send(record.id), messageId: 'm-9', folder: 'Sent', subject: undefined, sessionId: undefined },
        fingerprint: 'f',
      },
    ]);
    await settled(async () => (await stored(record.id))?.state === 'sent');
    bench.clock.pass(31_000);
    bench.clock.pass(5_000);
    await bench.hub.commit([]);
    expect(agent.of('call')).toHaveLength(1);
    expect(await stored(record.id)).toMatchObject({ messageId: 'm-9', state: 'sent' });
  });

  it('without a phone goes out by the only phone of the home', async () => {
    const sent = bench.hub.send(draft({ phone: null }), 'queue');
    await called(1);
    agent.answer({ MessageID: 'x' });
    expect((await sent).message.phone).toBe(phone);
  });

  it('without a phone is refused if several could be meant, unless it was stored before', async () => {
    const record = draft({ phone: null });
    const sent = bench.hub.send(record, 'queue');
    await called(1);
    const phones = [udn, 'uuid:phone-2'].map((each) => presence(each, { trusted: true }));
    agent.says({ type: 'phones', phones });
    await settled(() => agent.of('approvals').length === 2);
    expect((await bench.hub.send(record, 'queue')).message).toMatchObject({ id: record.id, phone, state: 'sending' });
    const other = draft({ phone: null });
    await expect(bench.hub.send(other, 'queue')).rejects.toMatchObject({ code: 'invalid-request' });
    expect(await stored(other.id)).toBeUndefined();
    agent.answer({ MessageID: 'x' });
    expect((await sent).message.state).toBe('sent');
    expect(agent.of('call')).toHaveLength(1);
  });

  it('fails when its session is gone', async () => {
    const gone = await bench.hub.send(draft({ sessionId: 's_gone' }), 'queue');
    expect(gone).toMatchObject({ message: { state: 'failed' }, error: { code: 'invalid-request' } });
    expect(agent.of('call')).toEqual([]);
  });
});

describe('order', () => {
  it('holds back later sends to the same people while an earlier one waits', async () => {
    const first = bench.hub.send(draft(), 'queue');
    const second = bench.hub.send(draft(), 'queue');
    await called(1);
    agent.fail('phone-unreachable');
    expect((await first).message.state).toBe('queued');
    expect((await second).message.state).toBe('queued');
    // A third send to the same people has the first retried at once.
    const third = bench.hub.send(draft(), 'queue');
    for (const count of [2, 3, 4]) {
      await called(count);
      agent.answer({ MessageID: `sent-${count}` });
    }
    await third;
    expect(agent.of('call').map((frame) => frame.key)).toEqual([1, 1, 2, 3].map(messageId));
  });

  it('is kept for each circle of recipients, with one attempt at a time, each send exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ to: fc.constantFrom('+1', '+2', '+3'), refused: fc.boolean() }), { maxLength: 12 }),
        async (plan) => {
          const from = agent.frames.length;
          const open = new Map<string, string>();
          const order = new Map<string, string[]>();
          const hearing = hearCalls(agent, (frame) => {
            const to = frame.arguments.MessageToSend.to[0]?.address ?? '';
            expect(open.has(to)).toBe(false);
            open.set(to, frame.id);
            order.set(to, [...(order.get(to) ?? []), frame.key]);
            setImmediate(() => {
              open.delete(to);
              const refused = plan.find((_, index) => keys[index] === frame.key)?.refused;
              if (refused) agent.says({ type: 'failure', id: frame.id, code: 'phone-refused', detail: 'no' });
              else agent.says({ type: 'result', id: frame.id, arguments: { MessageID: frame.key } });
            });
          });
          const records = plan.map(({ to }) => draft({ to: [{ address: to }] }));
          const keys = records.map((record) => record.id);
          const outcomes = await Promise.all(records.map((record) => bench.hub.send(record, 'queue')));
          hearing.stop();
          expect(outcomes.map(({ message }) => message.state)).toEqual(
            plan.map(({ refused }) => (refused ? 'failed' : 'sent')),
          );
          for (const [to, seen] of order) {
            expect(seen).toEqual(records.filter((record) => record.to[0]?.address === to).map(({ id }) => id));
          }
          expect(agent.frames.slice(from).filter((frame) => frame.type === 'call')).toHaveLength(plan.length);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a hub that comes back', () => {
  it('tries what waited and what was under way, oldest first', async () => {
    const waiting = draft();
    void bench.hub.send(waiting, 'queue');
    await called(1);
    const queued = draft();
    void bench.hub.send(queued, 'queue');
    await settled(async () => (await stored(queued.id)) !== undefined);
    await bench.revive();
    agent = bench.attach();
    agent.hello();
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    for (const count of [1, 2]) {
      await called(count);
      agent.answer({ MessageID: `sent-${count}` });
    }
    await settled(async () => (await stored(queued.id))?.state === 'sent');
    expect(agent.of('call').map((frame) => frame.key)).toEqual([waiting.id, queued.id]);
  });

  it('gives up late sends: `failed` if never tried, `unknown` if tried', async () => {
    const deliverByMs = bench.clock.nowMs + 10_000;
    const tried = draft({ deliverByMs });
    void bench.hub.send(tried, 'queue');
    await called(1);
    const untried = draft({ deliverByMs });
    void bench.hub.send(untried, 'queue');
    await settled(async () => (await stored(untried.id)) !== undefined);
    bench.clock.nowMs += 20_000;
    await bench.revive();
    expect([(await stored(tried.id))?.state, (await stored(untried.id))?.state]).toEqual(['unknown', 'failed']);
  });

  it('does not call a late send untried whose attempt began while it gave up others', async () => {
    const late = [draft(), draft()].map((record) => ({ ...record, deliverByMs: bench.clock.nowMs - 1 }));
    await bench.hub.commit(late.map((message) => ({ type: 'send.create', message })));
    const [first, second] = late.map(({ id }) => id);
    const sends = new SendQueue('home', bench.deps, {
      commit: async (writes) => {
        if (writes.some((write) => write.type === 'send.move' && write.id === first)) {
          await bench.hub.commit([{ type: 'send.move', id: second ?? '', from: ['queued'], to: 'sending' }]);
        }
        return bench.hub.commit(writes);
      },
      phoneFor: () => expect.fail('Nothing late is tried.'),
      call: () => expect.fail('Nothing late is tried.'),
      awaySinceMs: () => undefined,
    });
    await sends.expire();
    sends.stop();
    expect([(await stored(first ?? ''))?.state, (await stored(second ?? ''))?.state]).toEqual(['failed', 'sending']);
  });
});

interface SendFrame {
  type: string;
  id: string;
  key: string;
  arguments: { MessageToSend: { to: { address: string }[] } };
}

/** Observes the calls that the hub sends to the agent. */
function hearCalls(linked: LinkedAgent, heard: (frame: SendFrame) => void) {
  const original = linked.send;
  linked.send = (text) => {
    original.call(linked, text);
    const frame: SendFrame = JSON.parse(text);
    if (frame.type === 'call') heard(frame);
  };
  return {
    stop: () => {
      linked.send = original;
    },
  };
}
