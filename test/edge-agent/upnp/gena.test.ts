// Subscribing to events, over real sockets. Requirements E1–E24, Z8, Z9, quirks 35–37, 41–47.
import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type GenaEvent, type GenaOptions, GenaSubscriber } from '../../../edge-agent/upnp/eventing/gena.ts';
import { parseSeq, seqOrderOf } from '../../../edge-agent/upnp/eventing/gena-event.ts';
import { renewalMs } from '../../../edge-agent/upnp/eventing/gena-subscription.ts';
import type { HttpRequest } from '../../../edge-agent/upnp/network/network.ts';
import { failureOf, until, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer, type RawDevice, type Reply, type SeenRequest } from '../../fixtures/upnp/raw-device.ts';

const lan = useLan();
const started: GenaSubscriber[] = [];
afterEach(async () => {
  for (const subscriber of started.splice(0)) await subscriber.stop();
});

const propertySet = (value: string) =>
  `<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property><NewMessages>${value}</NewMessages></e:property></e:propertyset>`;

/** A publisher that grants every subscription unless the test sets another answer. */
class Publisher {
  device: RawDevice | undefined;
  granted = 0;
  answer: (request: SeenRequest) => Reply | undefined | Promise<Reply | undefined> = () => undefined;

  async start(): Promise<this> {
    this.device = await lan.device(async (request) => (await this.answer(request)) ?? this.grant(request));
    return this;
  }

  grant(request: SeenRequest, headers: Record<string, string> = {}): Buffer {
    if (request.method === 'UNSUBSCRIBE') return httpAnswer('200 OK');
    const sid = /^SID: (.*)$/m.exec(request.head)?.[1] ?? `uuid:s${++this.granted}`;
    return httpAnswer('200 OK', '', { SID: sid, TIMEOUT: 'Second-1800', ...headers });
  }

  get seen(): string[] {
    return (this.device?.seen ?? []).map((request) =>
      `${request.method} ${/^SID: (.*)$/m.exec(request.head)?.[1]?.trim() ?? ''}`.trim(),
    );
  }

  callback(at = 0): string {
    const subscribes = (this.device?.seen ?? []).filter((request) => request.head.includes('CALLBACK'));
    return /CALLBACK: <(.*)>/.exec(subscribes[at]?.head ?? '')?.[1] ?? '';
  }
}

