// A look at one phone: what an agenda names is listed there, and KnownPhone concludes what is new, changed and gone.
// ReadMessage is never called here: it would mark messages Read that nobody has read.
import { setTimeout as pause } from 'node:timers/promises';
import { ANY } from '../../protocol/actions.ts';
import type { InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneSession } from '../../protocol/phone-model.ts';
import { UpnpError } from '../upnp/error.ts';
import {
  type CallOptions,
  type MessageSearch,
  maxListChars,
  type PhoneCalls,
  type PhoneControlPoint,
  standardDeadlineMs,
} from './control-point.ts';
import { readFingerprint } from './evidence.ts';
import type { KnownMessage } from './known-messages.ts';
import type { Consequence, KnownPhone, Looked } from './known-phone.ts';
import type { MessageEntry } from './message-list.ts';
import { charsOf, WholeSearch } from './message-search.ts';
import { type PendingSync, wholeSearch } from './pending-sync.ts';

/** The cloud as a look needs it. */
export interface CloudKnowledge {
  /** The store of the connection that stands now; undefined while there is none. */
  store(): string | undefined;
  /** How many events wait to be stored there; none while there is no connection. */
  backlog?(): number;
  /** What the cloud knows of a phone's messages. Throws GatewayError when the connection breaks off. */
  inventory(udn: string): Promise<InventoryItem[]>;
}

export interface SyncPassOptions {
  readonly controlPoint: PhoneControlPoint;
  /** Loaded while the phone is approved: that may be taken back while the phone is asked, and nothing is concluded then. */
  readonly known: KnownPhone;
  readonly cloud: CloudKnowledge;
  /** The epoch has advanced. */
  onEpoch(): void;
  /** A list of all messages begins; what is asked for by name need not wait for its end. */
  onListing?(): void;
  /** Whether the phone has more messages than are read of it, and how many were read. */
  onTooLong?(read: number | undefined): void;
  /** Something came in of which the phone had not told. */
  onRecovered(): void;
}

const deadline = { deadlineMs: standardDeadlineMs } as const;
/** A long list waits for the cloud, or a new message would wait behind thousands of old ones. */
const longestBacklog = 500;
const backlogPauseMs = 25;
const noConsequence: Consequence = { needsWhole: false };

/** Works off an agenda; what shows only meanwhile that it is to be looked at goes on the next one. */
export class SyncPass {
  readonly #options: SyncPassOptions;
  readonly #known: KnownPhone;
  readonly #search = new WholeSearch();
  #isListing = false;

