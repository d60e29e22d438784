// A home as the cloud sees one: an agent with one phone, played by a script over a real WebSocket.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ActionName } from '../../protocol/actions.ts';
import { decodeCloudFrame, encodeFrame } from '../../protocol/codec.ts';
import {
  type CloudFrame,
  type EdgeEvent,
  type EdgeFrame,
  type FrameOf,
  protocolVersion,
  subprotocol,
} from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import { nextUlid } from '../../shared/ulid.ts';

/** In the order of arrival, even within a millisecond. */
let lastMinted = '';
const mint = () => {
  lastMinted = nextUlid(lastMinted, Date.now());
  return lastMinted;
};
const udnOf = (index: number) => `uuid:11111111-2222-3333-4444-55555555555${index}`;
/** What is received, is received by the first phone. */
const ofPhone = { udn: udnOf(0), epoch: 0 };

type Failure = Omit<FrameOf<EdgeFrame, 'failure'>, 'type' | 'id'>;
/** What the phone answers, or how the call fails. */
type Answer = { results: Record<string, unknown>; made?: string } | { failure: Failure };
type Handler = (given: Record<string, unknown>) => Answer | Promise<Answer>;

/** The phone says no. */
export function refusal(upnpCode: number, upnpDescription: string): Answer {
  return { failure: { code: 'phone-refused', detail: 'The phone refused.', upnpCode, upnpDescription } };
}

export class ScriptedHome {
  /** What the phone does for each action; tests replace what they are about. */
  readonly does: Partial<Record<ActionName, Handler>> = {};
  /** The calls that came, oldest first. */
  readonly calls: { phone: string; action: string; given: Record<string, unknown> }[] = [];
  #names: readonly string[] = [];
  readonly messages = new Map<string, { id: string; message: PhoneMessage }>();
  readonly sessions = new Map<string, { id: string; session: PhoneSession }>();
  readonly #cloudUrl: string;
  readonly #token: string;
  readonly #waiting: { wants: (frame: CloudFrame) => boolean; take: (frame: CloudFrame) => void }[] = [];
  #socket: WebSocket | undefined;
  #seq = 0;
  #count = 0;

  constructor(cloudUrl: string, token: string) {
    this.#cloudUrl = cloudUrl;
    this.#token = token;
  }

  /** Connects with phones of these names; `trusted: false` leaves them to be approved by somebody. */
  async start({ trusted = true, names = ['Hall phone'] } = {}): Promise<void> {
    this.#names = names;
    const socket = new WebSocket(`${this.#cloudUrl.replace(/^http/, 'ws')}/v1/tunnel`, subprotocol, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
    this.#socket = socket;
    socket.on('message', (data) => this.#take(String(data)));
    await once(socket, 'open');
    const welcome = this.#next((frame) => frame.type === 'welcome');
    const bootId = mint();
    this.#send({ type: 'hello', protocol: [protocolVersion], software: 'scripted 1', bootId, firstSeq: this.#seq + 1 });
    await welcome;
    const approvals = this.#next((frame) => frame.type === 'approvals');
    this.#send({
      type: 'phones',
      phones: names.map((name, index) => ({
        udn: udnOf(index),
        epoch: 0,
        name,
        deviceType: 'urn:schemas-upnp-org:device:TelephonyServer:2',
        address: `192.0.2.2${index}:49200`,
        online: true,
        trusted,
        capabilities: {
          classes: [
            { messageClass: 'SMS', pageMode: true, sessionMode: false, maxBodyLength: 459, contentTypes: [] },
            { messageClass: 'e-Mail', pageMode: true, sessionMode: false, contentTypes: [] },
          ],
          sessionClasses: ['Chat'],
          fileTransfer: false,
        },
      })),
    });
    await approvals;
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    socket.close();
    await once(socket, 'close');
  }

