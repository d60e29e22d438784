// The hub and an agent's frames: order, acknowledgement, refusal, replacement.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeCodes, type EdgeEvent, type EdgeFrame } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { messageId, presence } from '../../contract/messages.ts';
import { HubHarness, type LinkedAgent, put, settled, udn, unavailable } from './hub-harness.ts';

/** The grace period of HomeHub. */
const graceMs = 5_000;

let bench: HubHarness;
beforeEach(async () => {
  bench = new HubHarness();
  await bench.start();
});
afterEach(() => bench.stop());

describe('hello', () => {
  it('is welcomed before the store is touched', () => {
    const agent = bench.attach();
    bench.reads = 0;
    bench.commits = [];
    agent.hello();
    expect(agent.of('welcome')).toEqual([
      {
        type: 'welcome',
        protocol: 1,
        home: 'home',
        store: bench.store.id,
        time: '2026-11-22T12:00:00.000Z',
        heartbeatMs: 30_000,
        limits: { frameChars: 1_048_576, eventsInFlight: 64, callsInFlight: 256 },
        features: ['ping', 'dead-letters'],
      },
    ]);
    // The id of the store is known without a read.
    expect([bench.reads, bench.commits]).toEqual([0, []]);
  });

  it('must come first, once, and in a version that both speak', () => {
    const early = bench.attach();
    early.says({ type: 'phones', phones: [] });
    expect(early.closed?.code).toBe(closeCodes.protocolError);
    const twice = bench.attach();
    twice.hello();
    twice.hello();
    expect(twice.closed?.code).toBe(closeCodes.protocolError);
    const future = bench.attach();
    future.says({ type: 'hello', protocol: [7], software: 'x', bootId: 'b', firstSeq: 1 });
    expect(future.of('error')[0]?.code).toBe('protocol-unsupported');
    expect(future.closed?.code).toBe(closeCodes.protocolError);
  });
});

describe('invalid frames', () => {
  it.each([
    ['not JSON', '{', 'frame-malformed'],
    ['of an unknown type', '{"type":"dance"}', 'frame-unknown'],
    ['without a type', '{"id":1}', 'frame-malformed'],
    ['too large', `"${'x'.repeat(limits.frameChars)}"`, 'frame-too-large'],
    ['deeply nested', '['.repeat(100_000), 'frame-malformed'],
  ])('%s are answered, and the tunnel stays open', async (_, text, code) => {
    const { agent } = await bench.online();
    agent.tunnel?.receive(text);
    expect(agent.of('error').at(-1)?.code).toBe(code);
    agent.events([1, put(1)]);
    await settled(() => agent.of('ack').length === 1);
    expect(agent.closed).toBeUndefined();
  });

  it('never crash the hub, whatever they hold', async () => {
    const { agent } = await bench.online();
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        agent.tunnel?.receive(text);
      }),
    );
    agent.events([1, put(1)]);
    await settled(() => agent.of('ack').length === 1);
  });
});

