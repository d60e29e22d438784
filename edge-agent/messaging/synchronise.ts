// What the phone has ⇄ what the cloud knows: when to look at a phone, and at what. KnownPhone draws the conclusions.
// ReadMessage is never called here: it would mark messages Read that nobody has read.
import { ANY } from '../../protocol/actions.ts';
import type { InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/model.ts';
import { UpnpError } from '../upnp/error.ts';
import { Agenda, noteEvent } from './agenda.ts';
import { type PhoneCalls, type PhoneControlPoint, standardDeadlineMs } from './control-point.ts';
import type { MessageEntry } from './documents.ts';
import { KnownPhone, type Looked, type PhoneMemory } from './known-phone.ts';
import { WholeSearch } from './message-search.ts';

/** The cloud as a synchroniser needs it. */
export interface CloudKnowledge {
  /** The store of the connection that stands now; undefined while there is none. */
  store(): string | undefined;
  /** What the cloud knows of a phone's messages. Throws GatewayError when the connection breaks off. */
  inventory(udn: string): Promise<InventoryItem[]>;
}

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
const deadline = { deadlineMs: standardDeadlineMs } as const;

export class PhoneSynchroniser {
  readonly #options: SynchroniserOptions;
  readonly #udn: string;
  readonly #known: KnownPhone;
  readonly #search = new WholeSearch();
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
    if (this.#mayConclude) this.#known.concludeDeletion(messageId);
  }

  /** Takes over a message as a command's answer showed it; part of the command's own section of the queue. */
  onSeen(message: PhoneMessage, xml: string): void {
    this.#concludeMessages([{ message, xml }], { whole: false, recovered: false });
  }

  /** A message that a command made is known by the command's key from now on. */
  learn(item: InventoryItem): void {
    this.#known.learn(item);
  }

  /** The stable identifier of a session of this phone. */
  sessionKeyOf(sessionId: string): string {
    return this.#known.sessionKeyOf(sessionId);
  }

  /** The approval may have been taken back while the phone was asked. */
  get #mayConclude(): boolean {
    return this.#approved && this.#known.isLoaded;
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
    this.#running = this.#work(agenda).finally(() => {
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

  async #work(agenda: Agenda): Promise<void> {
    try {
      if (!(await this.#compareWithCloud(agenda))) return;
      await this.#lookAtSessions(agenda);
      await this.#lookAtMessages(agenda);
      await this.#lookAtFiles(agenda);
      this.#onDone(agenda);
    } catch (error) {
      this.#onFailed(error);
    }
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

  /**
   * Loads what is known. Where the cloud's store is another one, or the journal new, the cloud is asked what it knows,
   * so that also deletions are found. False: that is needed and cannot be done now; the next connection begins anew.
   */
  async #compareWithCloud(agenda: Agenda): Promise<boolean> {
    const { cloud } = this.#options;
    if (!this.#known.isLoaded) this.#known.load();
    const { comparedStore } = this.#known;
    const store = cloud.store();
    if (comparedStore !== undefined && (store === undefined || store === comparedStore)) return true;
    if (store === undefined) return false;
    const items = await cloud.inventory(this.#udn);
    if (!this.#mayConclude) return false;
    this.#known.compareWith(store, items);
    agenda.lookAtEverything();
    agenda.hinted = false;
    return true;
  }

  async #lookAtMessages(agenda: Agenda): Promise<void> {
    const whole = agenda.everything || agenda.allMessages;
    const startedMs = performance.now();
    const isWide = whole || agenda.sent;
    if (agenda.sent) for (const MessageFolder of ['Outgoing', 'Sent']) agenda.search({ MessageFolder });
    if (!whole && agenda.searches.size === 0) return;
    const isComplete = await this.#options.controlPoint.inTurn(
      async (calls) => {
        const found = whole ? undefined : await narrowly(agenda, calls);
        const entries = found ?? (await this.#search.list(calls, deadline));
        const { hinted, notifiedMs } = agenda;
        this.#concludeMessages(entries, { whole: found === undefined, recovered: !hinted, notifiedMs });
        return found === undefined || [...agenda.expected].every((messageId) => this.#known.isKnown(messageId));
      },
      { exclusive: true },
    );
    if (isWide) {
      const endedMs = performance.now();
      this.#wideFromMs = endedMs + Math.max(shortestPauseMs, (endedMs - startedMs) * pauseFactor);
    }
    // The event named a message that the narrow search did not show.
    if (!isComplete) this.#agenda.lookAtAllMessages();
  }

  #concludeMessages(entries: readonly MessageEntry[], looked: Looked): void {
    if (!this.#mayConclude) return;
    const before = this.#known.epoch;
    const isNews = this.#known.concludeMessages(entries, looked);
    if (isNews && looked.recovered && this.#inStep && this.#hasEvents) this.#options.onUntold?.();
    if (this.#known.epoch !== before) this.#options.onEpoch?.();
  }

  async #lookAtSessions(agenda: Agenda): Promise<void> {
    for (const sessionId of agenda.everything ? [''] : agenda.sessions) {
      await this.#options.controlPoint.inTurn(
        async (calls) => {
          const listed = await this.#listSessions(calls, sessionId);
          if (listed !== undefined && this.#mayConclude) this.#known.concludeSessions(listed, sessionId);
        },
        { exclusive: true },
      );
    }
  }

  /** Undefined when the phone has no sessions at all: the action is refused, as by a phone that knows only messages. */
  async #listSessions(calls: PhoneCalls, sessionId: string): Promise<PhoneSession[] | undefined> {
    const input = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
    try {
      return (await calls.model('GetSessions', input, deadline)).SessionsList;
    } catch (error) {
      if (!isRefused(error)) throw error;
      if (sessionId !== '' && error.upnpCode === noSuchSession) return [];
      if (sessionId !== '') this.#agenda.lookAtEverything();
      return undefined;
    }
  }

  async #lookAtFiles(agenda: Agenda): Promise<void> {
    for (const sessionId of agenda.files) {
      await this.#options.controlPoint.inTurn(
        async (calls) => {
          const files = await listFiles(calls, sessionId);
          if (this.#mayConclude) this.#known.concludeFiles(files, sessionId);
        },
        { exclusive: true },
      );
    }
  }
}

/** Our own phone's code for a session that it does not have. */
const noSuchSession = 702;

/** Undefined when the phone refuses a narrow search: it is then asked for everything. */
async function narrowly(agenda: Agenda, calls: PhoneCalls): Promise<MessageEntry[] | undefined> {
  const entries: MessageEntry[] = [];
  try {
    for (const search of agenda.searches.values()) entries.push(...(await calls.searchMessages(search, deadline)));
    return entries;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

async function listFiles(calls: PhoneCalls, sessionId: string): Promise<FileInfo[]> {
  try {
    return (await calls.model('GetFileTransferSession', { SessionID: sessionId }, deadline)).FileInfoList;
  } catch (error) {
    if (isRefused(error)) return [];
    throw error;
  }
}

function isRefused(error: unknown): error is UpnpError {
  return error instanceof UpnpError && error.kind === 'refused';
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