/** Sends a NOTIFY and returns the HTTP status. */
function notify(
  url: string,
  headers: Record<string, string | undefined>,
  body: string | Buffer = propertySet('x'),
): Promise<number> {
  const all = {
    NT: 'upnp:event',
    NTS: 'upnp:propchange',
    SID: 'uuid:s1',
    SEQ: '0',
    'CONTENT-TYPE': 'text/xml',
    ...headers,
  };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method: 'NOTIFY', headers: given, agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function subscribed(options: GenaOptions = {}, prepare: (publisher: Publisher) => void = () => undefined) {
  const publisher = await new Publisher().start();
  prepare(publisher);
  const subscriber = new GenaSubscriber(lan.network, options);
  started.push(subscriber);
  await subscriber.start();
  const events: GenaEvent[] = [];
  const told: string[] = [];
  const subscription = await subscriber.subscribe({
    eventSubUrl: publisher.device?.url('/event') ?? '',
    onEvent: (event) => events.push(event),
    onGap: () => told.push('gap'),
    onLapse: (error) => told.push(`lapse ${error.kind}`),
    onRestored: () => told.push('restored'),
  });
  const values = () => events.map((event) => event.variables.get('NewMessages'));
  return { publisher, subscriber, subscription, events, told, values };
}

describe('subscribing', () => {
  it('sends CALLBACK, NT and TIMEOUT in upper case, and no body', async () => {
    const { publisher, subscription } = await subscribed();
    const [first] = publisher.device?.seen ?? [];
    expect(first?.head).toMatch(
      /^SUBSCRIBE \/event HTTP\/1\.1\r\nHOST: 127\.0\.0\.1:\d+\r\nCALLBACK: <http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}>\r\nNT: upnp:event\r\nTIMEOUT: Second-1800\r\nCONTENT-LENGTH: 0\r\n/,
    );
    expect(publisher.callback().length).toBeLessThan(100);
    expect(subscription.sid).toBe('uuid:s1');
  });

  it.each(['405 Method Not Allowed', '501 Not Implemented', '500 Error', '412 Precondition Failed'])(
    'fails when the device answers %s',
    async (status) => {
      const refused = subscribed({}, (publisher) => {
        publisher.answer = () => httpAnswer(status);
      });
      expect(await failureOf(refused)).toMatchObject({ kind: 'refused', httpStatus: Number(status.slice(0, 3)) });
    },
  );

  it('fails when the answer has no SID and when the device is unreachable', async () => {
    const nameless = subscribed({}, (publisher) => {
      publisher.answer = () => httpAnswer('200 OK');
    });
    expect(await failureOf(nameless)).toMatchObject({ kind: 'malformed' });
    const subscriber = new GenaSubscriber(lan.network);
    started.push(subscriber);
    const request = { eventSubUrl: 'http://192.0.2.77/', onEvent() {}, onGap() {}, onLapse() {} };
    expect(await failureOf(subscriber.subscribe(request))).toMatchObject({ outcome: 'not-done' });
    await subscriber.start();
    expect(await failureOf(subscriber.subscribe(request))).toMatchObject({ outcome: 'not-done' });
  });

  it('sends UNSUBSCRIBE once when cancelled', async () => {
    const { publisher, subscription } = await subscribed();
    await subscription.cancel();
    await subscription.cancel();
    expect(publisher.seen).toEqual(['SUBSCRIBE', 'UNSUBSCRIBE uuid:s1']);
    expect(await notify(publisher.callback(), {})).toBe(412);
  });

  it('unsubscribes everywhere on stop even when a device does not answer', async () => {
    const { publisher, subscriber } = await subscribed();
    publisher.answer = (request) => (request.method === 'UNSUBSCRIBE' ? (socket) => socket.destroy() : undefined);
    await subscriber.stop();
    expect(publisher.seen.at(-1)).toMatch(/^UNSUBSCRIBE/);
    await expect(notify(publisher.callback(), {})).rejects.toThrow('ECONNREFUSED');
  });
});

