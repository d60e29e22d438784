// What the phone does with messages: sends, receives, lists, reads and throws them away.
import type { NewMessage, Party, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';
import type { ArrivedMessage, Line } from './lines/line.ts';
import type { MessageQuery, Messages } from './messages.ts';
import type { News } from './news.ts';
import type { OutgoingBox } from './outgoing.ts';
import { refuse } from './refusal.ts';
import type { SessionActions } from './session-actions.ts';
import type { PhoneSessions } from './sessions.ts';

export interface MessageActionsOptions {
  readonly database: PhoneDatabase;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly sessionActions: SessionActions;
  readonly news: News;
  readonly outgoing: OutgoingBox;
  readonly line: Line;
  /** Who sends what leaves here. */
  readonly owner: Party;
  report(line: string): void;
}

const mostNews = 1000;
/** A full memory is cleared in steps, so that it is not counted at every message. */
const pruneEvery = 100;

export class MessageActions {
  readonly #options: MessageActionsOptions;
  #added = 0;

  constructor(options: MessageActionsOptions) {
    this.#options = options;
  }

  /**
   * Puts a message into Outgoing and answers its messageId when it is on disk; the line takes it from there.
   * Sender, time and folder are the phone's to say, whatever the document holds. Refuses 702–706 and 708.
   */
  async send(asked: PhoneMessage): Promise<string> {
    const { database, messages, outgoing, owner } = this.#options;
    const session = asked.sessionId === undefined ? undefined : this.#sessionOf(asked.sessionId);
    const to = recipientsOf(asked, session, owner);
    this.#check(asked, to, session);
    const { messageId: _, bodyOmitted: __, sessionId: ___, ...rest } = asked;
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
    if (session !== undefined) this.#options.sessionActions.messageIn(session.sessionId);
    return message.messageId;
  }

  /** A message came in by the line. Answers its messageId when it is on disk; one for an unknown session is kept alone. */
  async arrive(arrived: ArrivedMessage): Promise<string> {
    const { database, messages, news, owner, sessions } = this.#options;
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
    news.messagesChanged();
    if (session !== undefined) this.#options.sessionActions.messageIn(session.sessionId);
    return messageId;
  }

  search(search: MessageQuery): PhoneMessage[] {
    return this.#options.messages.search(search);
  }

  /** The message, which counts as read from then on. */
  async read(messageId: string): Promise<PhoneMessage> {
    const { database, messages, news } = this.#options;
    const message = this.#messageOf(messageId);
    if (message.status === 'Read') return message;
    await database.write(() => messages.markRead(messageId));
    news.messagesChanged();
    return { ...message, status: 'Read' };
  }

  /** Moves a message to the folder Deleted; one that is there stays there, so that a repeated call does no more. */
  async delete(messageId: string): Promise<void> {
    const { database, messages, news } = this.#options;
    if (this.#messageOf(messageId).folder === 'Deleted') return;
    await database.write(() => messages.move(messageId, 'Deleted'));
    news.messagesChanged();
  }

  /** Arrivals that nobody asked for yet; they are none any more when the answer goes out. */
  async takeNews(): Promise<NewMessage[]> {
    const { database, messages, news } = this.#options;
    const taken = messages.news(mostNews);
    const last = taken.at(-1);
    if (last !== undefined) {
      await database.write(() => messages.clearNews(last.messageId));
      news.messagesTold();
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
    if (forgotten > 0) report(`The phone's memory is full: ${forgotten} old messages that were read are forgotten.`);
  }
}

/** A message of a session goes to all who take part in it, unless it names somebody. */
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
