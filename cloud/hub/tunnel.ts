// One connection of an agent: frames in, frames out (protocol/README.md). Work with the store runs strictly in order.
import { decodeEdgeFrame, encodeFrame } from '../../protocol/codec.ts';
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
} from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { Calls } from './calls.ts';
import { impliedFeatures, readAttachment } from './earlier-versions.ts';
import { isProbeAnswer } from './edge-events.ts';
import { EventIntake, type IntakeHome, type IntakeTunnel } from './event-intake.ts';
import type { HubDeps } from './hub-deps.ts';
import { answerInventory } from './inventory-answers.ts';
import { type AgentCounts, type LastActivity, type Link, noActivity, type SocketAttachment } from './link.ts';
import { Liveness } from './liveness.ts';
import { PhonesIntake, type PhonesIntakeHome, type PhonesIntakeTunnel } from './phones-intake.ts';
import { isUnavailable, storeAbsenceTimes } from './store-absence.ts';

/** Frames that wait for the store; a well-behaved agent stops at limits.eventsInFlight events. */
const waitingLimit = 4 * limits.eventsInFlight;
/** No more frames are read above so many characters: parsed, some take twenty times their length in memory. */
const waitingChars = 4 * limits.frameChars;
/** The agent's probe comes every five minutes; the cloud answers it with its own when nothing else went down. */
const quietMs = 4 * 60_000;

/** What may come after `hello`. */
type GreetedFrame = Exclude<EdgeFrame, { type: 'hello' }>;

/** The home that a tunnel belongs to. */
export interface TunnelHome extends IntakeHome, PhonesIntakeHome {
  readonly calls: Calls;
  /** The agent fell silent, or answers again. */
  livenessChanged(): void;
}

export class Tunnel implements IntakeTunnel, PhonesIntakeTunnel {
  readonly link: Link;
  readonly #home: TunnelHome;
  readonly #deps: HubDeps;
  readonly #handlers: FrameHandlers<GreetedFrame, [chars: number]>;
  readonly #liveness: Liveness;
  #hasShownPhones: boolean;
  #attachment: SocketAttachment;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingChars = 0;
  #open = true;
  #wakeRetry: (() => void) | undefined;

