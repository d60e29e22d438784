// The phone's message actions: send, receive, list, read and delete.
import type { NewMessage, Party, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';
import type { EventedState } from './evented-state.ts';
import type { ArrivedMessage, Line } from './lines/line.ts';
import type { MessageQuery, Messages } from './messages.ts';
import type { OutgoingBox } from './outgoing.ts';
import { refuse } from './refusal.ts';
import type { SessionActions } from './session-actions.ts';
import type { PhoneSessions } from './sessions.ts';

export interface MessageActionsOptions {
  readonly database: PhoneDatabase;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly sessionActions: SessionActions;
  readonly evented: EventedState;
  readonly outgoing: OutgoingBox;
  readonly line: Line;
  /** The sender of outgoing messages. */
  readonly owner: Party;
  report(line: string): void;
}

const maxNewMessages = 1000;
/** Prune once per this many messages, because counting for each is slow. */
const pruneEvery = 100;

export class MessageActions {
  readonly #options: MessageActionsOptions;
  #added = 0;

  constructor(options: MessageActionsOptions) {
    this.#options = options;
  }

  /**
   * Stores a message in Outgoing and returns its messageId once it is on disk; the line takes it from there. The phone sets
   * sender, time and folder, whatever the document says. Refuses 702–706 and 708.
   */
  async send(request: PhoneMessage): Promise<string> {
    const { database, messages, outgoing, owner } = this.#options;
    const session = request.sessionId === undefined ? undefined : this.#sessionOf(request.sessionId);
    const to = recipientsOf(request, session, owner);
    this.#check(request, to, session);
    const { messageId: _, bodyOmitted: __, sessionId: ___, ...rest } = request;
    const message = await database.write(() => {
      this.#prune();
      return messages.add(
        {
          ...rest,
          folder: 'Outgoing',
          status: 'Read',
          from: owner,
          to,
          time: new Date().toISOString(),
          ...(session === undefined ? {} : { sessionId: session.sessionId }),
        },
        false,
      );
    });
    outgoing.add(message);
    if (session !== undefined) this.#options.sessionActions.notifyMessage(session.sessionId);
    return message.messageId;
  }

  /** Stores a message from the line and returns its messageId once on disk. An unknown session is ignored. */
  async arrive(arrived: ArrivedMessage): Promise<string> {
    const { database, messages, evented, owner, sessions } = this.#options;
    const session = arrived.sessionId === undefined ? undefined : sessions.find(arrived.sessionId);
    const message: Omit<PhoneMessage, 'messageId'> = {
      messageClass: arrived.messageClass,
      folder: session?.status === 'Closed' ? 'ClosedSession' : 'Received',
      status: 'Unread',
      from: arrived.from,
      to: [owner],
      contentType: arrived.contentType ?? 'text/plain',
      body: arrived.body,
      attachments: [],
      time: new Date(arrived.timeMs ?? Date.now()).toISOString(),
      ...(arrived.subject === undefined ? {} : { subject: arrived.subject }),
      ...(session === undefined ? {} : { sessionId: session.sessionId }),
    };
    const { messageId } = await database.write(() => {
      this.#prune();
      return messages.add(message, true);
    });
    evented.messagesChanged();
    if (session !== undefined) this.#options.sessionActions.notifyMessage(session.sessionId);
    return messageId;
  }

  search(search: MessageQuery): PhoneMessage[] {
    return this.#options.messages.search(search);
  }

  /** Returns the message and marks it as read. */
  async read(messageId: string): Promise<PhoneMessage> {
    const { database, messages, evented } = this.#options;
    const message = this.#messageOf(messageId);
    if (message.status === 'Read') return message;
    await database.write(() => messages.markRead(messageId));
    evented.messagesChanged();
    return { ...message, status: 'Read' };
  }

  /** Moves a message to the folder Deleted; idempotent. */
  async delete(messageId: string): Promise<void> {
    const { database, messages, evented } = this.#options;
    if (this.#messageOf(messageId).folder === 'Deleted') return;
    await database.write(() => messages.move(messageId, 'Deleted'));
    evented.messagesChanged();
  }

  /** Returns the arrivals not yet reported by GetNewMessages, and marks them as reported. */
  async takeNewMessages(): Promise<NewMessage[]> {
    const { database, messages, evented } = this.#options;
    const taken = messages.unreported(maxNewMessages);
    const last = taken.at(-1);
    if (last !== undefined) {
      await database.write(() => messages.markReported(last.messageId));
      evented.newMessagesTaken();
    }
    return taken;
  }

  #messageOf(messageId: string): PhoneMessage {
    const message = this.#options.messages.find(messageId);
    if (message === undefined) throw refuse('no-message');
    return message;
  }

  #sessionOf(sessionId: string): PhoneSession {
    const session = this.#options.sessions.find(sessionId);
    if (session === undefined) throw refuse('no-session');
    if (session.status !== 'Running') throw refuse('wrong-state');
    return session;
  }

  #check(message: PhoneMessage, to: readonly Party[], session: PhoneSession | undefined): void {
    const { line } = this.#options;
    const capability = line.capabilities.classes.find((one) => one.messageClass === message.messageClass);
    if (capability === undefined) throw refuse('class-not-supported');
    if (session === undefined ? !capability.pageMode : !capability.sessionMode) throw refuse('class-not-supported');
    if (!capability.contentTypes.includes(bareType(message.contentType))) throw refuse('content-not-supported');
    if (to.length === 0 || to.length > (capability.maxRecipients ?? Number.POSITIVE_INFINITY)) {
      throw refuse('recipient-not-valid');
    }
    if (!to.every(({ address }) => line.reaches(address, message.messageClass))) throw refuse('recipient-not-valid');
    const attachedBytes = message.attachments.reduce((sum, attachment) => sum + attachment.sizeBytes, 0);
    if (message.body.length > (capability.maxBodyLength ?? Number.POSITIVE_INFINITY)) throw refuse('too-large');
    if (attachedBytes > (capability.maxAttachmentBytes ?? 0)) throw refuse('too-large');
  }

  #prune(): void {
    if (this.#added++ % pruneEvery !== 0) return;
    const { messages, report } = this.#options;
    const forgotten = messages.prune();
    if (forgotten > 0)
      report(`The phone's memory is full: ${forgotten} old messages, all of them read or deleted, were removed.`);
  }
}

/** Without explicit recipients, a message of a session goes to all its participants. */
function recipientsOf(message: PhoneMessage, session: PhoneSession | undefined, owner: Party): Party[] {
  if (message.to.length > 0 || session === undefined) return message.to;
  const parties = session.initiator === undefined ? session.recipients : [session.initiator, ...session.recipients];
  const others = parties.filter((party) => party.address !== owner.address && party.state !== 'left');
  return others.map(({ address, displayName }) => ({ address, ...(displayName === undefined ? {} : { displayName }) }));
}

/** `text/plain; charset=utf-8` → `text/plain`. */
export function bareType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}
