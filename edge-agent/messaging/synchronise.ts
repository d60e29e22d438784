// What the phone has ⇄ what the cloud knows: when to look at a phone, and what came of it. PhoneLook does the looking.

import { backOffMs } from '../../shared/back-off.ts';
import { UpnpError } from '../upnp/error.ts';
import type { CallOptions, PhoneCalls, PhoneControlPoint } from './control-point.ts';
import type { KnownItem } from './known-messages.ts';
import { type Consequence, KnownPhone, type PhoneMemory } from './known-phone.ts';
import type { MessageEntry } from './message-list.ts';
import { noteEvent, PendingSync } from './pending-sync.ts';
import { type CloudKnowledge, SyncPass } from './sync-pass.ts';

export interface SynchroniserOptions {
  readonly controlPoint: PhoneControlPoint;
  readonly memory: PhoneMemory;
  readonly cloud: CloudKnowledge;
  report(line: string): void;
  /** Called when the epoch has advanced. */
  onEpoch?(): void;
  /** Called when `trouble` has come or gone. */
  onTrouble?(): void;
  /** Called after each look: whether the phone answered. */
  onReachable?(reachable: boolean): void;
  /** Something came in of which the phone should have told, and did not. */
  onUntold?(): void;
  /** How often everything is compared although the phone sends events. */
  readonly compareMs?: number;
  /** How often everything is compared while the phone sends no events. */
  readonly pollMs?: number;
  /** After how long a list that is suddenly short is looked at again before it is believed: 30 s unless told. */
  readonly confirmMs?: number;
  /** Epoch milliseconds: `Date.now` unless told. */
  now?(): number;
}