describe('events', () => {
  it('are acknowledged after they are stored, then sent to watchers, in order', async () => {
    const { agent } = await bench.online();
    const watch = await bench.follow();
    agent.events([1, put(1)], [2, put(2)]);
    agent.events([3, put(3)]);
    await settled(() => agent.of('ack').length === 2);
    expect(agent.of('ack').map((frame) => frame.seq)).toEqual([2, 3]);
    await settled(() => watch.events.length === 3);
    expect(watch.events.map((event) => (event.data as { id: string }).id)).toEqual([1, 2, 3].map(messageId));
  });

  it('that are sent again are acknowledged again and stored once', async () => {
    const { agent } = await bench.online();
    agent.events([1, put(1)], [2, put(2)]);
    agent.events([1, put(1)], [2, put(2)]);
    agent.events([2, put(2)], [3, put(3)]);
    await settled(() => agent.of('ack').length === 3);
    expect(agent.of('ack').map((frame) => frame.seq)).toEqual([2, 2, 3]);
    expect((await bench.store.messages.list('home', {}, { limit: 10 })).items).toHaveLength(3);
  });

  it('that can never be stored are refused one by one', async () => {
    const { agent } = await bench.online();
    agent.events(
      [1, put(1)],
      [2, { type: 'message.put', udn }],
      [3, { ...put(3), udn: 'uuid:stranger' }],
      [
        4,
        { ...put(4), message: { ...(put(4) as { message: object }).message, body: 'x'.repeat(limits.bodyChars + 1) } },
      ],
      [5, put(5)],
    );
    await settled(() => agent.of('ack').length === 1);
    expect(agent.of('term').map(({ seq, code }) => [seq, code])).toEqual([
      [2, 'frame-malformed'],
      [3, 'phone-not-approved'],
      [4, 'frame-malformed'],
    ]);
    expect(agent.of('ack')[0]?.seq).toBe(5);
    expect((await bench.store.messages.list('home', {}, { limit: 10 })).items.map(({ id }) => id)).toEqual(
      [5, 1].map(messageId),
    );
  });

  it('wait while the store does not answer, and no later event is acknowledged before them', async () => {
    const { agent } = await bench.online();
    bench.fault = unavailable;
    agent.events([1, put(1)]);
    await settled(() => agent.of('nak').length === 1);
    expect(agent.of('nak')[0]).toMatchObject({ seq: 1, delayMs: 500 });
    bench.fault = undefined;
    agent.events([2, put(2)]);
    agent.events([1, put(1)], [2, put(2)]);
    await settled(() => agent.of('ack').length === 1);
    expect(agent.of('ack').map((frame) => frame.seq)).toEqual([2]);
    expect((await bench.store.messages.list('home', {}, { limit: 10 })).items).toHaveLength(2);
  });

  it('wait longer the longer the store is unavailable', async () => {
    const { agent } = await bench.online();
    bench.fault = unavailable;
    for (let round = 1; round <= 4; round++) {
      agent.events([1, put(1)]);
      await settled(() => agent.of('nak').length === round);
    }
    expect(agent.of('nak').map((frame) => frame.delayMs)).toEqual([500, 1000, 2000, 4000]);
  });

  it('do not hold each other up when the store cannot store one of them', async () => {
    const { agent } = await bench.online();
    bench.fault = (writes) =>
      writes.some((write) => write.type === 'message.put' && write.id === messageId(2))
        ? new Error('no room')
        : undefined;
    agent.events([1, put(1)], [2, put(2)], [3, put(3)]);
    await settled(() => agent.of('ack').length === 1);
    expect(agent.of('term').map(({ seq, code }) => [seq, code])).toEqual([[2, 'internal']]);
    expect(agent.of('ack')[0]?.seq).toBe(3);
    expect((await bench.store.messages.list('home', {}, { limit: 10 })).items).toHaveLength(2);
  });

  it('beyond the window end the tunnel instead of filling the memory', async () => {
    const { agent } = await bench.online();
    for (let seq = 1; seq <= 1000; seq++) agent.events([seq, put(seq)]);
    expect(agent.closed?.code).toBe(closeCodes.protocolError);
  });

  it('that are long wait at the agent, not in memory, while the store is unavailable', async () => {
    const { agent } = await bench.online();
    bench.fault = unavailable;
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true, name: 'Hall' })] });
    const long = { body: 'x'.repeat(limits.bodyChars) };
    for (let seq = 1; seq <= 15; seq++) agent.events([seq, put(seq, long)]);
    expect(agent.isPaused).toBe(false);
    agent.events([16, put(16, long)]);
    expect(agent.isPaused).toBe(true);
    await settled(() => bench.clock.waiting.size > 0);
    bench.fault = undefined;
    bench.clock.pass(500);
    await settled(() => agent.of('ack').at(-1)?.seq === 16);
    await settled(() => !agent.isPaused);
    expect((await bench.store.messages.list('home', {}, { limit: 20 })).items).toHaveLength(16);
  });

  it('are known as acknowledged after an eviction, by the socket’s attachment', async () => {
    const { agent, phone } = await bench.online();
    agent.events([1, put(1)]);
    await settled(() => agent.of('ack').length === 1);
    const attachment = agent.attachment;
    expect(attachment).toMatchObject({ bootId: 'boot', ackedSeq: 1, online: [phone] });
    if (attachment === undefined) throw new Error('nothing kept');
    await bench.revive(attachment);
    agent.tunnel = bench.hub.resume(agent, attachment);
    expect((await bench.hub.status())?.phones[0]?.online).toBe(true);
    agent.events([1, put(1)], [2, put(2)]);
    await settled(() => agent.of('ack').length === 2);
    const call = bench.hub.call({ phone, action: 'GetTelephonyIdentity', form: 'model', arguments: {} });
    await settled(() => agent.of('call').length === 1);
    agent.answer({ TelephonyIdentity: [] });
    expect((await call).arguments).toEqual({ TelephonyIdentity: [] });
  });
});

