import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TunnelClient, type TunnelOptions } from '../../../edge-agent/tunnel/client.ts';
import { DialBackOff, dialTimes } from '../../../edge-agent/tunnel/dial-back-off.ts';
import { closeCodes, type EdgeFrame, type FrameOf } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { type CloudScript, ScriptedCloud } from '../../fixtures/tunnel/scripted-cloud.ts';
import { newFolder, openOutbox, sampleEvents, udn } from './sample-events.ts';

let folder: string;
let cloud: ScriptedCloud;
let client: TunnelClient;
let box: ReturnType<typeof openOutbox>;
let lines: string[];

const quick = { firstMs: 20, capMs: 60, stableMs: 60_000, replacedMs: 300, refusedMs: 60_000 };

async function open(script: Partial<CloudScript> = {}, options: Partial<TunnelOptions> = {}): Promise<void> {
  cloud = new ScriptedCloud(script);
  await cloud.start();
  client = new TunnelClient({
    url: cloud.url,
    token: cloud.token,
    software: 'test',
    outbox: box.outbox,
    onWelcome: () => client.send({ type: 'phones', phones: [] }),
    onFrame: () => {},
    onLost: () => {},
    report: (line) => lines.push(line),
    backOff: quick,
    ...options,
  });
  client.start();
}

beforeEach(() => {
  folder = newFolder();
  box = openOutbox(folder);
  lines = [];
});
afterEach(async () => {
  await client.stop();
  await cloud.stop();
  box.close();
  rmSync(folder, { recursive: true, force: true });
});

const frames = <Type extends EdgeFrame['type']>(type: Type) =>
  cloud.frames.filter((frame): frame is FrameOf<EdgeFrame, Type> => frame.type === type);
const sentSeqs = () => frames('events').flatMap((frame) => frame.events.map(({ seq }) => seq));

describe('the connection', () => {
  it('sends its token, and hello with the identity of its outbox', async () => {
    box.outbox.append(sampleEvents(2));
    await open();
    const hello = await cloud.until(() => frames('hello')[0]);
    expect(hello).toMatchObject({ protocol: [1], software: 'test', bootId: box.outbox.bootId, firstSeq: 1 });
    expect(cloud.authorizations).toEqual([`Bearer ${cloud.token}`]);
  });

  it('is made again after it was lost', async () => {
    await open();
    await cloud.until(() => frames('hello').length === 1);
    cloud.drop();
    await cloud.until(() => frames('hello').length === 2);
  });

  it('sends the exact heartbeat, and drops a cloud that does not answer it', async () => {
    await open({ heartbeatMs: 100, answerHeartbeat: false });
    await cloud.until(() => cloud.pings >= 2);
    await cloud.until(() => cloud.connections === 2);
    expect(lines.join()).toContain('fell silent');
  });

  it('stays with a cloud that answers its heartbeat', async () => {
    await open({ heartbeatMs: 100 });
    await cloud.until(() => cloud.pings >= 5);
    expect(cloud.connections).toBe(1);
  });

  it('waits when another agent of the home took over', async () => {
    await open();
    await cloud.until(() => frames('hello').length === 1);
    const closedAt = performance.now();
    cloud.close(closeCodes.replaced);
    await cloud.until(() => frames('hello').length === 2);
    // A lower bound, which a slow machine cannot break.
    expect(performance.now() - closedAt).toBeGreaterThanOrEqual(quick.replacedMs - 5);
  });

  it.each([401, 403])('says clearly that the token is refused with %i, and waits a minute or more', async (status) => {
    await open({ refuse: status });
    await cloud.until(() => lines.some((line) => line.includes('HOMELINE_AGENT_TOKEN')));
    expect(cloud.authorizations).toHaveLength(1);
    expect(lines).toEqual([expect.stringMatching(/Next try in 6\d s/)]);
    expect(lines.join()).not.toContain(cloud.token);
  });

  it('waits a minute or more after its token was revoked', async () => {
    await open();
    await cloud.until(() => frames('hello').length === 1);
    cloud.close(closeCodes.revoked);
    const line = await cloud.until(() => lines.find((each) => each.includes('revoked')));
    expect(line).toMatch(/Next try in 6\d s/);
    expect(cloud.connections).toBe(1);
  });

  it('waits a random part of the time that drain named', async () => {
    // Half of an hour, and not of the back-off's 60 ms.
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    await open();
    await cloud.until(() => frames('hello').length === 1);
    cloud.send({ type: 'drain', spreadMs: 3_600_000 });
    cloud.close(1012);
    const line = await cloud.until(() => lines.find((each) => each.includes('Next try')));
    vi.restoreAllMocks();
    expect(line).toContain('Next try in 1800 s');
    expect(cloud.connections).toBe(1);
  });

  it('waits at least as long as Retry-After says', async () => {
    await open({ refuse: 503, retryAfter: 100 });
    await cloud.until(() => lines[0]);
    expect(lines[0]).toMatch(/answered 503\. Next try in 100 s/);
  });

  it('reports the same trouble once, not at each try', async () => {
    await open({ refuse: 503 });
    await cloud.until(() => cloud.authorizations.length >= 4);
    expect(lines).toHaveLength(1);
  });

  it('stops while it dials, while it waits and when it is stopped already', async () => {
    await open({ refuse: 503 });
    await client.stop();
    client.start();
    await cloud.until(() => cloud.authorizations.length >= 2);
    await client.stop();
    await client.stop();
  });
});

