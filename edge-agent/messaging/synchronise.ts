// Keeps the cloud in step with one phone: decides when to run a sync pass, and what to do with its result.

import { backOffMs } from '../../shared/back-off.ts';
import { UpnpError } from '../upnp/error.ts';
import type { CallOptions, PhoneCalls, PhoneControlPoint } from './control-point.ts';
import type { KnownItem } from './known-messages.ts';
import { KnownPhone, type ListOutcome, type PhoneMemory } from './known-phone.ts';
import type { MessageEntry } from './message-list.ts';
import { addEvent, PendingSync } from './pending-sync.ts';
import { type CloudKnowledge, SyncPass } from './sync-pass.ts';

export interface SynchroniserOptions {
  readonly controlPoint: PhoneControlPoint;
  readonly memory: PhoneMemory;
  readonly cloud: CloudKnowledge;
  report(line: string): void;
  /** Called when the epoch has advanced. */
  onEpoch?(): void;
  /** Called when `trouble` appeared or cleared. */
  onTrouble?(): void;
  /** Called after each sync pass: whether the phone answered. */
  onReachable?(reachable: boolean): void;
  /** Called when a sync found a change without the event that the phone should have sent. */
  onMissedEvent?(): void;
  /** How often to compare everything while the phone sends events. */
  readonly compareMs?: number;
  /** How often to compare everything while the phone sends no events. */
  readonly pollMs?: number;
  /** How long after a suspiciously short list to list again; default 30 s. */
  readonly confirmMs?: number;
  /** Epoch milliseconds; default `Date.now`. */
  now?(): number;
}

const retryTimes = { firstMs: 1000, capMs: 60_000 };
/**
 * Debounce: a burst of sends or of hints without a name causes one long list per interval, not one each. New arrivals wait
 * while the phone lists; with this value fewer than one in a hundred should.
 */
const minWidePauseMs = 2000;
/** Listing everything may take at most a tenth of the phone's time. */
const pauseFactor = 9;

