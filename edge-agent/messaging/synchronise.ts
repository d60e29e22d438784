// What the phone has ⇄ what the cloud knows. Lists are compared with the journal; differences become events.
// ReadMessage is never called here: it would mark messages Read that nobody has read.
import { ANY } from '../../protocol/actions.ts';
import type { EdgeEvent, InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/model.ts';
import { UpnpError } from '../upnp/error.ts';
import { Agenda, noteEvent } from './agenda.ts';
import { type PhoneCalls, type PhoneControlPoint, standardDeadlineMs } from './control-point.ts';
import { type MessageEntry, readDocument } from './documents.ts';
import { sessionKey } from './identity.ts';
import { compareMessages, type KnownEntry, type OpenSend } from './known-messages.ts';
import { WholeSearch } from './message-search.ts';

/** What is remembered of phones, durably. The agent's journal. */
export interface PhoneMemory {
  readPhone(udn: string): { epoch: number; comparedStore: string | undefined };
  messagesOf(udn: string): InventoryItem[];
  sessionsOf(udn: string): { id: string; session: PhoneSession }[];
  begunSends(udn: string): { key: string; action: string; arguments: Readonly<Record<string, string>> }[];
  /** Keeps a change together with the events that tell of it. */
  record(
    udn: string,
    change: {
      epoch?: number;
      putMessages?: readonly KnownEntry[];
      deletedMessageIds?: readonly string[];
      putSessions?: readonly { id: string; session: PhoneSession }[];
      deletedSessionIds?: readonly string[];
      settledSends?: ReadonlyMap<string, string>;
      comparedStore?: string;
      events: readonly EdgeEvent[];
    },
  ): void;
}

interface KnownSession {
  readonly id: string;
  /** Undefined: it must be told again. */
  readonly session: PhoneSession | undefined;
}

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
  /** How often everything is compared although the phone sends events. */
  readonly compareMs?: number;
  /** How often everything is compared while the phone sends no events. */
  readonly pollMs?: number;
}

const retryCapMs = 60_000;

export class PhoneSynchroniser {
  readonly #options: SynchroniserOptions;
  readonly #udn: string;
  readonly #search = new WholeSearch();
  #known = new Map<string, InventoryItem>();
  #sessions = new Map<string, KnownSession>();
  #former = new Set<string>();
  readonly #files = new Map<string, string>();
  #epoch = 0;
  #loaded = false;
  /** The cloud's store with which the next whole look compares. */
  #comparing: string | undefined;
  #agenda = new Agenda();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #live = false;
  #approved = false;
  #hasEvents = false;
  #inStep = false;

  constructor(options: SynchroniserOptions) {
    this.#options = options;
    this.#udn = options.controlPoint.udn;
  }

  get epoch(): number {
    return this.#loaded ? this.#epoch : this.#options.memory.readPhone(this.#udn).epoch;
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
    this.#loaded = false;
    if (approved) this.lookAtEverything();
  }

  /** Whether the phone's own events arrive; without them it is polled (requirement E11). */
  setHasEvents(hasEvents: boolean): void {
    this.#hasEvents = hasEvents;
    this.lookAtEverything();
  }

