// The publisher's side of eventing. Requirements H10–H14, Z6, Z7 (CallStranger).
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writePropertySet } from '../../../../edge-agent/upnp/hosting/gena-delivery.ts';
import { readSubscribe } from '../../../../edge-agent/upnp/hosting/subscribe-request.ts';
import { parseXml } from '../../../../edge-agent/upnp/xml/xml.ts';
import { startSubscriber, until } from '../../phone/phone-under-test.ts';
import { exchangeRaw, type HostedLamp, hostLamp, statusOf } from './lamp.ts';

let hosted: HostedLamp;
let stopping: (() => Promise<void>)[];
beforeEach(async () => {
  hosted = await hostLamp();
  stopping = [() => hosted.host.stop()];
});
afterEach(async () => {
  for (const stop of stopping) await stop();
});

async function subscriber(answer?: (seq: number) => number | 'silence') {
  const started = await startSubscriber(answer);
  stopping.push(() => started.stop());
  return started;
}

function ask(method: string, headers: Record<string, string>): Promise<Response> {
  return fetch(hosted.url('/power/event'), { method, headers });
}

const subscribe = (callback: string, more: Record<string, string> = {}) =>
  ask('SUBSCRIBE', { CALLBACK: callback, NT: 'upnp:event', ...more });
const change = (power: string) => {
  hosted.lamp.power = power;
  hosted.host.publish(hosted.lamp, ['Status']);
};

