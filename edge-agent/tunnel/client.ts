// The agent's end of the tunnel (protocol/README.md): dial, hello, heartbeat, resume, redial.
import { WebSocket } from 'ws';
import { decodeCloudFrame, encodeFrame } from '../../protocol/codec.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { sharedFeatures, type TunnelFeature, tunnelFeatures } from '../../protocol/features.ts';
import { type FrameHandlers, handleFrame } from '../../protocol/frame-handlers.ts';
import {
  type CloudFrame,
  closeCodes,
  type EdgeFrame,
  type FrameOf,
  heartbeat,
  protocolVersion,
  subprotocol,
} from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import { DialBackOff, type DialTimes } from './dial-back-off.ts';
import type { Outbox } from './outbox.ts';
import { EventSender } from './sender.ts';

export type Welcome = FrameOf<CloudFrame, 'welcome'>;
/** Frames that concern the connection itself. */
type ConnectionFrame = FrameOf<CloudFrame, 'welcome' | 'error' | 'ack' | 'nak' | 'term' | 'drain'>;
/** All other frames: the agent's features handle them. */
export type FeatureFrame = Exclude<CloudFrame, ConnectionFrame>;

export interface TunnelOptions {
  /** `ws://…` or `wss://…`, with path. */
  readonly url: string;
  /** Asked at each dial, so that a token file that was rewritten is read again. Throws where it cannot be read. */
  readonly token: string | (() => string);
  readonly software: string;
  readonly outbox: Outbox;
  onWelcome(welcome: Welcome): void;
  /** May throw, or return a promise that rejects: the cloud gets an `error` frame. */
  onFrame(frame: FeatureFrame): unknown;
  /** The connection of the last `onWelcome` is gone. */
  onLost(): void;
  /** One line in plain words, without secrets. */
  report(line: string): void;
  readonly backOff?: DialTimes;
  readonly stallMs?: number;
  /** For the handshake and then for `welcome`: default 30,000, because a cloud lets a returning fleet wait. */
  readonly answerMs?: number;
}

/** A UTF-16 code unit is at most three bytes of UTF-8; a larger message is not buffered. */
const maxPayloadBytes = limits.frameChars * 3;
/** Heartbeats without an answer before the connection counts as dead. */
const maxMisses = 2;
/** How often the token file is read while its token is refused. */
const tokenLookMs = 5_000;
/** Error answers on one connection: a flood of broken frames must not be echoed. */
const maxErrorAnswers = 100;

