// A look at one phone: what an agenda names is listed there, and KnownPhone concludes what is new, changed and gone.
// ReadMessage is never called here: it would mark messages Read that nobody has read.
import { ANY } from '../../protocol/actions.ts';
import type { InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneSession } from '../../protocol/phone-model.ts';
import { UpnpError } from '../upnp/error.ts';
import type { Agenda } from './agenda.ts';
import { maxListChars, type PhoneCalls, type PhoneControlPoint, standardDeadlineMs } from './control-point.ts';
import type { KnownPhone, Looked } from './known-phone.ts';
import type { ListRead, MessageEntry } from './message-list.ts';
import { charsOf, WholeSearch } from './message-search.ts';

/** The cloud as a look needs it. */
export interface CloudKnowledge {
  /** The store of the connection that stands now; undefined while there is none. */
  store(): string | undefined;
  /** What the cloud knows of a phone's messages. Throws GatewayError when the connection breaks off. */
  inventory(udn: string): Promise<InventoryItem[]>;
}

export interface PhoneLookOptions {
  readonly controlPoint: PhoneControlPoint;
  /** Loaded while the phone is approved: that may be taken back while the phone is asked, and nothing is concluded then. */
  readonly known: KnownPhone;
  readonly cloud: CloudKnowledge;
  /** The epoch has advanced. */
  onEpoch(): void;
  /** Something came in of which the phone had not told. */
  onRecovered(): void;
}

const deadline = { deadlineMs: standardDeadlineMs } as const;

/** Works off an agenda; what shows only meanwhile that it is to be looked at goes on the next one. */
export class PhoneLook {
  readonly #options: PhoneLookOptions;
  readonly #known: KnownPhone;
  readonly #search = new WholeSearch();

  constructor(options: PhoneLookOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  /**
   * Loads what is known. Where the cloud's store is another one, or the journal new, the cloud is asked what it knows,
   * so that also deletions are found. False: that is needed and cannot be done now; the next connection begins anew.
   */
  async compareWithCloud(agenda: Agenda): Promise<boolean> {
    const { cloud, controlPoint } = this.#options;
    if (!this.#known.isLoaded) this.#known.load();
    const { comparedStore } = this.#known;
    const store = cloud.store();
    if (comparedStore !== undefined && (store === undefined || store === comparedStore)) return true;
    if (store === undefined) return false;
    const items = await cloud.inventory(controlPoint.udn);
    if (!this.#known.isLoaded) return false;
    this.#known.compareWith(store, items);
    agenda.lookAtEverything();
    agenda.hinted = false;
    return true;
  }

  async atSessions(agenda: Agenda, next: Agenda): Promise<void> {
    for (const sessionId of agenda.everything ? [''] : agenda.sessions) {
      if (sessionId !== '' && this.#known.isOverfull) return next.lookAtEverything();
      await this.#inTurn(async (calls) => {
        const listed = await listSessions(calls, sessionId, next);
        if (listed !== undefined && this.#known.isLoaded) this.#known.concludeSessions(listed, sessionId);
      });
    }
  }

  async atMessages(agenda: Agenda, next: Agenda): Promise<void> {
    const whole = agenda.everything || agenda.allMessages || this.#known.isOverfull;
    if (agenda.sent) for (const MessageFolder of ['Outgoing', 'Sent']) agenda.search({ MessageFolder });
    if (!whole && agenda.searches.size === 0) return;
    const isComplete = await this.#inTurn(async (calls) => {
      const found = whole ? undefined : await narrowly(agenda, calls);
      const entries = found?.entries ?? [];
      const list = found ?? (await this.#search.list(calls, deadline, (batch) => void entries.push(...batch)));
      const { hinted, notifiedMs } = agenda;
      this.concludeMessages(entries, { whole: found === undefined && list.isComplete, recovered: !hinted, notifiedMs });
      // A broken list is asked for again: what it does not show may still be on the phone.
      if (found === undefined && !list.isComplete) throw new UpnpError('malformed', 'The list breaks off');
      return found === undefined || [...agenda.expected].every((messageId) => this.#known.isKnown(messageId));
    });
    // The event named a message that the narrow search did not show.
    if (!isComplete) next.lookAtAllMessages();
  }

  async atFiles(agenda: Agenda): Promise<void> {
    for (const sessionId of agenda.files) {
      await this.#inTurn(async (calls) => {
        const files = await listFiles(calls, sessionId);
        if (this.#known.isLoaded) this.#known.concludeFiles(files, sessionId);
      });
    }
  }

  /** Concludes what a list of messages tells, from whatever section of the phone's queue it comes. */
  concludeMessages(entries: readonly MessageEntry[], looked: Looked): void {
    if (!this.#known.isLoaded) return;
    const before = this.#known.epoch;
    const isNews = this.#known.concludeMessages(entries, looked);
    if (isNews && looked.recovered) this.#options.onRecovered();
    if (this.#known.epoch !== before) this.#options.onEpoch();
  }

  /** Nothing may change at the phone between a list and the conclusion from it. */
  #inTurn<Result>(task: (calls: PhoneCalls) => Promise<Result>): Promise<Result> {
    return this.#options.controlPoint.inTurn(task, { exclusive: true });
  }
}

/** Our own phone's code for a session that it does not have. */
const noSuchSession = 702;

/** Undefined when the phone has no sessions at all: the action is refused, as by a phone that knows only messages. */
async function listSessions(calls: PhoneCalls, sessionId: string, next: Agenda): Promise<PhoneSession[] | undefined> {
  const input = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
  try {
    return (await calls.model('GetSessions', input, deadline)).SessionsList;
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (sessionId !== '' && error.upnpCode === noSuchSession) return [];
    if (sessionId !== '') next.lookAtEverything();
    return undefined;
  }
}

/** Undefined when the phone refuses a narrow search, or shows more by them than it could at once: it is then asked for everything. */
async function narrowly(
  agenda: Agenda,
  calls: PhoneCalls,
): Promise<(ListRead & { entries: MessageEntry[] }) | undefined> {
  const entries: MessageEntry[] = [];
  try {
    for (const search of agenda.searches.values()) {
      await calls.searchMessages(search, deadline, (batch) => void entries.push(...batch));
      if (charsOf(entries) > maxListChars) return undefined;
    }
    return { entries, isComplete: false, count: entries.length };
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