describe('hostile frames', () => {
  it('are answered with an error, and the connection stays', async () => {
    const got: string[] = [];
    await open({}, { onFrame: (frame) => got.push(frame.type) });
    await cloud.until(() => frames('phones').length === 1);
    cloud.sendRaw('{');
    cloud.sendRaw('{"type":"call"}');
    cloud.sendRaw('{"type":"self-destruct"}');
    cloud.sendRaw('[]');
    cloud.sendRaw(new Uint8Array([1, 2, 3]));
    cloud.sendRaw(`{"type":"approvals","approved":["${'x'.repeat(limits.frameChars)}"]}`);
    cloud.sendRaw('{"type":"welcome"}');
    cloud.sendRaw('{"__proto__":{"type":"drain"}}');
    cloud.send({ type: 'cancel', id: 'after all that' });
    await cloud.until(() => got.includes('cancel'));
    await cloud.until(() => frames('error').length === 8);
    expect(frames('error').map((frame) => frame.code)).toEqual([
      'frame-malformed',
      'frame-malformed',
      'frame-unknown',
      'frame-malformed',
      'frame-malformed',
      'frame-too-large',
      'frame-malformed',
      'frame-malformed',
    ]);
    expect(cloud.connections).toBe(1);
  });

  it('are not answered when they are errors themselves, nor after 100 answers', async () => {
    await open();
    await cloud.until(() => frames('phones').length === 1);
    cloud.send({ type: 'error', code: 'frame-malformed', detail: 'x\u001b[2J' });
    for (let count = 0; count < 300; count++) cloud.sendRaw('{');
    await cloud.until(() => frames('error').length >= 100);
    cloud.close(1012);
    await cloud.until(() => frames('hello').length === 2);
    expect(frames('error')).toHaveLength(100);
    expect(lines.join()).not.toContain('\u001b');
  });

  it('far above the limit cost the connection, and the agent makes another', async () => {
    await open();
    await cloud.until(() => frames('hello').length === 1);
    cloud.sendRaw('x'.repeat(limits.frameChars * 3 + 10));
    await cloud.until(() => frames('hello').length === 2);
  });

  it('cannot acknowledge events that were not sent', async () => {
    await open({ eventsInFlight: 2, onEvents: () => {} });
    box.outbox.append(sampleEvents(4));
    await cloud.until(() => sentSeqs().length === 2);
    cloud.send({ type: 'ack', seq: 1000 });
    await cloud.until(() => sentSeqs().length === 4);
    expect(sentSeqs()).toEqual([1, 2, 3, 4]);
  });
});