describe('a subscription', () => {
  it('is answered with SID and TIMEOUT, then gets every variable (H11, H12)', async () => {
    const listener = await subscriber();
    const answer = await subscribe(listener.callback, { TIMEOUT: 'Second-3600' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('sid')).toMatch(/^uuid:[0-9a-f-]{36}$/);
    expect(answer.headers.get('timeout')).toBe('Second-3600');
    expect(answer.headers.get('content-length')).toBe('0');
    expect(answer.headers.get('date')).not.toBeNull();
    const first = await listener.next(() => true);
    expect(first).toMatchObject({ seq: 0, sid: answer.headers.get('sid') });
    expect(first.headers).toMatchObject({
      nt: 'upnp:event',
      nts: 'upnp:propchange',
      'content-type': 'text/xml; charset="utf-8"',
    });
    expect([...first.variables]).toEqual([
      ['Status', 'off'],
      ['Level', '7'],
    ]);
  });

  it('has its own SEQ', async () => {
    const [one, two] = [await subscriber(), await subscriber()];
    await subscribe(one.callback);
    await one.next(({ seq }) => seq === 0);
    change('on');
    await one.next(({ seq }) => seq === 1);
    await subscribe(two.callback);
    await two.next(({ seq }) => seq === 0);
    change('off');
    expect((await one.next(({ seq }) => seq === 2)).variables.get('Status')).toBe('off');
    expect((await two.next(({ seq }) => seq === 1)).variables.get('Status')).toBe('off');
  });

  it('sends only the latest value to a slow subscriber', async () => {
    const slow = await subscriber();
    await subscribe(slow.callback);
    await slow.next(({ seq }) => seq === 0);
    for (let turn = 0; turn < 999; turn++) change(turn % 2 ? 'on' : 'off');
    change('on');
    const last = await slow.next(({ seq, variables }) => seq > 0 && variables.get('Status') === 'on');
    expect(last.seq).toBeLessThan(10);
  });

  it('can be renewed and cancelled', async () => {
    const listener = await subscriber();
    const sid = (await subscribe(listener.callback)).headers.get('sid') ?? '';
    const renewed = await ask('SUBSCRIBE', { SID: sid, TIMEOUT: 'Second-7200' });
    expect([renewed.status, renewed.headers.get('sid'), renewed.headers.get('timeout')]).toEqual([
      200,
      sid,
      'Second-7200',
    ]);
    expect((await ask('UNSUBSCRIBE', { SID: sid })).status).toBe(200);
    expect((await ask('UNSUBSCRIBE', { SID: sid })).status).toBe(412);
    expect((await ask('SUBSCRIBE', { SID: sid })).status).toBe(412);
  });

  it.each([
    ['nothing', undefined, 'Second-1800'],
    ['infinite', 'Second-infinite', 'Second-1800'],
    ['little', 'Second-1', 'Second-1800'],
    ['zero', 'Second-0', 'Second-1800'],
    ['a negative number', 'Second--1', 'Second-1800'],
    ['too much', 'Second-999999999', 'Second-86400'],
    ['a clock', 'Second-0:30:00', 'Second-1800'],
    ['small letters', 'second-2000', 'Second-2000'],
  ])('that requests %s is granted a valid duration', async (_, asked, granted) => {
    const listener = await subscriber();
    const answer = await subscribe(listener.callback, asked === undefined ? {} : { TIMEOUT: asked });
    expect(answer.headers.get('timeout')).toBe(granted);
  });

  it('replaces the receiver’s earlier subscription', async () => {
    const listener = await subscriber();
    const first = (await subscribe(listener.callback)).headers.get('sid') ?? '';
    await subscribe(listener.callback);
    expect((await ask('SUBSCRIBE', { SID: first })).status).toBe(412);
  });

  it('is dropped when its receiver answers 412', async () => {
    const listener = await subscriber((seq) => (seq === 0 ? 200 : 412));
    const sid = (await subscribe(listener.callback)).headers.get('sid') ?? '';
    await listener.next(({ seq }) => seq === 0);
    change('on');
    await listener.next(({ seq }) => seq === 1);
    await until(async () => (await ask('SUBSCRIBE', { SID: sid })).status === 412);
  });

  it('is dropped after exactly three failed events', async () => {
    const listener = await subscriber((seq) => (seq === 0 ? 200 : 500));
    const sid = (await subscribe(listener.callback)).headers.get('sid') ?? '';
    await listener.next(({ seq }) => seq === 0);
    for (const seq of [1, 2]) {
      change('on');
      await listener.next((event) => event.seq === seq);
    }
    expect((await ask('SUBSCRIBE', { SID: sid })).status).toBe(200);
    change('off');
    await listener.next((event) => event.seq === 3);
    await until(async () => (await ask('SUBSCRIBE', { SID: sid })).status === 412);
  });

  it('tries its delivery URLs in turn (H13)', async () => {
    const listener = await subscriber();
    await subscribe(`<http://127.0.0.1:9/none>${listener.callback}`);
    expect((await listener.next(() => true)).seq).toBe(0);
  });

  it('may name its URL without brackets (H14)', async () => {
    const listener = await subscriber();
    expect((await subscribe(listener.callback.slice(1, -1))).status).toBe(200);
    await listener.next(({ seq }) => seq === 0);
  });

  it('is refused over the cap (H24)', async () => {
    const listener = await subscriber();
    const url = listener.callback.slice(1, -1);
    const statuses: number[] = [];
    for (let number = 0; number < 40; number++) statuses.push((await subscribe(`<${url}/${number}>`)).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(32);
    expect(statuses.at(-1)).toBe(503);
  });

  it('of a receiver that never answers does not delay others', async () => {
    const [silent, lively] = [await subscriber(() => 'silence'), await subscriber()];
    await subscribe(silent.callback);
    await subscribe(lively.callback);
    await lively.next(({ seq }) => seq === 0);
    change('on');
    expect((await lively.next(({ seq }) => seq === 1)).variables.get('Status')).toBe('on');
  });
});

describe('an invalid request', () => {
  const nt = { NT: 'upnp:event' };
  const callback = { CALLBACK: '<http://127.0.0.1:1/>' };
  it.each([
    ['SID and NT', 'SUBSCRIBE', { SID: 'uuid:1', ...nt }, 400],
    ['SID and CALLBACK', 'SUBSCRIBE', { SID: 'uuid:1', ...callback }, 400],
    ['no NT', 'SUBSCRIBE', callback, 412],
    ['another NT', 'SUBSCRIBE', { ...callback, NT: 'upnp:propchange' }, 412],
    ['no CALLBACK', 'SUBSCRIBE', nt, 412],
    ['an unknown SID', 'SUBSCRIBE', { SID: 'uuid:1' }, 412],
    ['an empty SID', 'SUBSCRIBE', { SID: '' }, 412],
    ['no SID', 'UNSUBSCRIBE', {}, 412],
    ['SID and NT', 'UNSUBSCRIBE', { SID: 'uuid:1', ...nt }, 400],
    ['an unknown SID', 'UNSUBSCRIBE', { SID: 'uuid:1' }, 412],
  ] as [string, string, Record<string, string>, number][])(
    'with %s in %s is refused (H10)',
    async (_, method, headers, status) => {
      expect((await ask(method, headers)).status).toBe(status);
    },
  );
});

describe('a CALLBACK to another host (CallStranger, Z6)', () => {
  it.each([
    'http://192.0.2.9/',
    'http://8.8.8.8/',
    'http://127.0.0.2:80/',
    'http://localhost:80/',
    'http://evil.example/',
    'https://127.0.0.1/',
    'ftp://127.0.0.1/',
    'http://127.0.0.1@8.8.8.8/',
    'http://[::1]/',
    'http://127.0.0.1:0/',
    'http://127.0.0.1:99999/',
    '//127.0.0.1/',
    'javascript:1',
    '',
    'http://',
  ])('refuses %s', async (url) => {
    expect((await subscribe(`<${url}>`)).status).toBe(412);
    expect((await subscribe(`<http://127.0.0.1:1/><${url}>`)).status).toBe(412);
  });

  it('refuses the device itself (Z7)', async () => {
    expect((await subscribe(`<${hosted.url('/power/control')}>`)).status).toBe(412);
  });

  it('refuses a thousand URLs', async () => {
    expect((await subscribe('<http://127.0.0.1:1/>'.repeat(300))).status).toBe(412);
  });

  it('compares with the peer of the connection', () => {
    const headers = { nt: 'upnp:event', callback: '<http://192.0.2.9:80/>' };
    const isOurs = () => false;
    expect(readSubscribe(headers, { peer: '192.0.2.9', isOurs }).kind).toBe('new');
    expect(readSubscribe(headers, { peer: '::ffff:192.0.2.9', isOurs }).kind).toBe('new');
    expect(readSubscribe(headers, { peer: '192.0.2.8', isOurs }).kind).toBe('refused');
  });
});

it('drops subscribers that disconnect before their answer', async () => {
  const answer = await exchangeRaw(
    hosted.port,
    `SUBSCRIBE /power/event HTTP/1.1\r\nHost: 127.0.0.1:${hosted.port}\r\nNT: upnp:event\r\nCALLBACK: <http://127.0.0.1:1/>\r\nConnection: close\r\n\r\n`,
  );
  expect(statusOf(answer)).toBe(200);
});

it('writes values that parse back unchanged', () => {
  const value = '<message a="b">&amp;\r\n]]></message>';
  const property = parseXml(writePropertySet(['Status'], () => value)).children[0];
  expect(property?.children[0]?.text).toBe(value);
});