describe('an agent that answers for itself', () => {
  it('shows nothing about the connection to its phones', async () => {
    const { agent, phone } = await bench.online();
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })], deadLetters: 0 });
    await settled(() => agent.of('approvals').length === 2);
    const letters = bench.hub.deadLetters({ limit: 50 });
    await settled(() => agent.of('dead-letters').length === 1);
    agent.says({ type: 'result', id: agent.of('dead-letters')[0]?.id ?? '', arguments: { items: [] } });
    expect(await letters).toEqual({ items: [], next: null });
    expect((await bench.hub.status())?.flow?.toPhones).toBeNull();
    const call = bench.hub.call({ phone, action: 'GetTelephonyIdentity', form: 'model', arguments: {} });
    await settled(() => agent.of('call').length === 1);
    agent.answer({ TelephonyIdentity: [] });
    await call;
    expect((await bench.hub.status())?.flow?.toPhones).toBe(new Date(bench.clock.nowMs).toISOString());
  });
});

describe('watchers', () => {
  it('get an update of the home when a phone is approved or the number of dead letters changes', async () => {
    const { agent, phone } = await bench.online();
    const watch = await bench.follow();
    await bench.hub.approve(phone, true);
    await bench.hub.approve(phone, false);
    await settled(() => watch.events.length === 1);
    const phones = [presence(udn, { trusted: true })];
    for (const deadLetters of [0, 3, 3, 0]) agent.says({ type: 'phones', phones, deadLetters });
    await settled(() => agent.of('approvals').length === 6);
    await settled(() => watch.events.length === 3);
    expect(watch.types()).toEqual(['home.updated', 'home.updated', 'home.updated']);
    expect(watch.events[0]).toMatchObject({ data: { home: 'home' } });
  });
});

