// The Node host when more agents dial in than it can take at once.
import type { IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Access } from '../../../cloud/access/access.ts';
import { createApp } from '../../../cloud/app.ts';
import { AdmissionControl } from '../../../cloud/hosts/admission-control.ts';
import { lineLog } from '../../../cloud/hosts/node-log.ts';
import { NodeMetrics } from '../../../cloud/hosts/node-metrics.ts';
import { NodeSockets } from '../../../cloud/hosts/node-sockets.ts';
import { LocalHubs } from '../../../cloud/hub/local-hubs.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import type { GatewayError } from '../../../protocol/errors.ts';

/** Admission control in which each handshake takes as long as the test says. */
class Door {
  nowMs = 0;
  readonly admission = new AdmissionControl(() => this.nowMs);
  readonly inside: (() => void)[] = [];
  /** The retry delays of refused agents, in their order. */
  readonly putOffMs: number[] = [];
  served = 0;

  /** Resolves in the next turn of the event loop. */
  async arrive(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const enter = () => new Promise<void>((leave) => this.inside.push(leave));
      this.admission.admit(enter).then(
        () => this.served++,
        (error: GatewayError) => this.putOffMs.push(error.retryAfterMs ?? Number.NaN),
      );
    }
    await nextTurn();
  }

  /** Ends the handshakes in progress, one after the other. */
  async serve(count: number, eachMs: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      this.nowMs += eachMs;
      this.inside.shift()?.();
      await nextTurn();
      await nextTurn();
    }
  }
}

describe('arrivals', () => {
  it('are let in a few at a time, in their order, and all of them', async () => {
    const admission = new AdmissionControl();
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        admission.admit(async () => {
          order.push(n);
          most = Math.max(most, ++inside);
          await nextTurn();
          inside--;
        }),
      ),
    );
    expect(order).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(most).toBe(16);
  });

  it('are let in one for every two connections, while each turn of the event loop brings one', async () => {
    const door = new Door();
    for (let n = 0; n < 8; n++) {
      door.admission.came();
      await door.arrive(1);
    }
    expect(door.inside).toHaveLength(4);
    await nextTurn();
    expect(door.inside).toHaveLength(8);
  });

  it('continue after one of them fails, and its error reaches its caller', async () => {
    const admission = new AdmissionControl();
    const failures = Array.from({ length: 20 }, (_, n) =>
      admission.admit(() => Promise.reject(new Error(`failure ${n}`))),
    );
    const outcomes = await Promise.allSettled([...failures, admission.admit(async () => undefined)]);
    expect(outcomes.map(({ status }) => status)).toEqual([...Array(20).fill('rejected'), 'fulfilled']);
  });

  it('that would wait too long are told to retry, each later than the one before', async () => {
    const door = await crowd(5_300);
    expect(door.putOffMs.length).toBeGreaterThan(200);
    expect(door.putOffMs).toEqual([...new Set(door.putOffMs)].sort((a, b) => a - b));
  });

  it('that were refused first return while others still wait, so that no capacity is idle', async () => {
    const door = await crowd(5_300);
    expect(door.putOffMs[0]).toBeGreaterThan(1_000);
    expect(door.putOffMs[0]).toBeLessThan(10_000);
  });

  it.each([
    { eachMs: 1, putOff: 0 },
    { eachMs: 50, putOff: 900 },
  ])('that take $eachMs ms each: of 900 more behind 800, $putOff are refused', async ({ eachMs, putOff }) => {
    const door = await crowd(900);
    await door.serve(100, eachMs);
    await door.arrive(900);
    expect(door.served).toBe(100);
    expect(door.putOffMs).toHaveLength(putOff);
  });

  it('that have waited too long, because handshakes became slower, are refused', async () => {
    const door = await crowd(100);
    door.nowMs += 9_000;
    await door.arrive(50);
    await door.serve(1, 2_000);
    expect(door.putOffMs).toHaveLength(84);
    await door.serve(65, 1);
    expect(door.served).toBe(66);
    expect(door.putOffMs).toHaveLength(84);
  });

  it('do not count the time in which others were examined as their own', async () => {
    const door = await crowd(400);
    for (let n = 0; n < 100; n++) {
      await door.arrive(3);
      await door.serve(1, 20);
    }
    expect(door.putOffMs).toEqual([]);
  });

  it('do not count one pause of the process as slowness', async () => {
    const door = await crowd(900);
    await door.serve(1, 5_000);
    await door.arrive(900);
    expect(door.putOffMs).toEqual([]);
  });

  it('are never told to wait more than two minutes, however many there are', async () => {
    expect((await crowd(130_000)).putOffMs.at(-1)).toBe(120_000);
  });

  it('are refused after the stop, also those that wait', async () => {
    const door = await crowd(20);
    door.admission.close();
    await door.arrive(1);
    expect(door.putOffMs).toHaveLength(5);
    await door.serve(16, 1);
    expect(door.served).toBe(16);
  });
});

async function crowd(count: number): Promise<Door> {
  const door = new Door();
  await door.arrive(count);
  return door;
}

it('does not serve an agent that hangs up or sends more while it waits', async () => {
  const asked: string[] = [];
  const { promise: atWork, resolve: finish } = Promise.withResolvers<Response>();
  const sockets = new NodeSockets((request) => {
    asked.push(new URL(request.url).pathname);
    return atWork;
  }, 30_000);
  const dial = (url: string) => {
    const [ours, theirs] = duplexPair();
    return { theirs, done: sockets.upgrade({ headers: {}, url } as IncomingMessage, ours, Buffer.of()) };
  };
  const crowd = Array.from({ length: 16 }, () => dial('/crowd'));
  const gone = dial('/gone');
  const patient = dial('/patient');
  const hasty = dial('/hasty');
  await nextTurn();
  gone.theirs.end();
  hasty.theirs.write('already');
  await nextTurn();
  finish(new Response(null, { status: 401 }));
  await Promise.all([...crowd, gone, patient, hasty].map(({ done }) => done));
  expect(asked.filter((path) => path !== '/crowd')).toEqual(['/patient']);
});

it('tells a refused agent when to retry, in a problem document', async () => {
  const store = new SqliteStore({ path: '/never-opened' });
  const log = lineLog('silent', () => undefined);
  const deadlines = { after: () => () => undefined };
  const app = createApp({
    store,
    hubs: new LocalHubs({ store, clock: Date, deadlines, log, observer: new NodeMetrics().observer, heartbeatMs: 1 }),
    access: new Access({ store, clock: Date }),
    clock: Date,
    deadlines,
    log,
    serveAgent: () => Promise.reject(new Error('Nobody gets as far as this.')),
    isOurs: () => false,
    isSecure: () => false,
  });
  const { promise: atWork } = Promise.withResolvers<Response>();
  const sockets = new NodeSockets(
    async (request, about) => (about.refusal ? app.fetch(request, about) : atWork),
    30_000,
  );
  const request = { headers: { host: 'localhost' }, url: '/v1/tunnel' } as IncomingMessage;
  const answers = Array.from({ length: 5_100 }, () => {
    const [ours, theirs] = duplexPair();
    void sockets.upgrade(request, ours, Buffer.of());
    return text(theirs);
  });
  const [head = '', body = ''] = ((await answers.at(-1)) ?? '').split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
  expect(head).toMatch(/\r\nretry-after: [5-9]\r\n/);
  expect(head).toContain('content-type: application/problem+json');
  expect(JSON.parse(body)).toMatchObject({ status: 503, code: 'overloaded', requestId: expect.stringMatching(/^r_/) });
});
