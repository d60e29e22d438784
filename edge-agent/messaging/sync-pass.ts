// One sync pass: lists what a PendingSync names, and KnownPhone concludes what is new, changed and gone.
// Never calls ReadMessage: it would mark unread messages as Read.
import { setTimeout as pause } from 'node:timers/promises';
import { ANY } from '../../protocol/actions.ts';
import type { InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneSession } from '../../protocol/phone-model.ts';
import { UpnpError } from '../upnp/error.ts';
import {
  type CallOptions,
  defaultDeadlineMs,
  type MessageSearch,
  maxListChars,
  type PhoneCalls,
  type PhoneControlPoint,
} from './control-point.ts';
import { readFingerprint } from './evidence.ts';
import type { KnownMessage } from './known-messages.ts';
import type { KnownPhone, ListOrigin, ListOutcome } from './known-phone.ts';
import type { MessageEntry } from './message-list.ts';
import { charsOf, FullSearch } from './message-search.ts';
import { fullSearch, type PendingSync } from './pending-sync.ts';

/** What a sync pass needs to know of the cloud. */
export interface CloudKnowledge {
  /** The store of the current connection; undefined while disconnected. */
  store(): string | undefined;
  /** Number of events not yet stored there; 0 while disconnected. */
  backlog?(): number;
  /** The cloud's inventory of a phone's messages. Throws GatewayError when the connection breaks. */
  inventory(udn: string): Promise<InventoryItem[]>;
}

export interface SyncPassOptions {
  readonly controlPoint: PhoneControlPoint;
  /** Loaded while the phone is approved. The approval may be revoked during a call; then nothing is concluded. */
  readonly known: KnownPhone;
  readonly cloud: CloudKnowledge;
  /** Called when the epoch has advanced. */
  onEpoch(): void;
  /** Called when a list of all messages starts; requests by name need not wait for its end. */
  onListing?(): void;
  /** Called with the number of messages read when the phone has more than the caps; undefined when it does not. */
  onTooLong?(read: number | undefined): void;
  /** Called when something was found without an event of the phone. */
  onRecovered(): void;
}

const deadline = { deadlineMs: defaultDeadlineMs } as const;
/** A long list pauses above this backlog of the cloud; otherwise a new message would wait behind thousands of old ones. */
const maxBacklog = 500;
const backlogPauseMs = 25;
const noOutcome: ListOutcome = { needsWhole: false };

/** Works off a PendingSync; what turns out to be needed on the way is added to the next one. */
export class SyncPass {
  readonly #options: SyncPassOptions;
  readonly #known: KnownPhone;
  readonly #search = new FullSearch();
  #isListing = false;

