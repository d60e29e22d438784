// Live events over server-sent events and WebSocket: nothing missed, nothing twice.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { HomeEvent, Phone } from '../../../protocol/model.ts';
import { messageId, phoneMessage } from '../../contract/messages.ts';
import { ownerToken, patiently, RunningCloud } from '../hosts/running-cloud.ts';
import type { ScriptedAgent } from '../hosts/scripted-agent.ts';

let cloud: RunningCloud;
let agent: ScriptedAgent;
let phone: Phone;
const bearer = { authorization: `Bearer ${ownerToken}` };

beforeEach(async () => {
  cloud = new RunningCloud();
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterEach(() => cloud.stop());

interface Line {
  id?: string;
  event?: string;
  data?: HomeEvent;
  comment?: string;
}

/** Reads an event stream block by block. */
class EventStream {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = '';
  readonly headers: Headers;

  private constructor(response: Response) {
    this.headers = response.headers;
    const stream = response.body ?? new ReadableStream();
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(lastEventId?: string): Promise<EventStream> {
    const headers = { ...bearer, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    return new EventStream(await fetch(`${cloud.url}/v1/homes/home/events`, { headers }));
  }

  /** The next block; undefined at the end. */
  async next(): Promise<Line | undefined> {
    while (!this.#text.includes('\n\n')) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += value;
    }
    const end = this.#text.indexOf('\n\n');
    const block: Line = {};
    for (const line of this.#text.slice(0, end).split('\n')) {
      if (line.startsWith('id: ')) block.id = line.slice(4);
      if (line.startsWith('event: ')) block.event = line.slice(7);
      if (line.startsWith('data: ')) block.data = JSON.parse(line.slice(6));
      if (line.startsWith(':')) block.comment = line.slice(1);
    }
    this.#text = this.#text.slice(end + 2);
    return block;
  }

  async take(count: number): Promise<Line[]> {
    const lines: Line[] = [];
    while (lines.length < count) {
      const line = await this.next();
      if (line === undefined) break;
      if (line.event !== undefined) lines.push(line);
    }
    return lines;
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }
}

const put = (n: number) => ({
  type: 'message.put' as const,
  udn: phone.udn,
  epoch: 0,
  id: messageId(n),
  message: phoneMessage({ messageId: `m-${n}`, body: `text ${n}` }),
  fingerprint: '',
});
const bodies = (lines: Line[]) => lines.map((line) => (line.data?.data as { body?: string } | undefined)?.body);

describe('GET …/events (SSE)', () => {
  it('begins with a comment and a point to resume from, then tells what happens', async () => {
    const stream = await EventStream.open();
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    expect(await stream.next()).toMatchObject({ comment: ' homeline', id: expect.stringMatching(/^[0-9A-Z]{26}$/) });
    await agent.deliver(put(1));
    const [line] = await stream.take(1);
    expect(line).toMatchObject({
      event: 'message.received',
      data: { type: 'message.received', home: 'home', data: { id: messageId(1), body: 'text 1' } },
    });
    expect(line?.id).toBe(line?.data?.id);
    await stream.close();
  });

  it('resumes after Last-Event-ID without gap or repeat, also right after connecting', async () => {
    const first = await EventStream.open();
    const start = await first.next();
    await first.close();
    await agent.deliver(put(1), put(2));
    const second = await EventStream.open(start?.id);
    const seen = await second.take(1);
    await second.close();
    expect(bodies(seen)).toEqual(['text 1']);
    await agent.deliver(put(3));
    const third = await EventStream.open(seen[0]?.id);
    expect(bodies(await third.take(2))).toEqual(['text 2', 'text 3']);
    await agent.deliver(put(4));
    expect(bodies(await third.take(1))).toEqual(['text 4']);
    await third.close();
  });

  it.each(['nonsense', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'])(
    'tells a reader with the id %s to load anew, then goes on',
    async (id) => {
      const stream = await EventStream.open(id);
      expect((await stream.take(1))[0]?.event).toBe('reset');
      await agent.deliver(put(1));
      expect(bodies(await stream.take(1))).toEqual(['text 1']);
      await stream.close();
    },
  );

  it('ends when the cloud stops, and the reader finds the rest after the restart', async () => {
    const stream = await EventStream.open();
    await stream.next();
    await agent.deliver(put(1));
    const seen = await stream.take(1);
    await agent.deliver(put(2));
    await cloud.restart();
    const rest: Line[] = [];
    for (let line = await stream.next(); line !== undefined; line = await stream.next()) rest.push(line);
    const back = await EventStream.open(rest.at(-1)?.id ?? seen[0]?.id);
    const missed = rest.some((line) => line.event === 'message.received') ? [] : ['text 2'];
    expect(bodies((await back.take(missed.length)).filter((line) => line.event === 'message.received'))).toEqual(
      missed,
    );
    await back.close();
  });

  it('tells of every kind of event', async () => {
    agent.script.SendMessage = () => ({ arguments: { MessageID: 'sent' } });
    const stream = await EventStream.open();
    await agent.deliver(put(1));
    const { message } = put(1);
    await agent.deliver({ ...put(1), message: { ...message, status: 'Read' } });
    await agent.deliver({ type: 'message.deleted', udn: phone.udn, epoch: 0, id: messageId(1), requested: true });
    await cloud.post('/v1/homes/home/messages', {
      messageClass: 'SMS',
      to: ['+1'],
      body: 'x',
    });
    await agent.phones();
    await agent.vanish();
    const types = (await stream.take(8)).map((line) => line.event);
    expect(types).toEqual([
      'message.received',
      'message.updated',
      'message.deleted',
      'send.updated',
      'send.updated',
      'send.updated',
      'phone.offline',
      'home.offline',
    ]);
    await stream.close();
  });
});

it('HEAD and OPTIONS tell of the stream and open none', async () => {
  const path = '/v1/homes/home/events';
  for (let n = 0; n < 20; n++) {
    const head = await fetch(cloud.url + path, { method: 'HEAD', headers: bearer });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect((await fetch(cloud.url + path, { method: 'OPTIONS', headers: bearer })).status).toBe(405);
    expect((await fetch(`${cloud.url + path}/ws`, { method: 'HEAD', headers: bearer })).status).toBe(400);
  }
  await expectWatchers(0);
});

it('a reader that goes before the first event leaves nothing behind', async () => {
  const { hostname, port } = new URL(cloud.url);
  const ask = `GET /v1/homes/home/events HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${ownerToken}\r\n\r\n`;
  const gone = Array.from({ length: 20 }, async () => {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(ask, () => socket.destroy());
    await once(socket, 'close');
  });
  await Promise.all(gone);
  await expectWatchers(0);
});

/** The Workers host keeps no counters. */
async function expectWatchers(count: number): Promise<void> {
  const metrics = async () => (await cloud.get('/metrics')).body;
  if (typeof (await metrics()) !== 'string') return;
  await expect.poll(metrics, { ...patiently, interval: 300 }).toContain(`homeline_watchers ${count}\n`);
}

describe('WebSocket …/events/ws', () => {
  it('tells the same events as JSON, after the given one', async () => {
    const stream = await EventStream.open();
    await agent.deliver(put(1), put(2));
    const [first] = await stream.take(1);
    await stream.close();
    const url = `${cloud.url.replace('http', 'ws')}/v1/homes/home/events/ws?after=${first?.id}`;
    const socket = new WebSocket(url, { headers: bearer });
    const texts: HomeEvent[] = [];
    socket.on('message', (text) => texts.push(JSON.parse(text.toString())));
    await once(socket, 'open');
    await agent.deliver(put(3));
    await expect
      .poll(() => texts.map((event) => (event.data as { body?: string }).body), patiently)
      .toEqual(['text 2', 'text 3']);
    socket.close();
  });

  it('ends when the cloud stops, with the code that sends its reader to come back', async () => {
    const socket = new WebSocket(`${cloud.url.replace('http', 'ws')}/v1/homes/home/events/ws`, { headers: bearer });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    await cloud.restart();
    expect((await closed)[0]).toBe(1001);
  });

  it('explains itself to a request without WebSocket', async () => {
    expect((await cloud.get('/v1/homes/home/events/ws')).body.detail).toContain('WebSocket');
  });
});