  constructor(options: SyncPassOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  /** A list of all messages is under way. */
  get isListing(): boolean {
    return this.#isListing;
  }

  /**
   * Loads what is known. Where the cloud's store is another one, or the journal new, the cloud is asked what it knows,
   * so that also deletions are found. False: that is needed and cannot be done now; the next connection begins anew.
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

  async atSessions(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    for (const sessionId of pendingSync.everything ? [''] : pendingSync.sessions) {
      if (sessionId !== '' && this.#known.isOverfull) return next.addEverything();
      await this.#inTurn(async (calls) => {
        const listed = await listSessions(calls, sessionId, next);
        if (listed !== undefined && this.#known.isLoaded) this.#known.concludeSessions(listed, sessionId);
      });
    }
  }

  async atMessages(pendingSync: PendingSync, next: PendingSync): Promise<Consequence> {
    const whole = pendingSync.everything || pendingSync.allMessages || this.#known.isOverfull;
    if (pendingSync.sent) for (const MessageFolder of ['Outgoing', 'Sent']) pendingSync.search({ MessageFolder });
    if (!whole && pendingSync.searches.size === 0) return noConsequence;
    const looked = { recovered: !pendingSync.hinted, notifiedMs: pendingSync.notifiedMs };
    const narrow = whole ? undefined : await this.#atNamedMessages(pendingSync, looked);
    const concluded = narrow ?? (await this.#listInBackground(looked));
    const isFound = [...pendingSync.expected].every((messageId) => this.#known.isKnown(messageId));
    // The event named a message that the narrow search did not show.
    if (concluded.needsWhole || (narrow !== undefined && !isFound)) next.addAllMessages();
    return concluded;
  }

  /** What is asked for by name, while a list of all messages is under way. */
  async besideList(pendingSync: PendingSync, next: PendingSync): Promise<void> {
    await this.atSessions(pendingSync, next);
    if (pendingSync.searches.size > 0) {
      const looked = { recovered: !pendingSync.hinted, notifiedMs: pendingSync.notifiedMs };
      const concluded = await this.#atNamedMessages(pendingSync, looked);
      const isFound = [...pendingSync.expected].every((messageId) => this.#known.isKnown(messageId));
      if (concluded === undefined || concluded.needsWhole || !isFound) next.addAllMessages();
    }
    await this.atFiles(pendingSync);
  }

  #atNamedMessages(pendingSync: PendingSync, looked: Omit<Looked, 'whole'>): Promise<Consequence | undefined> {
    return this.#inTurn((calls) => this.#listNarrowly(calls, [...pendingSync.searches.values()], looked));
  }

  /** Outside the queue: a long list takes minutes, and KnownPhone tells what actions and narrow lists changed since it began. */
  async #listInBackground(looked: Omit<Looked, 'whole'>): Promise<Consequence> {
    try {
      return await this.#options.controlPoint.inBackground((calls, signal) => {
        this.#isListing = true;
        this.#options.onListing?.();
        return this.#listAll(calls, looked, { ...deadline, signal });
      });
    } finally {
      this.#isListing = false;
    }
  }

  /**
   * Which message the phone has now by an identifier of its own, in the caller's section of the queue. With `id`, the
   * message of that identifier of ours, also where the phone has given it another one of its own.
   * @throws UpnpError when the phone cannot be asked
   */
  async identify(
    calls: PhoneCalls,
    { messageId, id }: { messageId: string; id?: string | undefined },
    options: CallOptions,
  ): Promise<Readonly<KnownMessage> | undefined> {
    const known = this.#known;
    const before = known.lookNumber;
    const meant = id === undefined ? known.seenUnder(messageId, 0) : known.find(id);
    if (id !== undefined && meant === undefined) return undefined;
    const looked = { recovered: false };
    const evidence = meant === undefined ? undefined : readFingerprint(meant.fingerprint);
    const { messageClass = ANY, folder, isRead } = evidence ?? {};
    if (folder !== undefined) {
      const narrow = { ...wholeSearch, MessageClass: messageClass, MessageFolder: folder };
      const search = { ...narrow, MessageStatus: isRead === true ? 'Read' : 'Unread' };
      await this.#listNarrowly(calls, [search], looked, options);
      const found = known.seenUnder(messageId, before);
      if (found !== undefined && (id === undefined || found.id === id)) return found;
    }
    await this.#listAll(calls, looked, options);
    if (id === undefined) return known.seenUnder(messageId, before);
    const item = known.find(id);
    return item?.isPresent === true && item.lastSeen > before ? item : undefined;
  }

  async atFiles(pendingSync: PendingSync): Promise<void> {
    for (const sessionId of pendingSync.files) {
      await this.#inTurn(async (calls) => {
        const files = await listFiles(calls, sessionId);
        if (this.#known.isLoaded) this.#known.concludeFiles(files, sessionId);
      });
    }
  }

  /** Concludes what an answer shows of one message, from whatever section of the phone's queue it comes. */
  concludeMessage(entry: MessageEntry): Consequence {
    if (!this.#known.isLoaded) return noConsequence;
    return this.#concluding(false, () => {
      const look = this.#known.beginLook({ whole: false, recovered: false });
      look.take([entry]);
      return look.end({ isComplete: false });
    });
  }

  /** @throws UpnpError also where the list breaks off: what it does not show may still be on the phone */
  async #listAll(calls: PhoneCalls, looked: Omit<Looked, 'whole'>, options: CallOptions): Promise<Consequence> {
    const look = this.#known.beginLook({ ...looked, whole: true });
    const list = await this.#search.list(calls, options, (batch) => {
      this.#concluding(looked.recovered, () => look.take(batch));
      return this.#untilDelivered(options.signal);
    });
    const concluded = this.#concluding(looked.recovered, () => look.end(list));
    this.#options.onTooLong?.(list.isTooLong === true ? list.count : undefined);
    if (!list.isComplete && list.isTooLong !== true) throw new UpnpError('malformed', 'The list breaks off');
    return concluded;
  }

  /** Undefined when the phone refuses a narrow search, or shows more by them than it could at once. */
  async #listNarrowly(
    calls: PhoneCalls,
    searches: readonly MessageSearch[],
    looked: Omit<Looked, 'whole'>,
    options: CallOptions = deadline,
  ): Promise<Consequence | undefined> {
    const look = this.#known.beginLook({ ...looked, whole: false });
    let chars = 0;
    try {
      for (const search of searches) {
        await calls.searchMessages(search, options, (batch) => {
          chars += charsOf(batch);
          if (chars <= maxListChars) this.#concluding(looked.recovered, () => look.take(batch));
        });
        if (chars > maxListChars) return undefined;
      }
    } catch (error) {
      if (isRefused(error)) return undefined;
      throw error;
    }
    return this.#concluding(looked.recovered, () => look.end({ isComplete: false }));
  }

  async #untilDelivered(signal: AbortSignal | undefined): Promise<void> {
    const { cloud } = this.#options;
    while ((cloud.backlog?.() ?? 0) > longestBacklog && signal?.aborted !== true) await pause(backlogPauseMs);
  }

  #concluding<Result>(recovered: boolean, conclude: () => Result): Result {
    const before = this.#known.isLoaded ? this.#known.epoch : undefined;
    const newsBefore = this.#known.news;
    const result = conclude();
    if (recovered && this.#known.news > newsBefore) this.#options.onRecovered();
    if (before !== undefined && this.#known.isLoaded && this.#known.epoch !== before) this.#options.onEpoch();
    return result;
  }

  /** Nothing may change at the phone between a list and the conclusion from it. */
  #inTurn<Result>(task: (calls: PhoneCalls) => Promise<Result>): Promise<Result> {
    return this.#options.controlPoint.inTurn(task, { exclusive: true });
  }
}

/** Our own phone's code for a session that it does not have. */
const noSuchSession = 702;

/** Undefined when the phone has no sessions at all: the action is refused, as by a phone that knows only messages. */
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
