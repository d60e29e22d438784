// The Worker's clients inside workerd: the owner's requests, an agent at the tunnel, a reader of server-sent events.
import { env, exports } from 'cloudflare:workers';
import { decodeCloudFrame } from '../../../protocol/codec.ts';
import type { CloudFrame, EdgeFrame, FrameOf } from '../../../protocol/frames.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { messageId, phoneMessage, presence } from '../../contract/messages.ts';
import { ownerToken } from '../worker-under-test.ts';

export const home = () => env.HOMES.getByName('home');

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

/** A request of the owner; `path` below `/v1`. */
export async function api(method: string, path: string, body?: unknown, more = {}): Promise<Answer> {
  const answer = await exports.default.fetch(`http://localhost/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ownerToken}`, 'content-type': 'application/json', ...more },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** Asks again until there is an answer, for at most 50 s. */
export async function until<Found>(look: () => Promise<Found | undefined | false> | Found | undefined | false) {
  for (const endMs = Date.now() + 50_000; ; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > endMs) throw new Error(`This never became true: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

type Call = FrameOf<CloudFrame, 'call'>;
type Reply = Record<string, unknown> | undefined;

/** An agent with one trusted phone. */
export class TestAgent {
  readonly frames: CloudFrame[] = [];
  readonly texts: string[] = [];
  closeCode: number | undefined;
  /** The out-arguments of a call, or undefined to leave it without an answer. */
  answer: (call: Call) => Reply | Promise<Reply> = () => undefined;
  readonly #token: string;
  #socket: WebSocket | undefined;
  #seq = 0;

  constructor(token: string) {
    this.#token = token;
  }

  static async make(): Promise<TestAgent> {
    return new TestAgent((await api('POST', '/homes/home/agents', { name: 'test' })).body.token);
  }

  async dial(): Promise<void> {
    const answer = await exports.default.fetch('http://localhost/v1/tunnel', {
      headers: {
        upgrade: 'websocket',
        authorization: `Bearer ${this.#token}`,
        'sec-websocket-protocol': 'homeline.v1',
      },
    });
    const socket = answer.webSocket;
    if (socket === null) throw new Error(`${answer.status} ${await answer.text()}`);
    this.#socket = socket;
    this.closeCode = undefined;
    this.frames.length = 0;
    socket.addEventListener('message', ({ data }) => void this.#hear(String(data)));
    socket.addEventListener('close', ({ code }) => {
      this.closeCode = code;
    });
    socket.accept();
  }

  hello(): void {
    this.send({ type: 'hello', protocol: [1], software: 'test', bootId: 'boot-1', firstSeq: this.#seq + 1 });
  }

  /** Dials and gets `welcome`; its phone is online afterwards. */
  async connect(): Promise<void> {
    await this.dial();
    this.hello();
    await this.next('welcome');
    this.send({ type: 'phones', phones: [presence('uuid:phone-1', { trusted: true })] });
    await this.next('approvals');
  }

  send(frame: EdgeFrame): void {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text: string): void {
    this.#socket?.send(text);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket?.send(bytes);
  }

  close(): void {
    this.#socket?.close(1000, 'gone');
  }

  /** Sends an event for each message, a frame each; answers the last sequence number. */
  tell(...bodies: string[]): number {
    for (const body of bodies) {
      const seq = ++this.#seq;
      const event = {
        type: 'message.put',
        udn: 'uuid:phone-1',
        epoch: 0,
        id: messageId(seq),
        message: phoneMessage({ messageId: `phone-${seq}`, body }),
        fingerprint: `f${seq}`,
      };
      this.send({ type: 'events', events: [{ seq, time: new Date().toISOString(), event }] });
    }
    return this.#seq;
  }

  /** Forgets that the last message was sent. */
  unsay(): void {
    this.#seq--;
  }

  async deliver(...bodies: string[]): Promise<void> {
    const seq = this.tell(...bodies);
    await until(() => this.frames.some((frame) => frame.type === 'ack' && frame.seq >= seq));
  }

  next<Type extends CloudFrame['type']>(type: Type): Promise<FrameOf<CloudFrame, Type>> {
    return until(() => this.frames.find((frame): frame is FrameOf<CloudFrame, Type> => frame.type === type));
  }

  async #hear(text: string): Promise<void> {
    this.texts.push(text);
    if (text === 'pong') return;
    const frame = decodeCloudFrame(text);
    this.frames.push(frame);
    if (frame.type !== 'call') return;
    const out = await this.answer(frame);
    if (out !== undefined) this.send({ type: 'result', id: frame.id, arguments: out });
  }
}

/** A connected agent, and the path of its phone's actions. */
export async function connectedAgent(): Promise<{ agent: TestAgent; actionsOf: string }> {
  const agent = await TestAgent.make();
  await agent.connect();
  const { items } = (await api('GET', '/homes/home/phones')).body;
  return { agent, actionsOf: `/homes/home/phones/${items[0].id}/actions` };
}

/** Reads server-sent events of the home. */
export class TestReader {
  readonly events: HomeEvent[] = [];
  lastId = '';
  ended = false;
  readonly #controller = new AbortController();
  readonly #token: string;

  constructor(token: string = ownerToken) {
    this.#token = token;
  }

  async open(lastEventId?: string): Promise<void> {
    const answer = await exports.default.fetch('http://localhost/v1/homes/home/events', {
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      signal: this.#controller.signal,
    });
    if (answer.body === null || answer.status !== 200) throw new Error(await answer.text());
    void this.#read(answer.body);
    await until(() => this.lastId !== '');
  }

  close(): void {
    this.#controller.abort();
  }

  get bodies(): unknown[] {
    return this.events.flatMap((event) => (event.type === 'message.received' ? [event.data.body] : []));
  }

  async #read(stream: ReadableStream): Promise<void> {
    let text = '';
    try {
      for await (const part of stream.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          this.#take(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } catch (error) {
      if (!this.#controller.signal.aborted) throw error;
    } finally {
      this.ended = true;
    }
  }

  #take(block: string): void {
    const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1];
    this.lastId = field('id') ?? this.lastId;
    const data = field('data');
    if (data !== undefined) this.events.push(JSON.parse(data));
  }
}