describe('one live tunnel a home', () => {
  it('replaces the one before without the home going offline', async () => {
    const { agent: old, phone } = await bench.online();
    const watch = await bench.follow();
    const waiting = bench.hub.call({ phone, action: 'GetSessions', form: 'text', arguments: {} });
    waiting.catch(() => undefined);
    await settled(() => old.of('call').length === 1);
    const next = bench.attach();
    next.hello();
    expect(old.closed?.code).toBe(closeCodes.replaced);
    await expect(waiting).rejects.toMatchObject({ code: 'tunnel-lost' });
    if (old.tunnel !== undefined) await bench.hub.detach(old.tunnel);
    expect((await bench.hub.status())?.online).toBe(true);
    await settled(() => bench.commits.length > 3);
    expect(watch.types()).toEqual([]);
  });

  it('makes home and phones offline when it closes, and online when it is back', async () => {
    const { agent } = await bench.online();
    const watch = await bench.follow();
    if (agent.tunnel !== undefined) await bench.hub.detach(agent.tunnel);
    expect((await bench.hub.status())?.online).toBe(false);
    bench.clock.pass(graceMs);
    await settled(() => watch.events.length === 2);
    expect(watch.types()).toEqual(['phone.offline', 'home.offline']);
    await bench.online();
    await settled(() => watch.events.length === 4);
    expect(watch.types().slice(2)).toEqual(['home.online', 'phone.online']);
  });

  it('that is back within the grace period was not offline, but a phone that is missing then is', async () => {
    const { agent } = await bench.online(presence(udn, { trusted: true }), presence('uuid:phone-2', { trusted: true }));
    const watch = await bench.follow();
    if (agent.tunnel !== undefined) await bench.hub.detach(agent.tunnel);
    const since = (await bench.hub.status())?.since;
    expect(since).toBe(new Date(bench.clock.nowMs).toISOString());
    bench.clock.pass(graceMs - 1);
    await bench.online(presence(udn, { trusted: true }));
    bench.clock.pass(graceMs);
    await settled(() => watch.events.length === 3);
    expect(watch.types().filter((type) => type !== 'home.updated')).toEqual(['phone.offline']);
    expect((await bench.hub.status())?.online).toBe(true);
  });

  it('tells watchers to read the home again if it was shown as offline within the grace period', async () => {
    const { agent } = await bench.online();
    const watch = await bench.follow();
    const leave = async (gone: LinkedAgent) => gone.tunnel && bench.hub.detach(gone.tunnel);
    await leave(agent);
    expect(await bench.hub.status()).toMatchObject({ online: false, phones: [{ online: false }] });
    const back = bench.attach();
    back.hello();
    await settled(() => watch.events.length === 1);
    // The phones are still missing, so a home that is read now changes once more.
    expect(await bench.hub.status()).toMatchObject({ online: true, phones: [{ online: false }] });
    back.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await settled(() => watch.events.length === 2);
    expect(watch.types()).toEqual(['home.updated', 'home.updated']);
    expect(await bench.hub.status()).toMatchObject({ online: true, phones: [{ online: true }] });
    await leave(back);
    // Nobody read the home, so nobody needs an event.
    const again = bench.attach();
    again.hello();
    again.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await settled(() => again.of('approvals').length === 1);
    await bench.hub.commit([]);
    expect(watch.events).toHaveLength(2);
  });

  it('tells watchers when the agent stops answering, and when it answers again', async () => {
    const agent = bench.attach();
    agent.hello(1, 'boot', ['ping']);
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await settled(async () => (await bench.hub.status())?.phones.some((phone) => phone.online) === true);
    await bench.hub.commit([]);
    const watch = await bench.follow();
    // The agent has just sent a frame.
    expect(agent.pings).toBe(0);
    bench.clock.pass(4_000);
    bench.hub.probeIfWatched();
    await bench.hub.status();
    expect(agent.pings).toBe(1);
    agent.tunnel?.receive('pong');
    bench.clock.pass(5_000);
    expect((await bench.hub.status())?.trouble).toBeUndefined();
    expect(agent.pings).toBe(2);
    bench.clock.pass(5_000);
    await settled(() => watch.events.length === 1);
    expect((await bench.hub.status())?.trouble).toMatchObject({
      code: 'agent-silent',
      detail: expect.stringContaining('The agent “agent” is connected but does not answer.'),
    });
    expect(agent.closed).toBeUndefined();
    agent.tunnel?.receive('pong');
    await settled(() => watch.events.length === 2);
    expect((await bench.hub.status())?.trouble).toBeUndefined();
    expect(watch.types()).toEqual(['home.updated', 'home.updated']);
    expect(agent.of('error')).toEqual([]);
  });

  it('does not ping an agent that cannot answer, and no agent while nobody watches', async () => {
    const { agent } = await bench.online();
    bench.clock.pass(60_000);
    await bench.hub.status();
    bench.hub.probeIfWatched();
    expect(agent.pings).toBe(0);
    const next = bench.attach();
    next.hello(1, 'boot', ['ping', 'something-of-tomorrow']);
    await settled(() => next.of('welcome').length === 1);
    bench.clock.pass(60_000);
    bench.hub.probeIfWatched();
    expect(next.pings).toBe(0);
    const watch = await bench.follow();
    bench.hub.probeIfWatched();
    expect(next.pings).toBe(1);
    watch.stop();
  });

  it('shows the trouble of a phone, tells watchers of it, and keeps it through hibernation', async () => {
    const trouble = { code: 'phone-silent', detail: 'The phone does not answer.' };
    const phones = (more: object): EdgeFrame => ({
      type: 'phones',
      phones: [presence(udn, { trusted: true, ...more })],
    });
    const { agent } = await bench.online();
    const watch = await bench.follow();
    const shown = async () => (await bench.hub.status())?.phones[0]?.trouble;
    agent.says(phones({ trouble }));
    await settled(() => watch.events.length === 1);
    expect(await shown()).toEqual(trouble);
    agent.says(phones({ trouble }));
    await bench.revive(agent.attachment);
    expect(await shown()).toEqual(trouble);
    const back = bench.attach();
    back.hello();
    back.says(phones({}));
    await settled(() => back.of('approvals').length === 1);
    expect(await shown()).toBeUndefined();
    await bench.hub.commit([]);
    expect(watch.types()).toEqual(['home.updated']);
  });

  it('is reported as offline later if the store does not answer at first', async () => {
    const { agent } = await bench.online();
    let refusals = 0;
    bench.fault = () => {
      refusals++;
      return unavailable();
    };
    if (agent.tunnel !== undefined) await bench.hub.detach(agent.tunnel);
    bench.clock.pass(graceMs);
    await settled(() => refusals === 1 && bench.clock.waiting.size > 0);
    bench.fault = undefined;
    // The host reports an unavailable store, once for all homes.
    expect(bench.logged).toEqual([]);
    bench.clock.pass(graceMs);
    await settled(async () => (await bench.store.homes.get('home'))?.online === false);
  });

  it('shows when data last passed in each direction', async () => {
    const { agent, phone } = await bench.online();
    const flow = async () => (await bench.hub.status())?.flow;
    expect(await flow()).toEqual({ fromPhones: null, toPhones: null });
    bench.clock.pass(1000);
    const fromPhones = new Date(bench.clock.nowMs).toISOString();
    agent.events([1, { type: 'phone.answered', udn, epoch: 0 }]);
    await settled(() => agent.of('ack').length === 1);
    expect(await flow()).toEqual({ fromPhones, toPhones: null });
    bench.clock.pass(1000);
    const toPhones = new Date(bench.clock.nowMs).toISOString();
    const called = bench.hub.call({ phone, action: 'GetSessions', form: 'text', arguments: {} });
    await settled(() => agent.of('call').length === 1);
    agent.answer({ SessionsList: '' });
    await called;
    if (agent.tunnel !== undefined) await bench.hub.detach(agent.tunnel);
    expect(await flow()).toEqual({ fromPhones, toPhones });
    expect(agent.attachment?.lastActivity).toEqual({
      fromPhonesMs: Date.parse(fromPhones),
      toPhonesMs: Date.parse(toPhones),
    });
  });

  it('probes the phones when only events have passed for a while', async () => {
    const { agent, phone } = await bench.online();
    const flow = async () => (await bench.hub.status())?.flow;
    const minute = 60_000;
    let seq = 0;
    const tell = async (event: EdgeEvent = { type: 'phone.answered', udn, epoch: 0 }) => {
      agent.events([++seq, event]);
      await settled(() => agent.of('ack').at(-1)?.seq === seq);
    };
    bench.clock.pass(3 * minute);
    await tell();
    expect(agent.of('call')).toEqual([]);
    bench.clock.pass(2 * minute);
    await tell(put(1));
    const [proof] = agent.of('call');
    expect(agent.of('call')).toMatchObject([{ udn, action: 'GetTelephonyIdentity', arguments: {} }]);
    // Not again for each event, whether or not the probe is answered.
    await tell();
    expect([agent.of('call').length, (await flow())?.toPhones]).toEqual([1, null]);
    // The hub keeps nothing of it in memory: the answer may arrive after an eviction.
    expect(bench.clock.waiting.size).toBe(0);
    agent.says({ type: 'result', id: proof?.id ?? '', arguments: { TelephonyIdentity: '' } });
    expect((await flow())?.toPhones).toBe(new Date(bench.clock.nowMs).toISOString());
    bench.clock.pass(5 * minute);
    const call = bench.hub.call({ phone, action: 'GetNewMessages', form: 'text', arguments: {} });
    await settled(() => agent.of('call').length === 2);
    agent.answer({ NewMessages: '' });
    await call;
    await tell();
    expect(agent.of('call')).toHaveLength(2);
  });

  it('reads nothing from the store for a probe answer, also right after a wake-up', async () => {
    const { agent, phone } = await bench.online();
    const { attachment } = agent;
    if (attachment === undefined) throw new Error('The hub kept no note.');
    bench.clock.pass(5 * 60_000);
    await bench.revive({ online: [phone] });
    agent.tunnel = bench.hub.resume(agent, attachment);
    bench.reads = 0;
    agent.events([1, { type: 'phone.answered', udn, epoch: 0 }]);
    await settled(() => agent.of('call').length === 1);
    expect(agent.of('ack').map((frame) => frame.seq)).toEqual([1]);
    expect(bench.reads).toBe(0);
  });

  it('is reported as offline by the hub that starts after a crash', async () => {
    await bench.online();
    expect((await bench.store.homes.get('home'))?.online).toBe(true);
    await bench.revive();
    bench.clock.pass(graceMs);
    await settled(async () => (await bench.store.homes.get('home'))?.online === false);
  });

  it('is drained when the cloud stops', async () => {
    const { agent } = await bench.online();
    await bench.hub.stop(60_000);
    expect(agent.of('drain')).toEqual([{ type: 'drain', spreadMs: 60_000 }]);
    expect(agent.closed?.code).toBe(1001);
    // The next cloud waits for the agent, and reports the home as offline only if it does not return.
    expect((await bench.store.homes.get('home'))?.online).toBe(true);
  });
});