describe('an event', () => {
  it('is answered with an empty 200 and passed to the subscriber', async () => {
    const { publisher, events } = await subscribed();
    expect(await notify(publisher.callback(), {}, propertySet('&lt;m&gt;1&lt;/m&gt;'))).toBe(200);
    expect(events).toEqual([{ seq: 0, variables: new Map([['NewMessages', '<m>1</m>']]) }]);
  });

  it('is buffered when it arrives before the answer to SUBSCRIBE (quirk 41)', async () => {
    const { values } = await subscribed({}, (publisher) => {
      publisher.answer = async (request) => {
        if (request.method !== 'SUBSCRIBE') return undefined;
        const callback = /CALLBACK: <(.*)>/.exec(request.head)?.[1] ?? '';
        expect(await notify(callback, {}, propertySet('early'))).toBe(200);
        expect(await notify(callback, { SID: 'uuid:other' }, propertySet('foreign'))).toBe(200);
        return publisher.grant(request);
      };
    });
    expect(values()).toEqual(['early']);
  });

  it.each(['/', '?query', '/><http://10.0.0.1/', '%20garbage'])(
    'is accepted with "%s" appended to the path (quirk 44)',
    async (garbage) => {
      const { publisher, events } = await subscribed();
      expect(await notify(publisher.callback() + garbage, {})).toBe(200);
      expect(events).toHaveLength(1);
    },
  );

  it.each([
    ['an unknown token', (url: string) => url.replace(/.{22}$/, 'x'.repeat(22)), {}, 412],
    ['a cut token', (url: string) => url.slice(0, -4), {}, 412],
    ['another SID', (url: string) => url, { SID: 'uuid:other' }, 412],
    ['no NT', (url: string) => url, { NT: undefined }, 400],
    ['no NTS', (url: string) => url, { NTS: undefined }, 400],
    ['another NT', (url: string) => url, { NT: 'upnp:x' }, 412],
    ['another NTS', (url: string) => url, { NTS: 'upnp:x' }, 412],
    ['an Origin', (url: string) => url, { ORIGIN: 'http://evil.example' }, 403],
    ['headers of a browser', (url: string) => url, { 'SEC-FETCH-SITE': 'cross-site' }, 403],
    ['a name in Host', (url: string) => url, { HOST: 'rebound.example' }, 400],
    ['another port in Host', (url: string) => url, { HOST: '127.0.0.1:1' }, 400],
    ['another address in Host', (url: string) => url, { HOST: '127.0.0.2' }, 400],
  ])('is refused with %s', async (_, urlOf, headers, status) => {
    const { publisher, events } = await subscribed();
    expect(await notify(urlOf(publisher.callback()), headers)).toBe(status);
    expect(events).toEqual([]);
  });

  it('is accepted without SID or SEQ because its path is known', async () => {
    const { publisher, events } = await subscribed();
    expect(await notify(publisher.callback(), { SID: undefined, SEQ: undefined })).toBe(200);
    expect(await notify(publisher.callback(), { SEQ: 'abc' })).toBe(200);
    expect(events.map((event) => event.seq)).toEqual([undefined, undefined]);
  });

  it.each([
    [
      'several properties',
      '<p><property><A>1</A><B>2</B></property><property><NewMessages>x</NewMessages></property></p>',
      'x',
    ],
    ['a trailing NUL', `${propertySet('x')}\0`, 'x'],
    ['an empty value (quirk 46)', propertySet(''), ''],
    ['un-escaped content (quirk 45)', propertySet('<m>1</m>'), '<m>1</m>'],
    ['a bare ampersand (quirk 45)', propertySet('R&B'), 'R&B'],
    ['a body of 100 KiB (quirk 47)', propertySet('x'.repeat(100_000)), 'x'.repeat(100_000)],
    ['a cut-off body (quirk 45)', propertySet('x').slice(0, -20), undefined],
    ['a web page (quirk 45)', '<!DOCTYPE html><p>', undefined],
    ['no body', '', undefined],
  ])('counts as a hint with %s', async (_, body, value) => {
    const { publisher, values } = await subscribed();
    expect(await notify(publisher.callback(), {}, body)).toBe(200);
    expect(values()).toEqual([value]);
  });

  it('may be chunked', async () => {
    const { publisher, events } = await subscribed();
    expect(await notify(publisher.callback(), { 'TRANSFER-ENCODING': 'chunked' })).toBe(200);
    expect(events).toHaveLength(1);
  });

  it('is refused when too long', async () => {
    const { publisher, events } = await subscribed();
    const outcome = await notify(publisher.callback(), {}, Buffer.alloc(3_000_000, 0x20)).catch(() => 413);
    expect(outcome).toBe(413);
    expect(events).toEqual([]);
  });

  it('is still accepted after a subscriber callback threw', async () => {
    const faults: unknown[] = [];
    const { publisher, events } = await subscribed({ onFault: (error) => faults.push(error) });
    events.push = () => {
      throw new Error('mine');
    };
    expect(await notify(publisher.callback(), { SEQ: '0' })).toBe(200);
    expect(await notify(publisher.callback(), { SEQ: '1' })).toBe(200);
    expect(faults).toHaveLength(2);
  });
});