const retryTimes = { firstMs: 1000, capMs: 60_000 };
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
  readonly #syncPass: SyncPass;
  #pendingSync = new PendingSync();
  #running: Promise<void> | undefined;
  /** What is looked at beside a long list. */
  #beside: Promise<void> | undefined;
  /** How many messages were read of a phone that has more. */
  #tooLong: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the phone may be bothered with the next wide look; on the clock of `performance.now()`. */
  #wideFromMs = 0;
  /** When all is looked at once more, because the last list is not believed; on the same clock. */
  #againAtMs: number | undefined;
  #failures = 0;
  #live = false;
  #approved = false;
  #hasEvents = false;
  #inStep = false;

  constructor(options: SynchroniserOptions) {
    this.#options = options;
    this.#udn = options.controlPoint.udn;
    const { memory, confirmMs, now } = options;
    this.#known = new KnownPhone({ udn: this.#udn, memory, confirmMs, ...(now !== undefined && { now }) });
    this.#syncPass = new SyncPass({
      controlPoint: options.controlPoint,
      known: this.#known,
      cloud: options.cloud,
      onEpoch: () => options.onEpoch?.(),
      onListing: () => this.#beginBeside(),
      onTooLong: (read) => this.#setTooLong(read),
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
    this.requestFullSync();
  }

  /** Resolves when no look is under way any more. */
  async stop(): Promise<void> {
    this.#live = false;
    clearTimeout(this.#timer);
    this.#options.controlPoint.abandonBackground();
    await Promise.all([this.#running, this.#beside]);
  }

  /** Nothing is asked or told of a phone that the household has not approved (requirement Z13). */
  setApproved(approved: boolean): void {
    if (approved === this.#approved) return;
    this.#approved = approved;
    this.#known.unload();
    if (approved) this.requestFullSync();
  }

  /** Whether the phone's own events arrive; without them it is polled (requirement E11). */
  setHasEvents(hasEvents: boolean): void {
    this.#hasEvents = hasEvents;
    this.#known.doubtSeen();
    this.requestFullSync();
  }

  /** What the phone's own event says is looked up at once. */
  onEvent(variables: ReadonlyMap<string, string>): void {
    this.request((pendingSync) => {
      pendingSync.notifiedMs ??= Date.now();
      noteEvent(pendingSync, this.#udn, variables, (messageId) => this.#known.isKnown(messageId));
    });
  }

  requestFullSync(): void {
    this.request((pendingSync) => pendingSync.addEverything());
  }

  /** Puts something on the agenda and begins to work it off. */
  request(note: (pendingSync: PendingSync) => void): void {
    note(this.#pendingSync);
    this.#begin();
    this.#beginBeside();
  }

  /** What the household must know of this phone's messages, in its words. */
  get trouble(): { readonly code: string; readonly detail: string } | undefined {
    if (this.#tooLong === undefined) return undefined;
    const count = this.#tooLong.toLocaleString('en');
    return {
      code: 'list-too-long',
      detail:
        `This phone holds more messages than Homeline reads of one phone. ${count} are here. The others stay on the phone ` +
        'only. Delete messages on the phone that you do not need.',
    };
  }

  /** Tells of a message that a command deleted, by our identifier; part of the command's own section of the queue. */
  onDeleted(id: string): void {
    if (this.#known.isLoaded) this.#known.concludeDeletion(id);
  }

  /** The phone does not have the message that a command meant; part of the command's own section of the queue. */
  onNotFound(id: string): void {
    if (this.#known.isLoaded) this.#known.concludeAbsence(id);
  }

  /** Takes over a message as a command's answer showed it; part of the command's own section of the queue. */
  onSeen(entry: MessageEntry): void {
    const { needsWhole } = this.#syncPass.concludeMessage(entry);
    if (needsWhole) this.request((pendingSync) => pendingSync.addAllMessages());
  }

  /**
   * Which message the phone has now by its own identifier, before a command acts on it: our identifier and the phone's.
   * Part of the command's own section of the queue. Undefined: none, or not the one that is meant by `id`.
   * @throws UpnpError when the phone cannot be asked
   */
  async identify(
    calls: PhoneCalls,
    meant: { messageId: string; id?: string | undefined },
    options: CallOptions,
  ): Promise<{ readonly id: string; readonly messageId: string } | undefined> {
    if (!this.#known.isLoaded && !(await this.#syncPass.compareWithCloud(this.#pendingSync))) return undefined;
    return this.#syncPass.identify(calls, meant, options);
  }

  /** A message that a command made is known by the command's key from now on. */
  learn(item: KnownItem): void {
    this.#known.learn(item);
  }

  /** The stable identifier of a session of this phone. */
  sessionKeyOf(sessionId: string): string {
    return this.#known.sessionKeyOf(sessionId);
  }

  #begin(): void {
    if (!this.#live || !this.#approved || this.#running !== undefined || this.#pendingSync.isEmpty) return;
    clearTimeout(this.#timer);
    const isEarly = this.#pendingSync.isWide && performance.now() < this.#wideFromMs;
    if (isEarly && !this.#pendingSync.isUrgent) {
      this.#timer = setTimeout(() => this.#begin(), this.#wideFromMs - performance.now());
      return;
    }
    const pendingSync = this.#pendingSync;
    this.#pendingSync = isEarly ? pendingSync.putOffWide() : new PendingSync();
    this.#running = this.#work(pendingSync, this.#pendingSync).finally(() => {
      this.#running = undefined;
      if (!this.#live) return;
      if (this.#pendingSync.isEmpty || this.#failures > 0) this.#schedule();
      else this.#begin();
    });
  }

  /** A new message does not wait for the end of a long list. */
  #beginBeside(): void {
    if (!this.#live || !this.#approved || !this.#syncPass.isListing || this.#beside !== undefined) return;
    const named = this.#pendingSync.takeNamed();
    if (named.isEmpty) return;
    this.#beside = this.#lookBeside(named).finally(() => {
      this.#beside = undefined;
      this.#beginBeside();
      this.#begin();
    });
  }

  async #lookBeside(named: PendingSync): Promise<void> {
    try {
      await this.#syncPass.besideList(named, this.#pendingSync);
    } catch {
      // The list under way may not show it any more.
      this.#pendingSync.addEverything();
    }
  }

  #setTooLong(read: number | undefined): void {
    const isNew = (read === undefined) !== (this.#tooLong === undefined);
    this.#tooLong = read;
    if (isNew) this.#options.onTrouble?.();
  }

  #schedule(): void {
    const { compareMs = 5 * 60_000, pollMs = 15_000 } = this.#options;
    const standardMs = this.#hasEvents ? compareMs : pollMs;
    const againMs = (this.#againAtMs ?? Number.POSITIVE_INFINITY) - performance.now();
    const retryMs = backOffMs(retryTimes, this.#failures - 1);
    const waitMs = this.#failures > 0 ? retryMs : Math.max(0, Math.min(standardMs, againMs));
    this.#timer = setTimeout(() => this.requestFullSync(), waitMs);
  }

  async #work(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    try {
      if (!(await this.#syncPass.compareWithCloud(pendingSync))) return;
      await this.#syncPass.atSessions(pendingSync, next);
      await this.#lookAtMessages(pendingSync, next);
      await this.#syncPass.atFiles(pendingSync);
      this.#onDone(pendingSync);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  async #lookAtMessages(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    const startedMs = performance.now();
    this.#note(await this.#syncPass.atMessages(pendingSync, next), pendingSync);
    if (!pendingSync.everything && !pendingSync.isWide) return;
    const endedMs = performance.now();
    this.#wideFromMs = endedMs + Math.max(shortestPauseMs, (endedMs - startedMs) * pauseFactor);
  }

  #note({ lookAgainMs }: Consequence, pendingSync: PendingSync): void {
    if (lookAgainMs !== undefined) this.#againAtMs = performance.now() + lookAgainMs;
    else if (pendingSync.everything || pendingSync.allMessages) this.#againAtMs = undefined;
  }

  #onDone(pendingSync: PendingSync): void {
    this.#failures = 0;
    this.#options.onReachable?.(true);
    if (this.#inStep || !pendingSync.everything) return;
    this.#inStep = true;
    const { messages, sessions } = this.#known.counts;
    this.#options.report(`In step with the phone: ${counted(messages, 'message')}, ${counted(sessions, 'session')}.`);
  }

  #onFailed(error: unknown): void {
    this.#failures++;
    this.#pendingSync.addEverything();
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