describe('inventory', () => {
  it('answers the cloud’s messages of a phone in pages', async () => {
    const { agent } = await bench.online();
    agent.events([1, put(1)], [2, put(2)]);
    agent.says({ type: 'inventory', udn });
    await settled(() => agent.of('inventory').length === 1);
    expect(agent.of('inventory')[0]?.items).toEqual([
      { id: messageId(1), messageId: 'm-1', epoch: 0, fingerprint: 'f-1' },
      { id: messageId(2), messageId: 'm-2', epoch: 0, fingerprint: 'f-2' },
    ]);
    agent.says({ type: 'inventory', udn: 'uuid:unknown' });
    await settled(() => agent.of('inventory').length === 2);
    expect(agent.of('inventory')[1]).toEqual({ type: 'inventory', udn: 'uuid:unknown', items: [] });
  });

  it('makes smaller pages where long identifiers would exceed the frame', async () => {
    const { agent } = await bench.online();
    const count = 300;
    for (let from = 1; from <= count; from += 50) {
      agent.events(
        ...Array.from({ length: 50 }, (_, index): [number, unknown] => {
          const n = from + index;
          return [n, put(n, { messageId: `${n}-${'x'.repeat(limits.identifierChars - 8)}` })];
        }),
      );
    }
    await settled(() => agent.of('ack').some((frame) => frame.seq === count));
    const seen = new Set<string>();
    let after: string | undefined;
    do {
      const had = agent.of('inventory').length;
      agent.says({ type: 'inventory', udn, ...(after !== undefined && { after }) });
      await settled(() => agent.of('inventory').length > had);
      const page = agent.of('inventory').at(-1);
      for (const item of page?.items ?? []) seen.add(item.id);
      after = page?.next;
    } while (after !== undefined);
    expect(seen.size).toBe(count);
  });
});

