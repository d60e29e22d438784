// What the phone has ⇄ what the cloud knows: when to look at a phone, and what came of it. PhoneLook does the looking.
import type { InventoryItem } from '../../protocol/frames.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { UpnpError } from '../upnp/error.ts';
import { Agenda, noteEvent } from './agenda.ts';
import type { PhoneControlPoint } from './control-point.ts';
import { KnownPhone, type PhoneMemory } from './known-phone.ts';
import { type CloudKnowledge, PhoneLook } from './look.ts';

export interface SynchroniserOptions {
  readonly controlPoint: PhoneControlPoint;
  readonly memory: PhoneMemory;
  readonly cloud: CloudKnowledge;
  report(line: string): void;
  /** Called when the epoch has advanced. */
  onEpoch?(): void;
  /** Called after each look: whether the phone answered. */
  onReachable?(reachable: boolean): void;
  /** Something came in of which the phone should have told, and did not. */
  onUntold?(): void;
  /** How often everything is compared although the phone sends events. */
  readonly compareMs?: number;
  /** How often everything is compared while the phone sends no events. */
  readonly pollMs?: number;
}

const firstRetryMs = 1000;
const retryCapMs = 60_000;
/**
 * A burst of sends or of hints without a name costs one long list a while, not one each. While the phone lists, what just
 * arrived there waits: it is to meet fewer than one arrival in a hundred.
 */
const shortestPauseMs = 2000;
/** Listing all that a phone has takes at most a tenth of its time. */
const pauseFactor = 9;

export class PhoneSynchroniser {
  readonly #options: SynchroniserOptions;
  readonly #udn: string;
  readonly #known: KnownPhone;
  readonly #look: PhoneLook;
  #agenda = new Agenda();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the phone may be bothered with the next wide look; on the clock of `performance.now()`. */
  #wideFromMs = 0;
  #failures = 0;
  #live = false;
  #approved = false;
  #hasEvents = false;
  #inStep = false;

  constructor(options: SynchroniserOptions) {
    this.#options = options;
    this.#udn = options.controlPoint.udn;
    this.#known = new KnownPhone(this.#udn, options.memory);
    this.#look = new PhoneLook({
      controlPoint: options.controlPoint,
      known: this.#known,
      cloud: options.cloud,
      onEpoch: () => options.onEpoch?.(),
      onRecovered: () => {
        if (this.#inStep && this.#hasEvents) options.onUntold?.();
      },
    });
  }

  get epoch(): number {
    return this.#known.epoch;
  }

  start(): void {
    this.#live = true;
    this.lookAtEverything();
  }

  /** Resolves when no look is under way any more. */
  async stop(): Promise<void> {
    this.#live = false;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Nothing is asked or told of a phone that the household has not approved (requirement Z13). */
  setApproved(approved: boolean): void {
    if (approved === this.#approved) return;
    this.#approved = approved;
    this.#known.unload();
    if (approved) this.lookAtEverything();
  }

  /** Whether the phone's own events arrive; without them it is polled (requirement E11). */
  setHasEvents(hasEvents: boolean): void {
    this.#hasEvents = hasEvents;
    this.lookAtEverything();
  }

  /** What the phone's own event says is looked up at once. */
  onEvent(variables: ReadonlyMap<string, string>): void {
    this.request((agenda) => {
      agenda.notifiedMs ??= Date.now();
      noteEvent(agenda, this.#udn, variables, (messageId) => this.#known.isKnown(messageId));
    });
  }

  lookAtEverything(): void {
    this.request((agenda) => agenda.lookAtEverything());
  }

  /** Puts something on the agenda and begins to work it off. */
  request(note: (agenda: Agenda) => void): void {
    note(this.#agenda);
    this.#begin();
  }

  /** Forgets and tells of a message that a command deleted; part of the command's own section of the queue. */
  onDeleted(messageId: string): void {
    if (this.#known.isLoaded) this.#known.concludeDeletion(messageId);
  }

  /** Takes over a message as a command's answer showed it; part of the command's own section of the queue. */
  onSeen(message: PhoneMessage, xml: string): void {
    this.#look.concludeMessages([{ message, xml }], { whole: false, recovered: false });
  }

  /** A message that a command made is known by the command's key from now on. */
  learn(item: InventoryItem): void {
    this.#known.learn(item);
  }

  /** The stable identifier of a session of this phone. */
  sessionKeyOf(sessionId: string): string {
    return this.#known.sessionKeyOf(sessionId);
  }

  #begin(): void {
    if (!this.#live || !this.#approved || this.#running !== undefined || this.#agenda.isEmpty) return;
    clearTimeout(this.#timer);
    const isEarly = this.#agenda.isWide && performance.now() < this.#wideFromMs;
    if (isEarly && !this.#agenda.isUrgent) {
      this.#timer = setTimeout(() => this.#begin(), this.#wideFromMs - performance.now());
      return;
    }
    const agenda = this.#agenda;
    this.#agenda = isEarly ? agenda.putOffWide() : new Agenda();
    this.#running = this.#work(agenda, this.#agenda).finally(() => {
      this.#running = undefined;
      if (!this.#live) return;
      if (this.#agenda.isEmpty || this.#failures > 0) this.#schedule();
      else this.#begin();
    });
  }

  #schedule(): void {
    const { compareMs = 5 * 60_000, pollMs = 15_000 } = this.#options;
    const standardMs = this.#hasEvents ? compareMs : pollMs;
    const retryMs = Math.min(retryCapMs, firstRetryMs * 2 ** Math.min(this.#failures - 1, 10));
    this.#timer = setTimeout(() => this.lookAtEverything(), this.#failures > 0 ? retryMs : standardMs);
  }

  async #work(agenda: Agenda, next: Agenda): Promise<void> {
    try {
      if (!(await this.#look.compareWithCloud(agenda))) return;
      await this.#look.atSessions(agenda, next);
      await this.#lookAtMessages(agenda, next);
      await this.#look.atFiles(agenda);
      this.#onDone(agenda);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  async #lookAtMessages(agenda: Agenda, next: Agenda): Promise<void> {
    const startedMs = performance.now();
    await this.#look.atMessages(agenda, next);
    if (!agenda.everything && !agenda.isWide) return;
    const endedMs = performance.now();
    this.#wideFromMs = endedMs + Math.max(shortestPauseMs, (endedMs - startedMs) * pauseFactor);
  }

  #onDone(agenda: Agenda): void {
    this.#failures = 0;
    this.#options.onReachable?.(true);
    if (this.#inStep || !agenda.everything) return;
    this.#inStep = true;
    const { messages, sessions } = this.#known.counts;
    this.#options.report(`In step with the phone: ${counted(messages, 'message')}, ${counted(sessions, 'session')}.`);
  }

  #onFailed(error: unknown): void {
    this.#failures++;
    this.#agenda.lookAtEverything();
    if (error instanceof UpnpError) this.#options.onReachable?.(error.kind !== 'unreachable');
    if (this.#failures !== 1 || !this.#live) return;
    this.#inStep = false;
    const words = error instanceof Error ? error.message : String(error);
    this.#options.report(`The phone's messages cannot be listed: ${words.replace(/\.$/, '')}. Trying again.`);
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