export class TunnelClient {
  readonly #options: TunnelOptions;
  readonly #backOff: DialBackOff;
  #socket: WebSocket | undefined;
  #sender: EventSender | undefined;
  /** Of the connection that stands. */
  #welcome: Welcome | undefined;
  #hasApprovals = false;
  #stopped = true;
  #spreadMs: number | undefined;
  #waitMs: number | undefined;
  #misses = 0;
  #errorAnswers = 0;
  #lastTrouble = '';
  #lastToken = '';
  #redial: NodeJS.Timeout | undefined;
  #stable: NodeJS.Timeout | undefined;
  #welcomeTimeout: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  readonly #handlers: FrameHandlers<ConnectionFrame> = {
    welcome: (frame) => this.#onWelcome(frame),
    error: ({ detail }) => this.#options.report(`The cloud could not use a frame: ${printable(detail)}`),
    ack: (frame) => this.#sender?.onAck(frame),
    nak: (frame) => this.#sender?.onNak(frame),
    term: (frame) => this.#sender?.onTerm(frame),
    drain: ({ spreadMs }) => {
      this.#spreadMs = spreadMs;
    },
  };

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#backOff = new DialBackOff(options.backOff);
  }

  /** Whether the cloud has welcomed this agent and the connection stands. */
  get connected(): boolean {
    return this.#welcome !== undefined;
  }

  /** Names the contents of the cloud's store; undefined without a connection. */
  get store(): string | undefined {
    return this.#welcome?.store;
  }

  /** Whether the cloud has said on this connection which phones are approved. */
  get hasApprovals(): boolean {
    return this.#hasApprovals;
  }

  /** Whether both ends have the feature; false without a connection. */
  has(feature: TunnelFeature): boolean {
    return sharedFeatures(this.#welcome?.features).includes(feature);
  }

  /** Dials, and keeps dialling until stop(). */
  start(): void {
    this.#stopped = false;
    this.#options.outbox.onAppended(() => this.#sender?.pump());
    this.#dial();
  }

  /** Closes the connection and resolves when it is closed, within a second. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.outbox.onAppended(() => {});
    clearTimeout(this.#redial);
    const socket = this.#socket;
    if (socket === undefined) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const impatience = setTimeout(() => socket.terminate(), 1000);
    if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
    else socket.close(1000, 'The agent stops');
    await closed;
    clearTimeout(impatience);
  }

  /** Sends a frame. False when there is no connection. Throws `frame-too-large`. */
  send(frame: EdgeFrame): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#sendText(encodeFrame(frame));
    return true;
  }

  #sendText(frame: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }

  #dial(): void {
    const { url, answerMs = 30_000 } = this.#options;
    const token = this.#token();
    if (token === undefined) return;
    const socket = new WebSocket(url, [subprotocol], {
      headers: { authorization: `Bearer ${token}` },
      maxPayload: maxPayloadBytes,
      handshakeTimeout: answerMs,
      perMessageDeflate: false,
      followRedirects: false,
    });
    this.#socket = socket;
    this.#waitMs = undefined;
    this.#spreadMs = undefined;
    this.#misses = 0;
    this.#errorAnswers = 0;
    let reason = '';
    socket.on('unexpected-response', (request, response) => {
      const status = response.statusCode ?? 0;
      reason = `it answered ${status}`;
      if (status === 401 || status === 403) {
        reason = `it refused the agent's token (${status}); give another (HOMELINE_AGENT_TOKEN_FILE)`;
        this.#waitMs = this.#backOff.refusedMs();
      } else {
        const retryAfter = Number(response.headers['retry-after']);
        if (retryAfter > 0) this.#waitMs = this.#backOff.putOffMs(Math.min(retryAfter, 3600) * 1000);
      }
      response.resume();
      request.destroy();
      socket.terminate();
    });
    socket.on('open', () => {
      this.#welcomeTimeout = setTimeout(() => socket.close(closeCodes.silent, 'No welcome'), answerMs);
      const { software, outbox } = this.#options;
      this.send({
        type: 'hello',
        protocol: [protocolVersion],
        software,
        bootId: outbox.bootId,
        firstSeq: outbox.firstSeq,
        features: [...tunnelFeatures],
      });
    });
    socket.on('message', (data, isBinary) => void this.#onMessage(socket, isBinary ? undefined : data.toString()));
    socket.on('error', (error) => {
      reason ||= error.message;
    });
    socket.once('close', (code, text) => this.#onClose(code, reason || text.toString()));
  }

  /** Undefined while the token file cannot be read; then a retry is scheduled. */
  #token(): string | undefined {
    const { token } = this.#options;
    try {
      this.#lastToken = typeof token === 'string' ? token : token();
      return this.#lastToken;
    } catch (error) {
      this.#waitMs = undefined;
      this.#tryLater(`The agent's token cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  async #onMessage(socket: WebSocket, text: string | undefined): Promise<void> {
    // Frames that arrive after this end closed the connection are dropped.
    if (this.#stopped || socket.readyState !== WebSocket.OPEN) return;
    this.#misses = 0;
    if (text === heartbeat.pong) return;
    if (text === heartbeat.ping) {
      socket.send(heartbeat.pong);
      return;
    }
    try {
      if (text === undefined) throw new GatewayError('frame-malformed', 'Binary frames are not spoken here.');
      await this.#onFrame(decodeCloudFrame(text));
    } catch (error) {
      this.#answerError(error);
    }
  }

  #answerError(error: unknown): void {
    const known = error instanceof GatewayError;
    const detail = known ? error.message : 'The frame could not be handled.';
    if (!known) this.#options.report(`Warning: a frame could not be handled: ${String(error)}`);
    if (this.#errorAnswers++ >= maxErrorAnswers) return;
    this.send({ type: 'error', code: known ? error.code : 'internal', detail: detail.slice(0, limits.shortTextChars) });
  }

  #onFrame(frame: CloudFrame): unknown {
    if (this.#sender === undefined && frame.type !== 'welcome' && frame.type !== 'error') {
      throw new GatewayError('frame-malformed', `A ${frame.type} frame came before welcome.`);
    }
    if (this.#isOfConnection(frame)) return handleFrame(this.#handlers, frame);
    return frame.type === 'approvals' ? this.#onApprovals(frame) : this.#options.onFrame(frame);
  }

  #isOfConnection(frame: CloudFrame): frame is ConnectionFrame {
    return Object.hasOwn(this.#handlers, frame.type);
  }

  #onApprovals(frame: FrameOf<CloudFrame, 'approvals'>): void {
    try {
      this.#options.onFrame(frame);
    } catch (error) {
      // Without approvals nothing may be sent; the next connection brings them again.
      this.#giveUp(`the approvals could not be kept (${String(error)})`);
      return;
    }
    this.#hasApprovals = true;
    // Not earlier: events of a phone whose approval was taken back while the agent was away are dropped by now (Z13).
    this.#sender?.start();
  }

  #onWelcome(welcome: Welcome): void {
    if (this.#welcome !== undefined) throw new GatewayError('frame-malformed', 'A second welcome.');
    clearTimeout(this.#welcomeTimeout);
    if (welcome.protocol !== protocolVersion) {
      this.#options.report(`The cloud speaks protocol ${welcome.protocol}, this agent ${protocolVersion}: update it.`);
      this.#waitMs = this.#backOff.refusedMs();
      this.#socket?.close(closeCodes.protocolError, 'No protocol version in common');
      return;
    }
    this.#welcome = welcome;
    this.#lastTrouble = '';
    this.#stable = setTimeout(() => this.#backOff.forget(), this.#backOff.stableMs());
    this.#scheduleBeat(welcome.heartbeatMs);
    this.#sender = new EventSender({
      outbox: this.#options.outbox,
      send: (frame) => this.#sendText(frame),
      onStalled: () => this.#giveUp('the cloud stopped acknowledging events'),
      eventsInFlight: Math.min(welcome.limits.eventsInFlight, limits.eventsInFlight),
      frameChars: Math.min(welcome.limits.frameChars, limits.frameChars),
      stallMs: this.#options.stallMs ?? 30_000,
    });
    this.#options.onWelcome(welcome);
  }

  #scheduleBeat(heartbeatMs: number): void {
    this.#beat = setTimeout(
      () => {
        if (this.#misses >= maxMisses) return this.#giveUp('the cloud fell silent');
        this.#misses++;
        this.#socket?.send(heartbeat.ping);
        this.#scheduleBeat(heartbeatMs);
      },
      heartbeatMs * (0.9 + 0.2 * Math.random()),
    );
  }

  #giveUp(why: string): void {
    this.#lastTrouble = why;
    this.#options.report(`The connection is given up: ${why}.`);
    this.#socket?.terminate();
  }

  #onClose(code: number, reason: string): void {
    this.#socket = undefined;
    clearTimeout(this.#welcomeTimeout);
    clearTimeout(this.#stable);
    clearTimeout(this.#beat);
    this.#sender?.stop();
    this.#sender = undefined;
    const wasWelcomed = this.#welcome !== undefined;
    this.#welcome = undefined;
    this.#hasApprovals = false;
    if (wasWelcomed) this.#options.onLost();
    if (this.#stopped) return;
    this.#tryLater(this.#troubleOf(code, reason), this.#waitAfter(code));
  }

  #tryLater(trouble: string, waitMs = this.#backOff.nextMs()): void {
    // The same trouble is reported once, not at each try.
    if (trouble !== this.#lastTrouble) {
      this.#options.report(`${trouble}. Next try in ${Math.max(1, Math.round(waitMs / 1000))} s, and so on.`);
    }
    this.#lastTrouble = trouble;
    this.#waitToDial(waitMs);
  }

  /** A refused token waits for minutes; another token in its file is tried within 5 s. */
  #waitToDial(waitMs: number): void {
    const stepMs = Math.min(waitMs, tokenLookMs);
    this.#redial = setTimeout(() => {
      if (waitMs > stepMs && !this.#hasNewToken()) this.#waitToDial(waitMs - stepMs);
      else this.#dial();
    }, stepMs);
  }

  #hasNewToken(): boolean {
    const { token } = this.#options;
    try {
      return typeof token !== 'string' && token() !== this.#lastToken;
    } catch {
      return false;
    }
  }

  #waitAfter(code: number): number {
    if (this.#waitMs !== undefined) return this.#waitMs;
    if (code === closeCodes.replaced) return this.#backOff.replacedMs();
    if (code === closeCodes.revoked) return this.#backOff.refusedMs();
    if (this.#spreadMs !== undefined) return this.#backOff.spreadMs(this.#spreadMs);
    return this.#backOff.nextMs();
  }

  #troubleOf(code: number, reason: string): string {
    if (code === closeCodes.replaced) return 'Another agent of this home took over the connection';
    if (code === closeCodes.revoked) {
      return "The cloud revoked this agent's token; give another (HOMELINE_AGENT_TOKEN_FILE)";
    }
    return `The cloud at ${new URL(this.#options.url).host} cannot be reached: ${printable(reason) || `closed with ${code}`}`;
  }
}

/** Text from the cloud without control characters, which could steer a terminal (requirement Z16). */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, ' ').slice(0, 200);
}