describe('events', () => {
  it('are sent as soon as the outbox has them, in frames of bounded size', async () => {
    await open();
    await cloud.until(() => frames('phones').length === 1);
    box.outbox.append(sampleEvents(130));
    await cloud.until(() => cloud.events.length === 130);
    expect(sentSeqs()).toEqual(Array.from({ length: 130 }, (_, index) => index + 1));
    expect(Math.max(...frames('events').map((frame) => frame.events.length))).toBeLessThanOrEqual(
      limits.eventsPerFrame,
    );
  });

  it('wait for the window', async () => {
    await open({ eventsInFlight: 3, acknowledge: false });
    box.outbox.append(sampleEvents(10));
    await cloud.until(() => sentSeqs().length === 3);
    cloud.send({ type: 'ack', seq: 2 });
    await cloud.until(() => sentSeqs().length === 5);
    expect(sentSeqs()).toEqual([1, 2, 3, 4, 5]);
  });

  it('are not sent before the approvals', async () => {
    box.outbox.append(sampleEvents(1));
    await open({}, { onWelcome: () => {} });
    await cloud.until(() => frames('hello').length === 1);
    cloud.sendRaw('{');
    await cloud.until(() => frames('error').length === 1);
    expect(sentSeqs()).toEqual([]);
    cloud.send({ type: 'approvals', approved: [udn] });
    await cloud.until(() => sentSeqs().length === 1);
  });

  it('are sent again from the first that was not acknowledged when the acknowledgement was lost', async () => {
    await open({ acknowledge: false });
    box.outbox.append(sampleEvents(3));
    await cloud.until(() => sentSeqs().length === 3);
    cloud.send({ type: 'ack', seq: 1 });
    await cloud.until(() => box.outbox.firstSeq === 2);
    cloud.drop();
    await cloud.until(() => sentSeqs().length === 5);
    expect(sentSeqs()).toEqual([1, 2, 3, 2, 3]);
  });

  it('are sent again from a nak on, after its delay', async () => {
    let naks = 0;
    await open({
      onEvents: (frame, self) => {
        if (naks++ > 0) return self.store(frame);
        return self.send({ type: 'nak', seq: 2, delayMs: 30, reason: 'busy' });
      },
    });
    box.outbox.append(sampleEvents(3));
    await cloud.until(() => cloud.events.length === 2);
    expect(sentSeqs()).toEqual([1, 2, 3, 2, 3]);
  });

  it('that can never be stored become dead letters, and the others are sent', async () => {
    await open({
      onEvents: (frame, self) => {
        self.send({ type: 'term', seq: 2, code: 'invalid-request', reason: 'not valid' });
        self.store(frame);
      },
    });
    box.outbox.append(sampleEvents(3));
    await cloud.until(() => box.outbox.firstSeq === 4);
    expect(box.outbox.deadLetters.page({ limit: 9 }).items).toMatchObject([{ id: 'd2', code: 'invalid-request' }]);
  });

  it('that no frame can hold become dead letters, and the others are sent', async () => {
    await open();
    await cloud.until(() => frames('phones').length === 1);
    const [before, after] = sampleEvents(2);
    const huge = { ...before, id: 'x'.repeat(limits.frameChars) } as never;
    box.outbox.append([before as never, huge, after as never]);
    await cloud.until(() => sentSeqs().length === 2);
    expect(sentSeqs()).toEqual([1, 3]);
    expect(box.outbox.deadLetters.page({ limit: 9 }).items).toMatchObject([{ id: 'd2', code: 'frame-too-large' }]);
    expect(await box.outbox.retry('d2')).toMatchObject({ code: 'frame-too-large' });
    expect(box.outbox.deadLetters.page({ limit: 9 }).items).toMatchObject([{ id: 'd4', code: 'frame-too-large' }]);
  });

  it('that stay unacknowledged make it dial again', async () => {
    await open({ acknowledge: false }, { stallMs: 60 });
    box.outbox.append(sampleEvents(1));
    await cloud.until(() => cloud.connections === 2);
    expect(lines.join()).toContain('stopped acknowledging');
  });
});

describe('back-off', () => {
  it('tries within a second, spreads fully, and never waits longer than the cap', () => {
    const highest = new DialBackOff(dialTimes, () => 0.999999);
    const waits = Array.from({ length: 12 }, () => highest.nextMs());
    expect(waits[0]).toBeLessThanOrEqual(1000);
    expect(waits[3]).toBeGreaterThan(7000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
    const lowest = new DialBackOff(dialTimes, () => 0);
    expect(lowest.nextMs()).toBe(0);
    highest.forget();
    expect(highest.nextMs()).toBeLessThanOrEqual(1000);
  });

  it('after a put-off waits what was asked and a part on top, more each time, however long the cloud was away', () => {
    const highest = new DialBackOff(dialTimes, () => 0.999999);
    for (let failure = 0; failure < 12; failure++) highest.nextMs();
    expect(highest.putOffMs(7_000)).toBeCloseTo(8_000, 0);
    expect(highest.putOffMs(7_000)).toBeCloseTo(9_000, 0);
    for (let more = 0; more < 12; more++) highest.putOffMs(7_000);
    expect(highest.putOffMs(7_000)).toBeCloseTo(37_000, 0);
    highest.forget();
    expect(highest.putOffMs(7_000)).toBeCloseTo(8_000, 0);
    expect(new DialBackOff(dialTimes, () => 0).putOffMs(7_000)).toBe(7_000);
  });

  it('waits at least 30 s for a stable connection, and after another agent took over', () => {
    const lowest = new DialBackOff(dialTimes, () => 0);
    expect(lowest.stableMs()).toBe(30_000);
    expect(lowest.replacedMs()).toBe(30_000);
  });
});
