// One live connection of an agent: frames in, frames out (protocol/README.md). Durable work happens strictly in order.
import { decodeEdgeFrame, encodeFrame } from '../../protocol/codec.ts';
import { GatewayError } from '../../protocol/errors.ts';
import {
  type CloudFrame,
  closeCodes,
  type EdgeFrame,
  type FrameOf,
  heartbeat,
  type PhonePresence,
  protocolVersion,
} from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { Write } from '../store/store.ts';
import type { Calls } from './calls.ts';
import { isProbeAnswer } from './edge-events.ts';
import { EventIntake, type IntakeHome, type IntakeTunnel } from './event-intake.ts';
import type { HubDeps } from './hub-deps.ts';
import { type LastActivity, type Link, noActivity, type SocketAttachment } from './link.ts';
import { Liveness } from './liveness.ts';
import { isUnavailable, storeAbsenceTimes } from './store-absence.ts';

/** Frames that wait for the store; a well-behaved agent stops at limits.eventsInFlight events. */
const waitingLimit = 4 * limits.eventsInFlight;
/** Characters of such frames beyond which no more are read: read, some take twenty times their length in memory. */
const waitingChars = 4 * limits.frameChars;
const inventoryPage = 1000;
/** The agent's canary comes every five minutes: at each of them, if nothing else passed the other way. */
const quietMs = 4 * 60_000;

/** What a tunnel reports to its home. */
export interface TunnelHome extends IntakeHome {
  readonly calls: Calls;
  phonesChanged(): void;
  /** What watchers must be told because the home was shown to be away, though no event told them so. */
  corrections(): Write[];
  /** The agent fell silent, or answers again. */
  livenessChanged(): void;
}

export class Tunnel implements IntakeTunnel {
  readonly link: Link;
  readonly #home: TunnelHome;
  readonly #deps: HubDeps;
  readonly #intake: EventIntake;
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
    this.#attachment = attachment;
    this.#home = home;
    this.#deps = deps;
    this.#intake = new EventIntake(this, home, deps);
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

  /** How many dead letters the agent keeps; undefined where it cannot be asked for them. */
  get deadLetters(): number | undefined {
    return this.#attachment.deadLetters;
  }

  /** Whether the agent has introduced itself: only then is the home online. */
  get greeted(): boolean {
    return this.#attachment.bootId !== null;
  }

  /** Whether the agent was asked for a sign of life and gave none. */
  get isSilent(): boolean {
    return this.#liveness.isSilent;
  }

  /** Whether the agent has told which phones there are: only then is the home shown as it is. */
  get hasShownPhones(): boolean {
    return this.#hasShownPhones;
  }