describe('SEQ', () => {
  it('drops duplicates and accepts a restart at 0', async () => {
    const { publisher, events } = await subscribed();
    for (const seq of ['0', '1', '1', '0001', '2', '0', '1'])
      expect(await notify(publisher.callback(), { SEQ: seq })).toBe(200);
    expect(events.map((event) => event.seq)).toEqual([0, 1, 2, 0, 1]);
  });

  it('asks for a new subscription when SEQ skips', async () => {
    const { publisher, subscription, events, told } = await subscribed();
    await notify(publisher.callback(), { SEQ: '0' });
    await notify(publisher.callback(), { SEQ: '3' });
    await until(() => told.length > 0);
    expect(told).toEqual(['gap']);
    expect(events.map((event) => event.seq)).toEqual([0, 3]);
    expect(publisher.seen).toEqual(['SUBSCRIBE', 'UNSUBSCRIBE uuid:s1', 'SUBSCRIBE']);
    expect(subscription.sid).toBe('uuid:s2');
    expect(publisher.callback(1)).not.toBe(publisher.callback(0));
    expect(await notify(publisher.callback(1), { SID: 'uuid:s2', SEQ: '0' })).toBe(200);
    expect(events).toHaveLength(3);
  });

  it('limits resubscriptions to a device that counts SEQ wrongly', async () => {
    const { publisher, told } = await subscribed();
    await notify(publisher.callback(), { SEQ: '0' });
    await notify(publisher.callback(), { SEQ: '2' });
    await until(() => told.length === 1);
    for (const seq of ['0', '2', '4', '6']) await notify(publisher.callback(1), { SID: 'uuid:s2', SEQ: seq });
    await until(() => told.length === 4);
    expect(publisher.seen.filter((line) => line === 'SUBSCRIBE')).toHaveLength(2);
  });

  it.each([
    [0, undefined, 'next'],
    [7, undefined, 'next'],
    [undefined, 7, 'next'],
    [0, 7, 'next'],
    [1, 0, 'next'],
    [8, 7, 'next'],
    [1, 4_294_967_295, 'next'],
    [7, 7, 'duplicate'],
    [6, 7, 'duplicate'],
    [4_294_967_295, 1, 'duplicate'],
    [9, 7, 'gap'],
    [2, 0, 'gap'],
    [2, 4_294_967_295, 'gap'],
    [3, 4_294_967_294, 'gap'],
  ] as const)('%s after %s is %s', (seq, last, place) => {
    expect(seqOrderOf(seq, last)).toBe(place);
  });

  it('parses leading zeros and rejects anything but a 32-bit number', () => {
    expect(['0', '007', '4294967295', ' 5 '].map(parseSeq)).toEqual([0, 7, 4_294_967_295, 5]);
    expect([undefined, '', '-1', '1.5', 'abc', '4294967296', '9'.repeat(40)].map(parseSeq)).toEqual(
      Array(7).fill(undefined),
    );
  });
});