  constructor(link: Link, attachment: SocketAttachment, home: TunnelHome, deps: HubDeps) {
    this.link = link;
    this.#attachment = readAttachment(attachment);
    this.#home = home;
    this.#deps = deps;
    this.#handlers = this.#handlersOf(new EventIntake(this, home, deps), new PhonesIntake(this, home, deps.store));
    this.#hasShownPhones = this.greeted;
    this.#liveness = new Liveness({
      ...deps,
      ping: () => this.link.send(heartbeat.ping),
      changed: () => {
        if (this.#open) home.livenessChanged();
      },
    });
  }

  get lastActivity(): LastActivity {
    return this.#attachment.lastActivity ?? noActivity;
  }

  get agent(): SocketAttachment['agent'] {
    return this.#attachment.agent;
  }

  get ackedSeq(): number {
    return this.#attachment.ackedSeq;
  }

  /** Whether both ends have the feature. */
  has(feature: TunnelFeature): boolean {
    return this.#attachment.features?.includes(feature) === true;
  }

  /** The numbers that the agent last sent; empty before it sent any. */
  get counts(): AgentCounts {
    return this.#attachment.counts ?? {};
  }

  get mayApprove(): boolean {
    return this.#attachment.mayApprove === true;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether the agent has introduced itself: only then is the home online. */
  get greeted(): boolean {
    return this.#attachment.bootId !== null;
  }

  /** Whether the agent did not answer a `ping`. */
  get isSilent(): boolean {
    return this.#liveness.isSilent;
  }

  /** Whether the agent has sent its list of phones: only then is the home shown as it is. */
  get hasShownPhones(): boolean {
    return this.#hasShownPhones;
  }

  /** Pings an agent that can answer: a client looks at the home, or waits for its agent. */
  probe(): void {
    if (this.#open && this.greeted && this.has('ping')) this.#liveness.probe();
  }

  receive(text: string): void {
    if (!this.#open) return;
    this.#liveness.noteReceived();
    if (text === heartbeat.pong) return;
    let frame: EdgeFrame;
    try {
      frame = decodeEdgeFrame(text);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.send({ type: 'error', code: error.code, detail: error.message });
      return;
    }
    if (frame.type === 'hello') this.#greet(frame);
    else if (!this.greeted) this.close(closeCodes.protocolError, 'hello comes first');
    else void this.#handle(frame, text.length);
  }

  /** A handler that fails costs its frame and not the tunnel. */
  async #handle(frame: GreetedFrame, chars: number): Promise<void> {
    try {
      await handleFrame(this.#handlers, frame, chars);
    } catch (error) {
      this.#deps.log.error('tunnel.frame-failed', { home: this.#home.id, type: frame.type, error: String(error) });
      this.send({ type: 'error', code: 'internal', detail: `The ${frame.type} frame could not be handled.` });
    }
  }

  send(frame: CloudFrame): void {
    if (this.#open) this.link.send(encodeFrame(frame));
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.closed();
    this.link.close(code, reason);
  }

  /** The socket is gone: nothing more is sent. Work that waits for the store is dropped; the agent sends it again. */
  closed(): void {
    this.#open = false;
    this.#liveness.stop();
    this.#wakeRetry?.();
  }

  acknowledge(seq: number): void {
    this.#keep({ ackedSeq: Math.max(seq, this.ackedSeq) });
    this.send({ type: 'ack', seq: this.ackedSeq });
  }

  /** Probes the way down to the phones here, because the home is awake anyway. */
  noteActivity(udn: string): void {
    this.#noteActivity('fromPhonesMs');
    const nowMs = this.#deps.clock.now();
    const { probedMs = 0 } = this.#attachment;
    if (!this.#open || nowMs - Math.max(this.lastActivity.toPhonesMs ?? 0, probedMs) < quietMs) return;
    this.#keep({ probedMs: nowMs });
    this.#home.calls.probe(this.link, udn);
  }

  /** Keeps the registry with the socket, after a change of it. */
  keepPhoneRegistry(): void {
    this.#keep(this.#home.phoneRegistry.snapshot);
  }

  notePhones({ type: _, phones: __, ...counts }: FrameOf<EdgeFrame, 'phones'>): void {
    this.#hasShownPhones = true;
    this.#keep({ ...this.#home.phoneRegistry.snapshot, counts });
  }

  #noteActivity(direction: keyof LastActivity): void {
    this.#keep({ lastActivity: { ...this.lastActivity, [direction]: this.#deps.clock.now() } });
  }

  /** Runs after all work before it. `chars`: the length of the frame that the work is about. */
  inOrder(task: () => Promise<void>, chars = 0): void {
    if (++this.#waiting > waitingLimit) {
      this.close(closeCodes.protocolError, 'more frames than the window allows');
      return;
    }
    this.#hold(chars);
    this.#work = this.#work.then(async () => {
      this.#waiting--;
      try {
        if (this.#open) await task();
      } catch (error) {
        this.#deps.log.error('tunnel.work-failed', { home: this.#home.id, error: String(error) });
        this.close(1011, 'the cloud failed at this frame');
      } finally {
        this.#hold(-chars);
      }
    });
  }

  #hold(chars: number): void {
    const wasPaused = this.#waitingChars > waitingChars;
    this.#waitingChars += chars;
    const isPaused = this.#waitingChars > waitingChars;
    if (isPaused !== wasPaused) this.link.pause?.(isPaused);
  }

  #greet(hello: FrameOf<EdgeFrame, 'hello'>): void {
    if (this.greeted) {
      this.close(closeCodes.protocolError, 'hello comes once');
      return;
    }
    if (!hello.protocol.includes(protocolVersion)) {
      const detail = `This cloud speaks version ${protocolVersion} of the tunnel protocol.`;
      this.send({ type: 'error', code: 'protocol-unsupported', detail });
      this.close(closeCodes.protocolError, 'no protocol version in common');
      return;
    }
    const agent = { ...this.#attachment.agent, version: hello.software };
    this.#keep({ agent, bootId: hello.bootId, ackedSeq: hello.firstSeq - 1, features: sharedFeatures(hello.features) });
    // A fleet that comes back at once must not meet the store here.
    this.send({
      type: 'welcome',
      protocol: protocolVersion,
      home: this.#home.id,
      store: this.#deps.store.id,
      time: new Date(this.#deps.clock.now()).toISOString(),
      heartbeatMs: this.#deps.heartbeatMs,
      limits: {
        frameChars: limits.frameChars,
        eventsInFlight: limits.eventsInFlight,
        callsInFlight: limits.callsInFlight,
      },
      features: [...tunnelFeatures],
    });
    this.inOrder(() =>
      this.#persist(async () => {
        const greeting = { type: 'home.status', online: true, agent: this.agent } as const;
        await this.#home.commit([greeting, ...this.#home.corrections()]);
      }),
    );
  }

  /** One entry for each type of frame. */
  #handlersOf(events: EventIntake, phones: PhonesIntake): FrameHandlers<GreetedFrame, [chars: number]> {
    const stored = (task: () => Promise<void>, chars: number) => this.inOrder(() => this.#persist(task), chars);
    return {
      result: (frame) => {
        if (this.#home.calls.result(frame)) this.#noteActivity('toPhonesMs');
      },
      failure: (frame) => {
        // A refusal is the phone's own answer.
        if (frame.upnpCode !== undefined) this.#noteActivity('toPhonesMs');
        this.#home.calls.failure(frame);
      },
      events: (frame, chars) =>
        this.inOrder(async () => {
          if (!frame.events.every(isProbeAnswer)) await this.#persist(() => this.#home.phoneRegistry.load());
          await events.take(frame.events);
        }, chars),
      phones: (frame, chars) => {
        this.#add(impliedFeatures(frame));
        stored(() => phones.take(frame), chars);
      },
      inventory: (frame, chars) =>
        stored(() => answerInventory(frame, this.#home, this.#deps.store, (answer) => this.send(answer)), chars),
      error: (frame) => {
        this.#deps.log.warn('tunnel.agent-error', { home: this.#home.id, code: frame.code });
      },
    };
  }

  #add(features: readonly TunnelFeature[]): void {
    const added = features.filter((feature) => !this.has(feature));
    if (added.length > 0) this.#keep({ features: [...(this.#attachment.features ?? []), ...added] });
  }

  /** Repeats a task with back-off while the store is unavailable and the tunnel is open. */
  async #persist(task: () => Promise<void>): Promise<void> {
    const backOff = new BackOff(storeAbsenceTimes);
    while (this.#open) {
      try {
        await task();
        return;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        const { promise, resolve } = Promise.withResolvers<void>();
        const cancel = this.#deps.deadlines.after(backOff.nextMs(), resolve);
        this.#wakeRetry = resolve;
        await promise;
        this.#wakeRetry = undefined;
        cancel();
      }
    }
  }

  #keep(change: Partial<SocketAttachment>): void {
    this.#attachment = { ...this.#attachment, ...change };
    this.link.keep(this.#attachment);
  }
}