  /** Somebody looks at the home, or waits for its agent: an agent that can answer is asked whether it is still there. */
  probe(): void {
    if (this.#open && this.greeted && this.#attachment.pings === true) this.#liveness.probe();
  }

  receive(text: string): void {
    if (!this.#open) return;
    this.#liveness.heard();
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
    else this.#take(frame, text.length);
  }

  send(frame: CloudFrame): void {
    if (this.#open) this.link.send(encodeFrame(frame));
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.closed();
    this.link.close(code, reason);
  }

  /** The socket is gone: nothing more is sent, and work that waits for the store is dropped (the agent sends again). */
  closed(): void {
    this.#open = false;
    this.#liveness.stop();
    this.#wakeRetry?.();
  }

  acknowledge(seq: number): void {
    this.#keep({ ackedSeq: Math.max(seq, this.ackedSeq) });
    this.send({ type: 'ack', seq: this.ackedSeq });
  }

  /** The way to the phones is put to the proof here, where the home is awake anyway. */
  noteActivity(udn: string): void {
    this.#noteActivity('fromPhonesMs');
    const nowMs = this.#deps.clock.now();
    const { probedMs: provenMs = 0 } = this.#attachment;
    if (!this.#open || nowMs - Math.max(this.lastActivity.toPhonesMs ?? 0, provenMs) < quietMs) return;
    this.#keep({ probedMs: nowMs });
    this.#home.calls.probe(this.link, udn);
  }

  /** Once phones have changed otherwise than by the agent's word. */
  keepPhoneRegistry(): void {
    this.#keep(this.#home.phoneRegistry.note);
  }

  #noteActivity(direction: keyof LastActivity): void {
    this.#keep({ lastActivity: { ...this.lastActivity, [direction]: this.#deps.clock.now() } });
  }

  /** Runs after all work before it, with the store. `chars`: of the frame that asks for it. */
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
    const pings = hello.features?.includes('ping') === true;
    this.#keep({ agent, bootId: hello.bootId, ackedSeq: hello.firstSeq - 1, ...(pings && { pings }) });
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
    });
    this.inOrder(() =>
      this.#persist(async () => {
        const greeting = { type: 'home.status', online: true, agent: this.agent } as const;
        await this.#home.commit([greeting, ...this.#home.corrections()]);
      }),
    );
  }

  #take(frame: Exclude<EdgeFrame, { type: 'hello' }>, chars: number): void {
    switch (frame.type) {
      case 'result':
        if (this.#home.calls.result(frame)) this.#noteActivity('toPhonesMs');
        break;
      case 'failure':
        // A refusal is the phone's own answer.
        if (frame.upnpCode !== undefined) this.#noteActivity('toPhonesMs');
        this.#home.calls.failure(frame);
        break;
      case 'events':
        this.inOrder(async () => {
          if (!frame.events.every(isProbeAnswer)) await this.#persist(() => this.#home.phoneRegistry.load());
          await this.#intake.take(frame.events);
        }, chars);
        break;
      case 'phones':
        this.inOrder(() => this.#persist(() => this.#takePhones(frame)), chars);
        break;
      case 'inventory':
        this.inOrder(() => this.#persist(() => this.#answerInventory(frame)), chars);
        break;
      case 'error':
        this.#deps.log.warn('tunnel.agent-error', { home: this.#home.id, code: frame.code });
        break;
    }
  }

  async #takePhones(frame: FrameOf<EdgeFrame, 'phones'>): Promise<void> {
    const { phoneRegistry } = this.#home;
    await phoneRegistry.load();
    const approvalsBefore = phoneRegistry.approvalState;
    const seen = phoneRegistry.change(
      () => this.#deps.store.putPhones(this.#home.id, this.#believed(frame.phones)),
      (records) => phoneRegistry.keep(records),
    );
    this.keepPhoneRegistry();
    await seen;
    if (!this.#open) return;
    const before = new Set(phoneRegistry.online);
    phoneRegistry.setOnline(
      frame.phones.flatMap((phone) => (phone.online ? (phoneRegistry.byUdn(phone.udn)?.id ?? []) : [])),
    );
    const haveTroublesChanged = phoneRegistry.setTroubles(frame.phones);
    this.#hasShownPhones = true;
    const haveLettersChanged = (frame.deadLetters ?? 0) !== (this.deadLetters ?? 0);
    this.#keep({ ...phoneRegistry.note, deadLetters: frame.deadLetters });
    this.send(phoneRegistry.approvals);
    const changed = phoneRegistry.phones.filter((phone) => phone.online !== before.has(phone.id));
    // The others too: one that was told to be online may have gone while the home was away for a moment.
    const unchanged = phoneRegistry.phones.filter((phone) => phone.online === before.has(phone.id));
    const corrections = this.#home.corrections();
    const haveApprovalsChanged = approvalsBefore !== phoneRegistry.approvalState;
    const isNews = corrections.length === 0 && (haveLettersChanged || haveTroublesChanged || haveApprovalsChanged);
    await this.#home.commit([
      ...[...changed, ...unchanged].map((phone) => ({ type: 'phone.status', phone }) as const),
      ...(isNews ? [{ type: 'home.updated' } as const] : corrections),
    ]);
    this.#home.phonesChanged();
  }

  /** Approval needs `phones:approve`: whoever made the agent's token lends it that, or does not have it. */
  #believed(phones: readonly PhonePresence[]): readonly PhonePresence[] {
    if (this.#attachment.mayApprove === true) return phones;
    return phones.map((phone) => ({ ...phone, trusted: false }));
  }

  async #answerInventory({ udn, after }: FrameOf<EdgeFrame, 'inventory'>): Promise<void> {
    await this.#home.phoneRegistry.load();
    const phone = this.#home.phoneRegistry.byUdn(udn);
    if (phone === undefined) {
      this.send({ type: 'inventory', udn, items: [] });
      return;
    }
    for (let limit = inventoryPage; limit >= 1; limit = Math.floor(limit / 8)) {
      const page = await this.#deps.store.inventory(this.#home.id, phone.id, { after, limit });
      try {
        this.send({ type: 'inventory', udn, ...page });
        return;
      } catch (error) {
        // A phone may have very long identifiers: a smaller page then fits the frame.
        if (!(error instanceof GatewayError) || error.code !== 'frame-too-large') throw error;
      }
    }
  }

  /** Does what needs the store, again and again while the store does not answer and the agent is there. */
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
