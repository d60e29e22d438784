// What a synchroniser must list next: hints are merged here while a sync pass runs.
import { ANY, type DocumentName } from '../../protocol/actions.ts';
import type { DocumentOf, NewMessage } from '../../protocol/phone-model.ts';
import type { MessageSearch } from './control-point.ts';
import { readDocument } from './documents.ts';

export const fullSearch: MessageSearch = {
  MessageClass: ANY,
  MessageFolder: ANY,
  MessageStatus: ANY,
  SessionID: '',
};

export class PendingSync {
  /** Everything: sessions and messages. */
  everything = false;
  /** All messages: from a hint without a name. */
  allMessages = false;
  /** Our own sends: list Outgoing and Sent. */
  sent = false;
  /** An event or a command caused it; otherwise what is found is `recovered`. */
  hinted = false;
  /** When the first pending event of the phone arrived, epoch milliseconds. */
  notifiedMs: number | undefined;
  readonly searches = new Map<string, MessageSearch>();
  /** messageIds that the searches must find; otherwise all messages are listed. */
  readonly expected = new Set<string>();
  readonly sessions = new Set<string>();
  readonly files = new Set<string>();

  get isEmpty(): boolean {
    return !this.isUrgent && !this.isWide;
  }

  /** Something is requested by name, or everything for a reason of our own. */
  get isUrgent(): boolean {
    return this.everything || this.searches.size > 0 || this.sessions.size > 0 || this.files.size > 0;
  }

  /** From a hint without a name: the phone must list much. */
  get isWide(): boolean {
    return this.allMessages || this.sent;
  }

  /** Moves the wide hints into a new PendingSync. */
  postponeWide(): PendingSync {
    const later = new PendingSync();
    later.hinted = this.isWide;
    later.allMessages = this.allMessages;
    later.sent = this.sent;
    later.notifiedMs = this.notifiedMs;
    this.allMessages = false;
    this.sent = false;
    return later;
  }

  /** Moves what is requested by name into a new PendingSync. */
  takeNamed(): PendingSync {
    const named = new PendingSync();
    named.hinted = this.hinted;
    for (const messageId of this.expected) named.expected.add(messageId);
    for (const sessionId of this.sessions) named.sessions.add(sessionId);
    for (const sessionId of this.files) named.files.add(sessionId);
    for (const [key, search] of this.searches) named.searches.set(key, search);
    if (!named.isEmpty) named.notifiedMs = this.notifiedMs;
    if (!this.isWide) this.notifiedMs = undefined;
    for (const each of [this.expected, this.sessions, this.files, this.searches]) each.clear();
    return named;
  }

  addEverything(): void {
    this.everything = true;
  }

  addAllMessages(): void {
    this.hinted = true;
    this.allMessages = true;
  }

  addSent(): void {
    this.hinted = true;
    this.sent = true;
  }

  search(narrow: Partial<MessageSearch>): void {
    this.hinted = true;
    const search = { ...fullSearch, ...narrow };
    this.searches.set(Object.values(search).join('\n'), search);
  }

  addSession(sessionId: string, also: { messages?: boolean; files?: boolean } = {}): void {
    this.hinted = true;
    this.sessions.add(sessionId);
    if (also.messages === true) this.search({ SessionID: sessionId });
    if (also.files === true) this.files.add(sessionId);
  }
}

/** Adds the hints of an event. An event is never more than a hint (requirement E19). */
export function addEvent(
  pendingSync: PendingSync,
  udn: string,
  variables: ReadonlyMap<string, string>,
  isKnown: (messageId: string) => boolean,
): void {
  // An unreadable event still says that something changed.
  if (variables.size === 0) pendingSync.addEverything();
  for (const [name, value] of variables) {
    // An empty value is the variable's initial state, not an error (E18); every connection starts with a full sync anyway.
    if (value.trim() === '') continue;
    if (/^newmessages$/i.test(name)) {
      const fresh = readHint('newMessages', udn, value)?.filter((each) => !isKnown(each.messageId));
      if (fresh === undefined || fresh.length === 0) pendingSync.addAllMessages();
      else noteNewMessages(pendingSync, fresh);
    } else if (/^sessionupdates$/i.test(name)) {
      const updates = readHint('sessionUpdates', udn, value);
      if (updates === undefined) pendingSync.addEverything();
      for (const { sessionId, change } of updates ?? []) {
        const messages = change === 'message' || change === 'closed';
        pendingSync.addSession(sessionId, { messages, files: change === 'file' });
      }
    }
  }
}

function readHint<Name extends DocumentName>(name: Name, udn: string, value: string): DocumentOf<Name> | undefined {
  try {
    return readDocument(name, value, { device: udn, action: 'NOTIFY' });
  } catch {
    return undefined;
  }
}

/** Searches narrowly when the event names enough: the less a phone lists, the sooner the message arrives. */
function noteNewMessages(pendingSync: PendingSync, fresh: readonly NewMessage[]): void {
  for (const { messageId } of fresh) pendingSync.expected.add(messageId);
  for (const { messageClass, sessionId } of fresh) {
    pendingSync.search({
      MessageClass: messageClass,
      MessageFolder: 'Received',
      MessageStatus: 'Unread',
      SessionID: sessionId ?? '',
    });
  }
}