  constructor(options: SyncPassOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  /** Whether a list of all messages is in flight. */
  get isListing(): boolean {
    return this.#isListing;
  }

  /**
   * Loads the known messages. If the cloud's store changed or the journal is new, fetches the cloud's inventory, so that
   * deletions are found too. False: the inventory is needed but not available now; the next connection starts over.
   */
  async compareWithCloud(pendingSync: PendingSync): Promise<boolean> {
    const { cloud, controlPoint } = this.#options;
    if (!this.#known.isLoaded) this.#known.load();
    const { comparedStore } = this.#known;
    const store = cloud.store();
    if (comparedStore !== undefined && (store === undefined || store === comparedStore)) return true;
    if (store === undefined) return false;
    const items = await cloud.inventory(controlPoint.udn);
    if (!this.#known.isLoaded) return false;
    this.#known.compareWith(store, items);
    pendingSync.addEverything();
    pendingSync.hinted = false;
    return true;
  }

  async syncSessions(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    for (const sessionId of pendingSync.everything ? [''] : pendingSync.sessions) {
      if (sessionId !== '' && this.#known.isOverfull) return next.addEverything();
      await this.#inTurn(async (calls) => {
        const listed = await listSessions(calls, sessionId, next);
        if (listed !== undefined && this.#known.isLoaded) this.#known.concludeSessions(listed, sessionId);
      });
    }
  }

  async syncMessages(pendingSync: PendingSync, next: PendingSync): Promise<ListOutcome> {
    const whole = pendingSync.everything || pendingSync.allMessages || this.#known.isOverfull;
    if (pendingSync.sent) for (const MessageFolder of ['Outgoing', 'Sent']) pendingSync.search({ MessageFolder });
    if (!whole && pendingSync.searches.size === 0) return noOutcome;
    const origin = { recovered: !pendingSync.hinted, notifiedMs: pendingSync.notifiedMs };
    const narrow = whole ? undefined : await this.#syncNamedMessages(pendingSync, origin);
    const outcome = narrow ?? (await this.#listInBackground(origin));
    const isFound = [...pendingSync.expected].every((messageId) => this.#known.isKnown(messageId));
    // The event named a message that the narrow search did not find.
    if (outcome.needsWhole || (narrow !== undefined && !isFound)) next.addAllMessages();
    return outcome;
  }

  /** Lists what is requested by name while a list of all messages is in flight. */
  async syncNamed(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    await this.syncSessions(pendingSync, next);
    if (pendingSync.searches.size > 0) {
      const origin = { recovered: !pendingSync.hinted, notifiedMs: pendingSync.notifiedMs };
      const outcome = await this.#syncNamedMessages(pendingSync, origin);
      const isFound = [...pendingSync.expected].every((messageId) => this.#known.isKnown(messageId));
      if (outcome === undefined || outcome.needsWhole || !isFound) next.addAllMessages();
    }
    await this.syncFiles(pendingSync);
  }

  #syncNamedMessages(pendingSync: PendingSync, origin: Omit<ListOrigin, 'whole'>): Promise<ListOutcome | undefined> {
    return this.#inTurn((calls) => this.#listNarrowly(calls, [...pendingSync.searches.values()], origin));
  }

  /** Outside the queue: a long list takes minutes. KnownPhone tracks what actions and narrow lists changed since it began. */
  async #listInBackground(origin: Omit<ListOrigin, 'whole'>): Promise<ListOutcome> {
    try {
      return await this.#options.controlPoint.inBackground((calls, signal) => {
        this.#isListing = true;
        this.#options.onListing?.();
        return this.#listAll(calls, origin, { ...deadline, signal });
      });
    } finally {
      this.#isListing = false;
    }
  }

  /**
   * Finds which message the phone currently has under an identifier of its own, within the caller's task in the queue. With
   * `id`, finds the message with that identifier of ours, even if the phone has renumbered it.
   * @throws UpnpError when the phone cannot be reached
   */
  async identify(
    calls: PhoneCalls,
    { messageId, id }: { messageId: string; id?: string | undefined },
    options: CallOptions,
  ): Promise<Readonly<KnownMessage> | undefined> {
    const known = this.#known;
    const before = known.passNumber;
    const meant = id === undefined ? known.seenUnder(messageId, 0) : known.find(id);
    if (id !== undefined && meant === undefined) return undefined;
    const origin = { recovered: false };
    const evidence = meant === undefined ? undefined : readFingerprint(meant.fingerprint);
    const { messageClass = ANY, folder, isRead } = evidence ?? {};
    if (folder !== undefined) {
      const narrow = { ...fullSearch, MessageClass: messageClass, MessageFolder: folder };
      const search = { ...narrow, MessageStatus: isRead === true ? 'Read' : 'Unread' };
      await this.#listNarrowly(calls, [search], origin, options);
      const found = known.seenUnder(messageId, before);
      if (found !== undefined && (id === undefined || found.id === id)) return found;
    }
    await this.#listAll(calls, origin, options);
    if (id === undefined) return known.seenUnder(messageId, before);
    const item = known.find(id);
    return item?.isPresent === true && item.lastSeen > before ? item : undefined;
  }

  async syncFiles(pendingSync: PendingSync): Promise<void> {
    for (const sessionId of pendingSync.files) {
      await this.#inTurn(async (calls) => {
        const files = await listFiles(calls, sessionId);
        if (this.#known.isLoaded) this.#known.concludeFiles(files, sessionId);
      });
    }
  }

  /** Concludes what an answer shows of one message, within any task of the phone's queue. */
  concludeMessage(entry: MessageEntry): ListOutcome {
    if (!this.#known.isLoaded) return noOutcome;
    return this.#notifying(false, () => {
      const list = this.#known.beginList({ whole: false, recovered: false });
      list.take([entry]);
      return list.end({ isComplete: false });
    });
  }