export class PhoneSynchroniser {
  readonly #options: SynchroniserOptions;
  readonly #udn: string;
  readonly #known: KnownPhone;
  readonly #syncPass: SyncPass;
  #pendingSync = new PendingSync();
  #running: Promise<void> | undefined;
  /** Listing beside a long list. */
  #named: Promise<void> | undefined;
  /** Number of messages read from a phone that has more than the cap. */
  #tooLong: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Earliest time for the next wide list, on the clock of `performance.now()`. */
  #wideFromMs = 0;
  /** When to list everything again to confirm a suspicious list, on the same clock. */
  #confirmAtMs: number | undefined;
  #failures = 0;
  #live = false;
  #approved = false;
  #hasEvents = false;
  #inStep = false;
  /** Whether a full pass has ended since events arrive. */
  #isCompared = false;

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
      onListing: () => this.#startNamed(),
      onTooLong: (read) => this.#setTooLong(read),
      onRecovered: () => {
        // What the first pass after a subscription finds came before it, and no event was missed.
        if (this.#inStep && this.#hasEvents && this.#isCompared) options.onMissedEvent?.();
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

  /** Resolves when no sync pass is running. */
  async stop(): Promise<void> {
    this.#live = false;
    clearTimeout(this.#timer);
    this.#options.controlPoint.abortBackground();
    await Promise.all([this.#running, this.#named]);
  }

  /** An unapproved phone is neither listed nor reported (requirement Z13). */
  setApproved(approved: boolean): void {
    if (approved === this.#approved) return;
    this.#approved = approved;
    this.#known.unload();
    if (approved) this.requestFullSync();
  }

  /** Whether the phone's events arrive; without them it is polled (requirement E11). */
  setHasEvents(hasEvents: boolean): void {
    this.#hasEvents = hasEvents;
    this.#isCompared = false;
    this.#known.invalidateSeen();
    this.requestFullSync();
  }

  /**
   * Lists at once what the event names. Until the first full pass after a subscription it names old messages too: the
   * initial event reports the state of the phone (UDA 2.0, 4.1.2).
   */
  onEvent(variables: ReadonlyMap<string, string>): void {
    this.request((pendingSync) => {
      const { hinted } = pendingSync;
      pendingSync.notifiedMs ??= Date.now();
      addEvent(pendingSync, this.#udn, variables, (messageId) => this.#known.isKnown(messageId));
      if (!this.#isCompared) pendingSync.hinted = hinted;
    });
  }

  requestFullSync(): void {
    this.request((pendingSync) => pendingSync.addEverything());
  }

  /** Adds something to the pending sync and starts it. */
  request(note: (pendingSync: PendingSync) => void): void {
    note(this.#pendingSync);
    this.#start();
    this.#startNamed();
  }

  /** What the household must know about this phone's messages, in plain words. */
  get trouble(): { readonly code: string; readonly detail: string } | undefined {
    if (this.#tooLong === undefined) return undefined;
    const count = this.#tooLong.toLocaleString('en');
    return {
      code: 'list-too-long',
      detail:
        `This phone holds more messages than Homeline can read. ${count} of them are here. The others stay on the phone ` +
        'only. Delete messages that you do not need on the phone.',
    };
  }

  /** Records that a command deleted a message; call it within the command's task in the queue. */
  onDeleted(id: string): void {
    if (this.#known.isLoaded) this.#known.concludeDeletion(id);
  }

  /** Records that the phone lacks the message of a command; call it within the command's task in the queue. */
  onNotFound(id: string): void {
    if (this.#known.isLoaded) this.#known.concludeAbsence(id);
  }

  /** Records a message from a command's answer; call it within the command's task in the queue. */
  onSeen(entry: MessageEntry): void {
    const { needsWhole } = this.#syncPass.concludeMessage(entry);
    if (needsWhole) this.request((pendingSync) => pendingSync.addAllMessages());
  }

  /**
   * Finds the message that the phone currently has under its own identifier, before a command acts on it; returns our
   * identifier and the phone's. Call it within the command's task in the queue. Undefined: none, or not the one with `id`.
   * @throws UpnpError when the phone cannot be reached
   */
  async identify(
    calls: PhoneCalls,
    meant: { messageId: string; id?: string | undefined },
    options: CallOptions,
  ): Promise<{ readonly id: string; readonly messageId: string } | undefined> {
    if (!this.#known.isLoaded && !(await this.#syncPass.compareWithCloud(this.#pendingSync))) return undefined;
    return this.#syncPass.identify(calls, meant, options);
  }

  /** A message created by a command is known by the command's key from now on. */
  learn(item: KnownItem): void {
    this.#known.learn(item);
  }

  /** The stable identifier of a session of this phone. */
  sessionKeyOf(sessionId: string): string {
    return this.#known.sessionKeyOf(sessionId);
  }

  #start(): void {
    if (!this.#live || !this.#approved || this.#running !== undefined || this.#pendingSync.isEmpty) return;
    clearTimeout(this.#timer);
    const isEarly = this.#pendingSync.isWide && performance.now() < this.#wideFromMs;
    if (isEarly && !this.#pendingSync.isUrgent) {
      this.#timer = setTimeout(() => this.#start(), Math.max(0, this.#wideFromMs - performance.now()));
      return;
    }
    const pendingSync = this.#pendingSync;
    this.#pendingSync = isEarly ? pendingSync.postponeWide() : new PendingSync();
    this.#running = this.#runPass(pendingSync, this.#pendingSync).finally(() => {
      this.#running = undefined;
      if (!this.#live) return;
      if (this.#pendingSync.isEmpty || this.#failures > 0) this.#schedule();
      else this.#start();
    });
  }

  /** A new message does not wait for the end of a long list. */
  #startNamed(): void {
    if (!this.#live || !this.#approved || !this.#syncPass.isListing || this.#named !== undefined) return;
    const named = this.#pendingSync.takeNamed();
    if (named.isEmpty) return;
    this.#named = this.#syncNamed(named).finally(() => {
      this.#named = undefined;
      this.#startNamed();
      this.#start();
    });
  }

  async #syncNamed(named: PendingSync): Promise<void> {
    try {
      await this.#syncPass.syncNamed(named, this.#pendingSync);
    } catch {
      // The list in flight may have passed it already.
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
    const intervalMs = this.#hasEvents ? compareMs : pollMs;
    const confirmInMs = (this.#confirmAtMs ?? Number.POSITIVE_INFINITY) - performance.now();
    const retryMs = backOffMs(retryTimes, this.#failures - 1);
    const waitMs = this.#failures > 0 ? retryMs : Math.max(0, Math.min(intervalMs, confirmInMs));
    this.#timer = setTimeout(() => this.requestFullSync(), waitMs);
  }

  async #runPass(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    try {
      if (!(await this.#syncPass.compareWithCloud(pendingSync))) return;
      await this.#syncPass.syncSessions(pendingSync, next);
      await this.#syncMessages(pendingSync, next);
      await this.#syncPass.syncFiles(pendingSync);
      this.#onDone(pendingSync);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  async #syncMessages(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    const startedMs = performance.now();
    this.#note(await this.#syncPass.syncMessages(pendingSync, next), pendingSync);
    if (!pendingSync.everything && !pendingSync.isWide) return;
    const endedMs = performance.now();
    this.#wideFromMs = endedMs + Math.max(minWidePauseMs, (endedMs - startedMs) * pauseFactor);
  }

  #note({ confirmAfterMs }: ListOutcome, pendingSync: PendingSync): void {
    if (confirmAfterMs !== undefined) this.#confirmAtMs = performance.now() + confirmAfterMs;
    else if (pendingSync.everything || pendingSync.allMessages) this.#confirmAtMs = undefined;
  }

  #onDone(pendingSync: PendingSync): void {
    this.#failures = 0;
    this.#options.onReachable?.(true);
    this.#isCompared ||= pendingSync.everything;
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
    const message = error instanceof Error ? error.message : String(error);
    this.#options.report(`The phone's messages cannot be listed: ${message.replace(/\.$/, '')}. Trying again.`);
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