  /** The phone receives a message; resolves when the cloud has stored it. */
  async receive(body: string, over: Partial<PhoneMessage> = {}): Promise<void> {
    const messageId = `m-${++this.#count}`;
    await this.#put(`m_${mint()}`, {
      messageId,
      messageClass: 'SMS',
      folder: 'Received',
      status: 'Unread',
      from: { address: '+390110001', displayName: 'Nonna' },
      to: [{ address: '+390119999' }],
      contentType: 'text/plain',
      body,
      attachments: [],
      time: new Date().toISOString(),
      ...over,
    });
  }

  /** The phone no longer lists what it had received; `confirmed` as after a second look. */
  async lose(body: string, more: { confirmed?: true } = {}): Promise<void> {
    for (const { id, message } of this.messages.values()) {
      if (message.body === body) await this.#event({ type: 'message.deleted', ...ofPhone, id, ...more });
    }
  }

  async putSession(session: PhoneSession): Promise<void> {
    const { id } = this.sessions.get(session.sessionId) ?? { id: `s_${mint()}` };
    this.sessions.set(session.sessionId, { id, session });
    await this.#event({ type: 'session.put', ...ofPhone, id, session });
  }

  /** A file of a session that was put moves on. */
  async progress(file: FileInfo): Promise<void> {
    const sessionKey = this.sessions.get(file.sessionId)?.id;
    if (sessionKey === undefined) throw new Error('There is no such session.');
    await this.#event({ type: 'file.progress', ...ofPhone, sessionKey, file });
  }

  async #put(id: string, message: PhoneMessage): Promise<void> {
    this.messages.set(message.messageId, { id, message });
    const session = this.sessions.get(message.sessionId ?? '');
    await this.#event({
      type: 'message.put',
      ...ofPhone,
      id,
      message,
      fingerprint: mint(),
      ...(session === undefined ? {} : { sessionKey: session.id }),
    });
  }

  async #event(event: EdgeEvent): Promise<void> {
    const seq = ++this.#seq;
    const acknowledged = this.#next((frame) => frame.type === 'ack' && frame.seq >= seq);
    this.#send({ type: 'events', events: [{ seq, time: new Date().toISOString(), event }] });
    await acknowledged;
  }

  #take(text: string): void {
    if (text === 'pong') return;
    const frame = decodeCloudFrame(text);
    if (frame.type === 'term' || frame.type === 'nak') throw new Error(`The cloud refused event ${frame.seq}`);
    if (frame.type === 'call') void this.#answer(frame);
    const at = this.#waiting.findIndex((waiter) => waiter.wants(frame));
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.take(frame);
  }

  async #answer({ id, udn, action, arguments: given }: FrameOf<CloudFrame, 'call'>): Promise<void> {
    const phone = this.#names.find((_, index) => udnOf(index) === udn) ?? udn;
    this.calls.push({ phone, action, given });
    const handler = this.does[action as ActionName] ?? this.#usual(action as ActionName);
    const answer = await handler(given);
    if (this.#socket === undefined) return;
    if ('failure' in answer) this.#send({ type: 'failure', id, ...answer.failure });
    else this.#send({ type: 'result', id, arguments: answer.results, ...(answer.made && { made: answer.made }) });
  }

  /** What a well-behaved phone does. */
  #usual(action: ActionName): Handler {
    switch (action) {
      case 'SendMessage':
        return () => ({ results: { MessageID: `sent-${++this.#count}` } });
      case 'ReadMessage':
        return ({ MessageID }) => {
          const known = this.messages.get(String(MessageID));
          if (known === undefined) return refusal(701, 'No such message');
          known.message = { ...known.message, status: 'Read' };
          return { results: { MessageRequested: known.message } };
        };
      case 'GetSessions':
        return ({ SessionID }) => {
          const all = [...this.sessions.values()].map(({ session }) => session);
          const wanted = all.filter((session) => SessionID === '' || session.sessionId === SessionID);
          return { results: { SessionsList: wanted } };
        };
      default:
        return () => ({ results: {} });
    }
  }

  #next(wants: (frame: CloudFrame) => boolean): Promise<CloudFrame> {
    const { promise, resolve } = Promise.withResolvers<CloudFrame>();
    this.#waiting.push({ wants, take: resolve });
    return promise;
  }

  #send(frame: EdgeFrame): void {
    this.#socket?.send(encodeFrame(frame));
  }
}