  /** @throws UpnpError also when the list breaks off: unlisted messages may still be on the phone */
  async #listAll(calls: PhoneCalls, origin: Omit<ListOrigin, 'whole'>, options: CallOptions): Promise<ListOutcome> {
    const open = this.#known.beginList({ ...origin, whole: true });
    const list = await this.#search.list(calls, options, (batch) => {
      this.#notifying(origin.recovered, () => open.take(batch));
      return this.#untilBacklogDrained(options.signal);
    });
    const outcome = this.#notifying(origin.recovered, () => open.end(list));
    this.#options.onTooLong?.(list.isTooLong === true ? list.count : undefined);
    if (!list.isComplete && list.isTooLong !== true) throw new UpnpError('malformed', 'The list breaks off');
    return outcome;
  }

  /** Undefined when the phone refuses a narrow search, or lists more than the cap. */
  async #listNarrowly(
    calls: PhoneCalls,
    searches: readonly MessageSearch[],
    origin: Omit<ListOrigin, 'whole'>,
    options: CallOptions = deadline,
  ): Promise<ListOutcome | undefined> {
    const list = this.#known.beginList({ ...origin, whole: false });
    let chars = 0;
    try {
      for (const search of searches) {
        await calls.searchMessages(search, options, (batch) => {
          chars += charsOf(batch);
          if (chars <= maxListChars) this.#notifying(origin.recovered, () => list.take(batch));
        });
        if (chars > maxListChars) return undefined;
      }
    } catch (error) {
      if (isRefused(error)) return undefined;
      throw error;
    }
    return this.#notifying(origin.recovered, () => list.end({ isComplete: false }));
  }

  async #untilBacklogDrained(signal: AbortSignal | undefined): Promise<void> {
    const { cloud } = this.#options;
    while ((cloud.backlog?.() ?? 0) > maxBacklog && signal?.aborted !== true) await pause(backlogPauseMs);
  }

  #notifying<Result>(recovered: boolean, conclude: () => Result): Result {
    const before = this.#known.isLoaded ? this.#known.epoch : undefined;
    const newsBefore = this.#known.receivedBatches;
    const result = conclude();
    if (recovered && this.#known.receivedBatches > newsBefore) this.#options.onRecovered();
    if (before !== undefined && this.#known.isLoaded && this.#known.epoch !== before) this.#options.onEpoch();
    return result;
  }

  /** Exclusive: nothing may change on the phone between a list and its conclusions. */
  #inTurn<Result>(task: (calls: PhoneCalls) => Promise<Result>): Promise<Result> {
    return this.#options.controlPoint.inTurn(task, { exclusive: true });
  }
}

/** Our own phone's code for an unknown session. */
const noSuchSession = 702;

/** Undefined when the phone has no sessions at all: it refuses the action, as a phone that knows only messages does. */
async function listSessions(
  calls: PhoneCalls,
  sessionId: string,
  next: PendingSync,
): Promise<PhoneSession[] | undefined> {
  const input = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
  try {
    return (await calls.model('GetSessions', input, deadline)).SessionsList;
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (sessionId !== '' && error.upnpCode === noSuchSession) return [];
    if (sessionId !== '') next.addEverything();
    return undefined;
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