describe('renewal', () => {
  /** Renews a grant of 1 s after 0.25 s. */
  const brief = { renewFraction: 0.1, retryMs: 20 };
  const second = { TIMEOUT: 'Second-1' };

  it('sends SID and TIMEOUT only, and keeps the SID when the answer has none (quirk 37)', async () => {
    const { publisher, subscription, told } = await subscribed(brief, (one) => {
      one.answer = (request) =>
        request.head.includes('CALLBACK') ? one.grant(request, second) : httpAnswer('200 OK', '', second);
    });
    await until(() => publisher.seen.length >= 3);
    const renewal = publisher.device?.seen[1]?.head ?? '';
    expect(renewal).toContain('SID: uuid:s1\r\nTIMEOUT: Second-1800\r\n');
    expect(renewal).not.toMatch(/^(NT|CALLBACK):/m);
    expect(subscription.sid).toBe('uuid:s1');
    expect(told).toEqual([]);
  });

  it('takes a new SID from the answer to a renewal', async () => {
    const { publisher, subscription, events } = await subscribed(brief, (one) => {
      one.answer = (request) =>
        one.grant(request, request.head.includes('CALLBACK') ? second : { SID: 'uuid:new', TIMEOUT: 'Second-1800' });
    });
    await until(() => subscription.sid === 'uuid:new');
    expect(await notify(publisher.callback(), { SID: 'uuid:new', SEQ: '1' })).toBe(200);
    expect(events).toHaveLength(1);
  });

  it.each(['412 Precondition Failed', '404 Not Found', '500 Error'])(
    'subscribes again when a renewal is answered %s',
    async (status) => {
      let renewals = 0;
      const { publisher, subscription, told } = await subscribed(brief, (one) => {
        one.answer = (request) => {
          if (request.method !== 'SUBSCRIBE') return undefined;
          if (request.head.includes('CALLBACK')) return one.grant(request, one.granted === 0 ? second : {});
          renewals++;
          return httpAnswer(status);
        };
      });
      await until(() => subscription.sid === 'uuid:s2');
      expect(renewals).toBe(1);
      // Events in between are lost.
      await until(() => told.length > 0);
      expect(told).toEqual(['gap']);
      expect(publisher.seen.filter((line) => line === 'SUBSCRIBE')).toHaveLength(2);
    },
  );

  it('probes by renewing, and subscribes again when the device lost the subscription', async () => {
    let forgotten = false;
    const { subscription, told } = await subscribed({}, (one) => {
      one.answer = (request) =>
        forgotten && !request.head.includes('CALLBACK')
          ? httpAnswer('412 Precondition Failed')
          : one.grant(request, {});
    });
    await subscription.probe();
    expect([subscription.sid, told]).toEqual(['uuid:s1', []]);
    forgotten = true;
    await subscription.probe();
    expect([subscription.sid, told]).toEqual(['uuid:s2', ['gap']]);
  });

  it('limits retries of a lapsed subscription however often it is probed', async () => {
    let away = false;
    const { subscription, told, publisher } = await subscribed({ retryMs: 60_000 }, (one) => {
      one.answer = (request) => (away ? (socket) => socket.destroy() : one.grant(request, {}));
    });
    away = true;
    await subscription.probe();
    const asked = publisher.seen.length;
    for (let doubts = 0; doubts < 5; doubts++) await subscription.probe();
    expect(publisher.seen).toHaveLength(asked);
    expect(told).toEqual(['lapse unreachable']);
  });

  it('reports a lapse, retries, and reports the recovery', async () => {
    let away = false;
    const { subscription, told, publisher } = await subscribed(brief, (one) => {
      one.answer = (request) =>
        away ? (socket) => socket.destroy() : one.grant(request, one.granted === 0 ? second : {});
    });
    away = true;
    await until(() => told.length > 0);
    const asked = publisher.seen.length;
    await until(() => publisher.seen.length > asked + 1);
    away = false;
    await until(() => told.length > 1);
    expect(told).toEqual(['lapse unreachable', 'restored']);
    expect(subscription.sid).toBe('uuid:s2');
  });

  it('subscribes again from another address when the local one disappears', async () => {
    const [lo] = lan.network.interfaces();
    if (lo === undefined) throw new Error('there is no loopback');
    let present = [lo];
    const network = { interfaces: () => present, request: (request: HttpRequest) => lan.network.request(request) };
    const publisher = await new Publisher().start();
    const subscriber = new GenaSubscriber(network, { watchMs: 5 });
    started.push(subscriber);
    await subscriber.start();
    const events: GenaEvent[] = [];
    const eventSubUrl = publisher.device?.url('/event') ?? '';
    await subscriber.subscribe({ eventSubUrl, onEvent: (event) => events.push(event), onGap() {}, onLapse() {} });
    present = [{ ...lo, address: '127.0.0.5' }];
    await until(() => publisher.callback(1) !== '');
    expect(new URL(publisher.callback(1)).hostname).toBe('127.0.0.5');
    expect(await notify(publisher.callback(1), { SID: 'uuid:s2' })).toBe(200);
    await expect(notify(publisher.callback(0), {})).rejects.toThrow('ECONNREFUSED');
    expect(events).toHaveLength(1);
  });

  it.each([
    ['Second-1800', 1800],
    ['second-300', 300],
    ['Second-infinite', 1800],
    ['Second-0', 1800],
    ['Second-0:30:00', 1800],
    ['infinite', 1800],
    [undefined, 1800],
    ['Second-999999999', 86_400],
  ])('schedules the renewal of %s well before its end', (header, seconds) => {
    const ms = renewalMs(header, 0.6);
    expect(ms).toBeGreaterThanOrEqual(seconds * 540);
    expect(ms).toBeLessThanOrEqual(seconds * 660);
  });
});
