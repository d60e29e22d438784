// Each eventing header missing, empty, wrong and duplicated, at publisher and subscriber. Requirements H10, H11, E15, E16.
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GenaEvent, GenaSubscriber } from '../../../../edge-agent/upnp/eventing/gena.ts';
import { until, useLan } from '../../../fixtures/upnp/lan.ts';
import { httpAnswer } from '../../../fixtures/upnp/raw-device.ts';
import { exchangeRaw, type HostedLamp, hostLamp, statusOf } from '../hosting/lamp.ts';

type Spoil = 'absent' | 'empty' | 'wrong' | 'doubled';

const spoils: readonly Spoil[] = ['absent', 'empty', 'wrong', 'doubled'];

/** The header lines, one of them corrupted. */
function linesWith(headers: Readonly<Record<string, string>>, name: string, how: Spoil): string {
  const lines = Object.entries(headers).flatMap(([key, value]) => {
    if (key !== name) return [`${key}: ${value}`];
    if (how === 'absent') return [];
    if (how === 'empty') return [`${key}:`];
    return how === 'wrong' ? [`${key}: wrong`] : [`${key}: ${value}`, `${key}: ${value}`];
  });
  return lines.map((line) => `${line}\r\n`).join('');
}

describe('SUBSCRIBE', () => {
  let hosted: HostedLamp;
  beforeEach(async () => {
    hosted = await hostLamp();
  });
  afterEach(() => hosted.host.stop());

  const send = (lines: string, method = 'SUBSCRIBE') =>
    exchangeRaw(
      hosted.port,
      `${method} /power/event HTTP/1.1\r\nHost: 127.0.0.1:${hosted.port}\r\nConnection: close\r\n${lines}\r\n`,
    ).then(statusOf);
  const good = { CALLBACK: '<http://127.0.0.1:9/>', NT: 'upnp:event', TIMEOUT: 'Second-1800' };

  const expected: Record<string, Record<Spoil, number>> = {
    CALLBACK: { absent: 412, empty: 412, wrong: 412, doubled: 200 },
    NT: { absent: 412, empty: 412, wrong: 412, doubled: 412 },
    // The publisher decides the duration, so a bad TIMEOUT is ignored.
    TIMEOUT: { absent: 200, empty: 200, wrong: 200, doubled: 200 },
  };
  const cases = Object.keys(good).flatMap((name) => spoils.map((how) => [name, how] as const));

  it.each(cases)('with %s %s gets the prescribed status, and the next one is granted', async (name, how) => {
    expect(await send(linesWith(good, name, how))).toBe(expected[name]?.[how]);
    expect(await send(linesWith(good, '', 'absent'))).toBe(200);
  });

  it.each(spoils)('with SID %s besides NT and CALLBACK is never a renewal', async (how) => {
    const status = await send(linesWith({ ...good, SID: 'uuid:1' }, 'SID', how));
    expect(status).toBe(how === 'absent' ? 200 : 400);
  });

  it.each(spoils)('and UNSUBSCRIBE with SID %s are refused', async (how) => {
    const status = await send(linesWith({ SID: 'uuid:unknown' }, 'SID', how));
    expect(status).toBe(412);
    expect(await send(linesWith({ SID: 'uuid:unknown' }, 'SID', how), 'UNSUBSCRIBE')).toBe(412);
  });

  it('sent ten thousand times leaves memory bounded and the device serving', async () => {
    for (let batch = 0; batch < 100; batch++) {
      const answers = Array.from({ length: 100 }, async (_, at) => {
        const headers = { ...good, CALLBACK: `<http://127.0.0.1:9/${batch}-${at}>` };
        return (await fetch(hosted.url('/power/event'), { method: 'SUBSCRIBE', headers })).status;
      });
      for (const status of await Promise.all(answers)) expect([200, 503]).toContain(status);
    }
    expect((await fetch(hosted.url('/device.xml'))).status).toBe(200);
  }, 60_000);
});

describe('NOTIFY', () => {
  const lan = useLan();
  let subscriber: GenaSubscriber;
  let events: GenaEvent[];
  let callback: URL;
  beforeEach(async () => {
    events = [];
    const device = await lan.device(() => httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-1800' }));
    subscriber = new GenaSubscriber(lan.network);
    await subscriber.start();
    const take = { onEvent: (event: GenaEvent) => events.push(event), onGap() {}, onLapse() {} };
    await subscriber.subscribe({ eventSubUrl: device.url('/'), ...take });
    callback = new URL(/CALLBACK: <(.*)>/.exec(device.seen[0]?.head ?? '')?.[1] ?? '');
  });
  afterEach(() => subscriber.stop());

  const good = () => ({
    HOST: callback.host,
    NT: 'upnp:event',
    NTS: 'upnp:propchange',
    SID: 'uuid:s',
    SEQ: '0',
  });

  function send(lines: string): Promise<number> {
    return new Promise((resolve) => {
      const socket = connect(Number(callback.port), callback.hostname);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        socket.destroy();
        resolve(statusOf(chunk.toString('latin1')));
      });
      socket.write(`NOTIFY ${callback.pathname} HTTP/1.1\r\n${lines}CONTENT-LENGTH: 0\r\n\r\n`);
    });
  }

  const expected: Record<string, Record<Spoil, number>> = {
    HOST: { absent: 200, empty: 400, wrong: 400, doubled: 200 },
    NT: { absent: 400, empty: 400, wrong: 412, doubled: 412 },
    NTS: { absent: 400, empty: 400, wrong: 412, doubled: 412 },
    SID: { absent: 200, empty: 200, wrong: 412, doubled: 412 },
    SEQ: { absent: 200, empty: 200, wrong: 200, doubled: 200 },
  };
  const cases = Object.keys(expected).flatMap((name) => spoils.map((how) => [name, how] as const));

  it.each(cases)('with %s %s gets the prescribed status, and the next one is accepted', async (name, how) => {
    const status = await send(linesWith(good(), name, how));
    expect(status).toBe(expected[name]?.[how]);
    await until(() => events.length === (status === 200 ? 1 : 0));
    expect(await send(linesWith({ ...good(), SEQ: '1' }, '', 'absent'))).toBe(200);
    await until(() => events.length === (status === 200 ? 2 : 1));
  });

  it.each(['0', '00', '4294967295', '4294967296', '-1', '1e5', 'abc', '9'.repeat(400)])(
    'with SEQ %s does not affect later events',
    async (seq) => {
      expect(await send(linesWith({ ...good(), SEQ: seq }, '', 'absent'))).toBe(200);
      expect(await send(linesWith(good(), '', 'absent'))).toBe(200);
      expect(await send(linesWith({ ...good(), SEQ: '1' }, '', 'absent'))).toBe(200);
      await until(() => events.some((event) => event.seq === 1));
    },
  );
});
