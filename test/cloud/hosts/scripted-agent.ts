// A scripted agent: speaks the tunnel's frames over a real WebSocket and answers calls as the test says.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ActionName } from '../../../protocol/actions.ts';
import { decodeCloudFrame } from '../../../protocol/codec.ts';
import {
  type CloudFrame,
  type EdgeEvent,
  type EdgeFrame,
  type FrameOf,
  heartbeat,
  type PhonePresence,
  subprotocol,
} from '../../../protocol/frames.ts';

export type Call = FrameOf<CloudFrame, 'call'>;
export type CallReply =
  | { arguments: Record<string, unknown>; made?: string }
  | { code: string; detail?: string; upnpCode?: number; upnpDescription?: string }
  /** Never answers. */
  | undefined;
export type Script = Partial<Record<ActionName, (call: Call) => CallReply | Promise<CallReply>>>;

export class ScriptedAgent {
  readonly frames: CloudFrame[] = [];
  readonly script: Script;
  closeCode: number | undefined;
  pongs = 0;
  readonly #url: string;
  readonly #token: string;
  #socket: WebSocket | undefined;
  #seq = 0;
  #listeners = new Set<() => void>();

  constructor(url: string, token: string, script: Script = {}) {
    this.#url = `${url.replace(/^http/, 'ws')}/v1/tunnel`;
    this.#token = token;
    this.script = script;
  }

  /** Dials and says hello; resolves with `welcome`. */
  async connect(hello: Partial<FrameOf<EdgeFrame, 'hello'>> = {}): Promise<FrameOf<CloudFrame, 'welcome'>> {
    await this.dial();
    this.frames.length = 0;
    const bootId = 'boot-1';
    this.send({ type: 'hello', protocol: [1], software: 'scripted', bootId, firstSeq: this.#seq + 1, ...hello });
    return this.next('welcome');
  }

  async dial(): Promise<void> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const socket = new WebSocket(this.#url, subprotocol, { headers });
    this.#socket = socket;
    this.closeCode = undefined;
    socket.on('message', (data) => this.#hear(data.toString()));
    socket.on('close', (code) => {
      this.closeCode = code;
      for (const listener of this.#listeners) listener();
    });
    await once(socket, 'open');
  }

  send(frame: EdgeFrame): void {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text: string): void {
    this.#socket?.send(text);
  }

  /** Sends the list of phones and waits for the cloud's `approvals`. */
  async phones(...phones: PhonePresence[]): Promise<string[]> {
    const seen = this.frames.length;
    this.send({ type: 'phones', phones });
    return (await this.next('approvals', seen)).approved;
  }

  /** Sends events in one frame under the next sequence numbers; answers the last of them. */
  events(...events: EdgeEvent[]): number {
    const time = new Date().toISOString();
    this.send({ type: 'events', events: events.map((event) => ({ seq: ++this.#seq, time, event })) });
    return this.#seq;
  }

  /** Sends events and waits until they are acknowledged. */
  async deliver(...events: EdgeEvent[]): Promise<void> {
    const seq = this.events(...events);
    await this.until(() => this.frames.some((frame) => frame.type === 'ack' && frame.seq >= seq));
  }

  /** The first frame of the type, from the given position of `frames` on. */
  async next<Type extends CloudFrame['type']>(type: Type, from = 0): Promise<FrameOf<CloudFrame, Type>> {
    const find = () => this.frames.slice(from).find((frame) => frame.type === type);
    await this.until(() => find() !== undefined);
    return find() as FrameOf<CloudFrame, Type>;
  }

  /** Waits, for at most 50 s, until a condition holds; checked after each thing that happens here. */
  async until(isSo: () => boolean): Promise<void> {
    for (const endMs = performance.now() + 50_000; !isSo(); ) {
      if (performance.now() > endMs) throw new Error(`This never became true: ${isSo}`);
      await new Promise<void>((resolve) => {
        const listener = () => {
          clearTimeout(timer);
          this.#listeners.delete(listener);
          resolve();
        };
        const timer = setTimeout(listener, 1_000);
        this.#listeners.add(listener);
      });
    }
  }

  /** Drops the connection without a close frame. */
  async vanish(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const closed = once(socket, 'close');
    socket.terminate();
    await closed;
  }

  #hear(text: string): void {
    if (text === heartbeat.pong) this.pongs++;
    else {
      const frame = decodeCloudFrame(text);
      this.frames.push(frame);
      if (frame.type === 'call') void this.#answer(frame);
    }
    for (const listener of this.#listeners) listener();
  }

  async #answer(call: Call): Promise<void> {
    const reply = await this.script[call.action as ActionName]?.(call);
    if (reply === undefined) return;
    if ('arguments' in reply) this.send({ type: 'result', id: call.id, ...reply });
    else this.send({ type: 'failure', id: call.id, detail: 'as the script says', ...reply });
  }
}