  /** What the phone's own event says is looked up at once. */
  onEvent(variables: ReadonlyMap<string, string>): void {
    this.request((agenda) => noteEvent(agenda, this.#udn, variables, (messageId) => this.#known.has(messageId)));
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
    const item = this.#known.get(messageId);
    if (item === undefined || !this.#approved) return;
    const { id, epoch } = item;
    this.#options.memory.record(this.#udn, {
      deletedMessageIds: [messageId],
      events: [{ type: 'message.deleted', udn: this.#udn, epoch, id }],
    });
    this.#known.delete(messageId);
  }

  /** Takes over a message as a command's answer showed it; part of the command's own section of the queue. */
  onSeen(message: PhoneMessage, xml: string): void {
    if (this.#approved && this.#loaded) this.#conclude([{ message, xml }], false, false);
  }

  /** A message that a command made is known by the command's key from now on. */
  learn(item: InventoryItem): void {
    this.#known.set(item.messageId, item);
  }

  /** A session keeps the identifier under which it was first told, also when the epoch advances. */
  sessionKeyOf(sessionId: string): string {
    return this.#sessions.get(sessionId)?.id ?? sessionKey(this.#udn, this.epoch, sessionId);
  }

  #begin(): void {
    if (!this.#live || !this.#approved || this.#running !== undefined || this.#agenda.isEmpty) return;
    clearTimeout(this.#timer);
    this.#running = this.#work().finally(() => {
      this.#running = undefined;
      if (!this.#live) return;
      if (this.#agenda.isEmpty || this.#failures > 0) this.#schedule();
      else this.#begin();
    });
  }

  #schedule(): void {
    const { compareMs = 5 * 60_000, pollMs = 15_000 } = this.#options;
    const standardMs = this.#hasEvents ? compareMs : pollMs;
    const waitMs = this.#failures > 0 ? Math.min(retryCapMs, 1000 * 2 ** Math.min(this.#failures - 1, 10)) : standardMs;
    this.#timer = setTimeout(() => this.lookAtEverything(), waitMs);
  }

  async #work(): Promise<void> {
    const agenda = this.#agenda;
    this.#agenda = new Agenda();
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
    this.#options.report(`In step with the phone: ${this.#known.size} messages, ${this.#sessions.size} sessions.`);
  }

  #onFailed(error: unknown): void {
    this.#failures++;
    this.#agenda.lookAtEverything();
    if (error instanceof UpnpError) this.#options.onReachable?.(error.kind !== 'unreachable');
    if (this.#failures !== 1 || !this.#live) return;
    this.#inStep = false;
    this.#options.report(`The phone's messages cannot be listed: ${wordsOf(error)} Trying again.`);
  }

  /**
   * Loads what is known. Where the cloud's store is another one, or the journal new, the cloud is asked what it knows,
   * so that also deletions are found. False: that is needed and cannot be done now; the next connection begins anew.
   */
  async #compareWithCloud(agenda: Agenda): Promise<boolean> {
    const { memory, cloud } = this.#options;
    const { epoch, comparedStore } = memory.readPhone(this.#udn);
    const store = cloud.store();
    if (!this.#loaded) {
      this.#epoch = epoch;
      this.#known = new Map(memory.messagesOf(this.#udn).map((item) => [item.messageId, item]));
      this.#sessions = new Map(memory.sessionsOf(this.#udn).map((known) => [known.session.sessionId, known]));
      this.#former.clear();
      this.#files.clear();
      this.#loaded = true;
    }
    if (comparedStore !== undefined && (store === undefined || store === comparedStore)) return true;
    if (store === undefined) return false;
    this.#takeInventory(await cloud.inventory(this.#udn));
    for (const [sessionId, { id }] of this.#sessions) this.#sessions.set(sessionId, { id, session: undefined });
    agenda.lookAtEverything();
    agenda.hinted = false;
    // Recorded with the change of the look that follows, so that a crash in between compares again.
    this.#comparing = store;
    return true;
  }

  #takeInventory(items: readonly InventoryItem[]): void {
    this.#epoch = Math.max(this.#epoch, ...items.map((item) => item.epoch));
    const own = this.#known;
    this.#known = new Map();
    // What only the journal knows keeps its identifier and is told again: its fingerprint is that of no message.
    for (const item of own.values()) this.#known.set(item.messageId, { ...item, fingerprint: '' });
    for (const item of items) {
      const before = this.#known.get(item.messageId);
      if (before === undefined || before.epoch <= item.epoch) this.#known.set(item.messageId, item);
      if (before === undefined && item.epoch < this.#epoch) this.#former.add(item.messageId);
    }
  }

  async #lookAtMessages(agenda: Agenda): Promise<void> {
    const { controlPoint } = this.#options;
    const whole = agenda.everything || agenda.allMessages;
    if (!whole && agenda.searches.size === 0) return;
    const recovered = !agenda.hinted;
    const isComplete = await controlPoint.inTurn(
      async (calls) => {
        const found = whole ? undefined : await this.#narrowly(agenda, calls);
        const entries = found ?? (await this.#search.list(calls, { deadlineMs: standardDeadlineMs }));
        if (!this.#approved || !this.#loaded) return true;
        this.#conclude(entries, found === undefined, recovered);
        return found === undefined || [...agenda.expected].every((messageId) => this.#known.has(messageId));
      },
      { exclusive: true },
    );
    // The event named a message that the narrow search did not show.
    if (!isComplete) this.#agenda.lookAtAllMessages();
  }

  /** Undefined when the phone refuses a narrow search: it is then asked for everything. */
  async #narrowly(agenda: Agenda, calls: PhoneCalls): Promise<MessageEntry[] | undefined> {
    const entries: MessageEntry[] = [];
    try {
      for (const search of agenda.searches.values()) {
        entries.push(...(await calls.searchMessages(search, { deadlineMs: standardDeadlineMs })));
      }
      return entries;
    } catch (error) {
      if (error instanceof UpnpError && error.kind === 'refused') return undefined;
      throw error;
    }
  }

  #conclude(entries: readonly MessageEntry[], whole: boolean, recovered: boolean): void {
    const { memory, onEpoch } = this.#options;
    const result = compareMessages(entries, {
      udn: this.#udn,
      epoch: this.#epoch,
      known: this.#known,
      former: this.#former,
      openSends: this.#openSends(),
      sessionKeyOf: (sessionId) => this.sessionKeyOf(sessionId),
      whole,
      recovered,
      nowMs: Date.now(),
    });
    const comparedStore = whole ? this.#comparing : undefined;
    const advanced = result.epoch !== this.#epoch;
    if (
      result.put.length > 0 ||
      result.gone.length > 0 ||
      comparedStore !== undefined ||
      this.#comparing !== undefined
    ) {
      memory.record(this.#udn, {
        epoch: result.epoch,
        putMessages: result.put,
        deletedMessageIds: result.gone,
        settledSends: result.settled,
        ...(comparedStore !== undefined && { comparedStore }),
        events: result.events,
      });
    }
    if (whole) this.#comparing = undefined;
    this.#epoch = result.epoch;
    for (const messageId of result.gone) this.#known.delete(messageId);
    for (const { id, messageId, epoch, fingerprint } of result.put) {
      this.#known.set(messageId, { id, messageId, epoch, fingerprint });
    }
    if (advanced) onEpoch?.();
  }

  #openSends(): OpenSend[] {
    return this.#options.memory
      .begunSends(this.#udn)
      .filter((send) => send.action === 'SendMessage')
      .flatMap((send) => {
        const message = readOrUndefined(send.arguments.MessageToSend ?? '', this.#udn);
        return message === undefined ? [] : [{ key: send.key, message }];
      });
  }

  async #lookAtSessions(agenda: Agenda): Promise<void> {
    if (agenda.everything) return this.#lookAtSession('', agenda);
    for (const sessionId of agenda.sessions) await this.#lookAtSession(sessionId, agenda);
  }

  /** One session, or all of them for the empty identifier. */
  async #lookAtSession(sessionId: string, agenda: Agenda): Promise<void> {
    const { controlPoint, memory } = this.#options;
    const input = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
    await controlPoint.inTurn(
      async (calls) => {
        const listed = await this.#sessionsOf(calls, input, agenda);
        if (listed === undefined || !this.#approved || !this.#loaded) return;
        const seen = new Set(listed.map((session) => session.sessionId));
        const gone = [...this.#sessions.keys()].filter(
          (known) => (sessionId === '' || sessionId === known) && !seen.has(known),
        );
        const changed = listed.filter(
          (session) => JSON.stringify(this.#sessions.get(session.sessionId)?.session) !== JSON.stringify(session),
        );
        // A session that the phone no longer names is over; what was said in it stays.
        const closed = gone
          .flatMap((known) => this.#sessions.get(known)?.session ?? [])
          .filter((session) => session.status !== 'Closed')
          .map((session) => ({ ...session, status: 'Closed' as const }));
        if (changed.length === 0 && gone.length === 0) return;
        memory.record(this.#udn, {
          putSessions: changed.map((session) => ({ id: this.sessionKeyOf(session.sessionId), session })),
          deletedSessionIds: gone,
          events: [...changed, ...closed].map((session) => ({
            type: 'session.put',
            udn: this.#udn,
            epoch: this.#epoch,
            id: this.sessionKeyOf(session.sessionId),
            session,
          })),
        });
        for (const session of changed) {
          this.#sessions.set(session.sessionId, { id: this.sessionKeyOf(session.sessionId), session });
        }
        for (const known of gone) this.#sessions.delete(known);
      },
      { exclusive: true },
    );
  }

  /** Undefined when the phone has no sessions at all: the action is refused, as by a phone that knows only messages. */
  async #sessionsOf(
    calls: PhoneCalls,
    input: { SessionID: string; SessionClass: string; SessionStatus: string },
    agenda: Agenda,
  ): Promise<PhoneSession[] | undefined> {
    try {
      return (await calls.model('GetSessions', input, { deadlineMs: standardDeadlineMs })).SessionsList;
    } catch (error) {
      if (!(error instanceof UpnpError) || error.kind !== 'refused') throw error;
      if (input.SessionID !== '' && error.upnpCode === 702) return [];
      if (agenda.everything) return undefined;
      this.#agenda.lookAtEverything();
      return undefined;
    }
  }

  async #lookAtFiles(agenda: Agenda): Promise<void> {
    const { controlPoint, memory } = this.#options;
    for (const sessionId of agenda.files) {
      const files = await controlPoint.inTurn((calls) => filesOf(calls, sessionId), { exclusive: true });
      const changed = files.filter((file) => this.#files.get(fileName(file)) !== JSON.stringify(file));
      if (changed.length === 0 || !this.#approved) continue;
      memory.record(this.#udn, {
        events: changed.map((file) => ({
          type: 'file.progress',
          udn: this.#udn,
          epoch: this.#epoch,
          sessionKey: this.sessionKeyOf(file.sessionId || sessionId),
          file,
        })),
      });
      for (const file of changed) this.#files.set(fileName(file), JSON.stringify(file));
    }
  }
}

async function filesOf(calls: PhoneCalls, sessionId: string): Promise<FileInfo[]> {
  try {
    const input = { SessionID: sessionId };
    return (await calls.model('GetFileTransferSession', input, { deadlineMs: standardDeadlineMs })).FileInfoList;
  } catch (error) {
    if (error instanceof UpnpError && error.kind === 'refused') return [];
    throw error;
  }
}

function fileName(file: FileInfo): string {
  return `${file.sessionId}\n${file.fileId}`;
}

function readOrUndefined(xml: string, udn: string): PhoneMessage | undefined {
  try {
    return readDocument('message', xml, { device: udn, action: 'SendMessage' });
  } catch {
    return undefined;
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