describe('phones', () => {
  it('are approved once if they are trusted, and otherwise by people', async () => {
    const { agent } = await bench.online(presence(udn, { trusted: true }), presence('uuid:other'));
    expect(agent.of('approvals')[0]?.approved).toEqual([udn]);
    const other = (await bench.store.phones.list('home')).find((phone) => phone.udn === 'uuid:other');
    await bench.hub.approve(other?.id ?? '', true);
    expect(agent.of('approvals').at(-1)?.approved.sort()).toEqual(['uuid:other', udn].sort());
    expect(await bench.hub.approve('p_none', true)).toBeUndefined();
  });

  it('are named to the agent up to the cap of a frame, those that it sees first', async () => {
    const many = (from: number) =>
      Array.from({ length: limits.phones }, (_, n) => presence(`uuid:${from + n}`, { online: false }));
    const { agent } = await bench.online();
    for (const from of [100, 200]) {
      const known = await bench.store.phones.put('home', many(from));
      for (const { id } of known) await bench.store.phones.approve('home', id, true);
    }
    agent.says({ type: 'phones', phones: [presence(udn)] });
    await settled(() => agent.of('approvals').length > 1);
    const { approved } = agent.of('approvals').at(-1) ?? { approved: [] };
    expect(approved).toHaveLength(limits.phones);
    expect(approved.slice(-2)).toEqual([`uuid:${200 + limits.phones - 1}`, udn]);
  });

  it('wait for a store that does not answer', async () => {
    const agent = bench.attach();
    bench.fault = unavailable;
    agent.hello();
    agent.says({ type: 'phones', phones: [presence(udn, { trusted: true })] });
    await settled(() => bench.clock.waiting.size === 1);
    expect(agent.of('approvals')).toEqual([]);
    bench.fault = undefined;
    bench.clock.pass(500);
    await settled(() => agent.of('approvals').length === 1);
  });
});
