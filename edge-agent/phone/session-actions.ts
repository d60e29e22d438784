// What the phone does with sessions. Every step may be asked for twice: what is already so is no error.
import type { Party, PhoneSession, SessionClass, SessionStatus, SessionUpdate } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';
import type { Line, LineSessionStep, SessionOffer } from './lines/line.ts';
import type { Messages } from './messages.ts';
import type { News } from './news.ts';
import { refuse } from './refusal.ts';
import { type PhoneSessions, type SessionSearch, withParties } from './sessions.ts';

export interface SessionActionsOptions {
  readonly database: PhoneDatabase;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly news: News;
  readonly line: Line;
  readonly owner: Party;
  report(line: string): void;
}

export interface SessionChanges {
  readonly add: readonly Party[];
  readonly remove: readonly Party[];
  /** The empty string leaves it as it is, here and below. */
  readonly subject: string;
  readonly contentTypes: string;
  readonly sessionClass: string;
}

export class SessionActions {
  readonly #options: SessionActionsOptions;

  constructor(options: SessionActionsOptions) {
    this.#options = options;
  }

  /** A session of ours: Pending until the first whom we invite joins; of a class that asks nobody, Running at once. */
  async create(asked: {
    sessionClass: string;
    recipients: readonly Party[];
    subject: string;
    contentTypes: string;
  }): Promise<string> {
    const { database, sessions, owner } = this.#options;
    const sessionClass = this.#classOf(asked.sessionClass === '' ? 'Chat' : asked.sessionClass);
    this.#checkRecipients(asked.recipients, sessionClass);
    if (asked.recipients.length === 0) throw refuse('recipient-not-valid');
    const asks = sessionClass === 'Chat' || sessionClass === 'File-Transfer' || sessionClass === 'Mixed';
    const session = await database.write(() => {
      sessions.prune();
      return sessions.add(
        {
          sessionClass,
          status: asks ? 'Pending' : 'Running',
          contentTypes: this.#contentTypesOf(asked.contentTypes, sessionClass),
          initiator: owner,
          recipients: withParties([], asked.recipients, asks ? 'invited' : 'joined'),
          ...(asked.subject === '' ? {} : { subject: asked.subject }),
        },
        Date.now(),
      );
    });
    this.#tell(session, 'created');
    this.#stepOnLine(session, 'created');
    return session.sessionId;
  }

  /** Changes who takes part, the subject, the content types or the class of an open session. */
  async modify(sessionId: string, changes: SessionChanges): Promise<void> {
    const session = this.#find(sessionId);
    if (session.status === 'Closed') throw refuse('wrong-state');
    const sessionClass = changes.sessionClass === '' ? session.sessionClass : this.#classOf(changes.sessionClass);
    this.#checkRecipients(changes.add, sessionClass);
    const known = new Set(session.recipients.map((party) => party.address));
    if (!changes.remove.every((party) => known.has(party.address))) throw refuse('recipient-not-valid');
    const fresh = changes.add.filter(
      (party) => !session.recipients.some((one) => one.address === party.address && one.state !== 'left'),
    );
    const modified = await this.#update(sessionId, (now) => ({
      ...now,
      sessionClass,
      recipients: withParties(withParties(now.recipients, fresh, 'invited'), changes.remove, 'left'),
      ...(changes.subject === '' ? {} : { subject: changes.subject }),
      ...(changes.contentTypes === ''
        ? {}
        : { contentTypes: this.#contentTypesOf(changes.contentTypes, sessionClass) }),
    }));
    this.#tell(modified, 'modified');
    this.#stepOnLine(modified, 'modified');
  }

  /** Takes up a session that was offered to us. */
  async accept(sessionId: string): Promise<void> {
    const session = this.#find(sessionId);
    const ours = session.initiator?.address === this.#options.owner.address;
    if (session.status === 'Running' && !ours) return;
    if (session.status !== 'Pending' || ours) throw refuse('wrong-state');
    await this.#step(sessionId, 'Running', 'accepted', 'joined');
  }

  /** Comes back into a session that we left. */
  async join(sessionId: string): Promise<void> {
    const { status } = this.#find(sessionId);
    if (status === 'Running') return;
    if (status !== 'Parked') throw refuse('wrong-state');
    await this.#step(sessionId, 'Running', 'joined', 'joined');
  }

  /** Leaves a session without ending it for the others: it is Parked until we join again. */
  async leave(sessionId: string): Promise<void> {
    const { status } = this.#find(sessionId);
    if (status === 'Parked') return;
    if (status !== 'Running') throw refuse('wrong-state');
    await this.#step(sessionId, 'Parked', 'left', 'left');
  }

  /** Ends a session for good; its messages move to ClosedSession. */
  async close(sessionId: string): Promise<void> {
    if (this.#find(sessionId).status === 'Closed') return;
    await this.#step(sessionId, 'Closed', 'closed', 'left');
  }

  search(search: SessionSearch): readonly PhoneSession[] {
    return this.#options.sessions.search(search);
  }

  takeUpdates(): SessionUpdate[] {
    return this.#options.news.takeUpdates();
  }

  /** A message went through the session, in either direction. */
  messageIn(sessionId: string): void {
    const session = this.#options.sessions.find(sessionId);
    if (session !== undefined) this.#tell(session, 'message');
  }

  /** A file of the session changed. */
  fileIn(sessionId: string): void {
    const session = this.#options.sessions.find(sessionId);
    if (session !== undefined) this.#tell(session, 'file');
  }

  // What the line tells.

  /** Somebody offers us a session. Answers its sessionId when it is on disk. */
  async offered(offer: SessionOffer): Promise<string> {
    const { database, sessions, owner, line } = this.#options;
    const session = await database.write(() => {
      sessions.prune();
      return sessions.add(
        {
          sessionClass: offer.sessionClass,
          status: 'Pending',
          contentTypes: contentTypesFor(line),
          initiator: offer.initiator,
          recipients: [{ ...owner, state: 'invited' }],
          ...(offer.subject === undefined ? {} : { subject: offer.subject }),
        },
        Date.now(),
      );
    });
    this.#tell(session, 'invited');
    return session.sessionId;
  }

  /** Somebody whom we invited came, or came back: a session of ours that waited for it now runs. */
  async partyJoined(sessionId: string, party: Party): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    const session = await this.#update(sessionId, (now) => ({
      ...now,
      status: now.status === 'Pending' ? 'Running' : now.status,
      recipients: withParties(now.recipients, [party], 'joined'),
    }));
    this.#tell(session, 'joined');
  }

  async partyLeft(sessionId: string, party: Party): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    const session = await this.#update(sessionId, (now) => ({
      ...now,
      recipients: withParties(now.recipients, [party], 'left'),
    }));
    this.#tell(session, 'left');
  }

  /** The other side ended it. */
  async closedByOthers(sessionId: string): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    this.#tell(await this.#move(sessionId, 'Closed', 'left'), 'closed');
  }

  /** A step of ours: on disk, told to subscribers, then told to the line. */
  async #step(
    sessionId: string,
    status: SessionStatus,
    step: LineSessionStep & SessionUpdate['change'],
    ownState: Party['state'],
  ): Promise<void> {
    const session = await this.#move(sessionId, status, ownState);
    this.#tell(session, step);
    this.#stepOnLine(session, step);
  }

  async #move(sessionId: string, status: SessionStatus, ownState: Party['state']): Promise<PhoneSession> {
    const { messages, news, owner } = this.#options;
    const session = await this.#update(sessionId, (now) => {
      if (status === 'Closed') messages.closeSession(sessionId);
      const takesPart = now.recipients.some((party) => party.address === owner.address);
      return {
        ...now,
        status,
        recipients: takesPart ? withParties(now.recipients, [owner], ownState) : now.recipients,
      };
    });
    if (status === 'Closed') news.messagesChanged();
    return session;
  }

  #update(sessionId: string, change: (now: PhoneSession) => PhoneSession): Promise<PhoneSession> {
    const { database, sessions } = this.#options;
    return database.write(() => sessions.update(change(this.#find(sessionId)), Date.now()));
  }

  #find(sessionId: string): PhoneSession {
    const session = this.#options.sessions.find(sessionId);
    if (session === undefined) throw refuse('no-session');
    return session;
  }

  #tell({ sessionId, status }: PhoneSession, change: SessionUpdate['change']): void {
    this.#options.news.sessionChanged({ sessionId, status, change, time: new Date().toISOString() });
  }

  /** The line's part of a step is not waited for: the phone's own state is what the control point asked to change. */
  #stepOnLine(session: PhoneSession, step: LineSessionStep): void {
    const { line, report } = this.#options;
    line.step(session, step).catch(() => report(`The line did not take the step “${step}” of a session.`));
  }

  #classOf(text: string): SessionClass {
    if (text === 'ANY') throw refuse('not-allowed-value');
    const found = this.#options.line.capabilities.sessionClasses.find((one) => one === text);
    if (found === undefined) throw refuse('class-not-supported');
    return found;
  }

  #checkRecipients(recipients: readonly Party[], sessionClass: SessionClass): void {
    const { line } = this.#options;
    if (!recipients.every(({ address }) => line.reaches(address, sessionClass))) throw refuse('recipient-not-valid');
  }

  /** A comma-separated list; empty means all that the line can carry. A session of files takes files of any type. */
  #contentTypesOf(text: string, sessionClass: SessionClass): string[] {
    const { fileTransfer } = this.#options.line.capabilities;
    const takesFiles = fileTransfer && (sessionClass === 'File-Transfer' || sessionClass === 'Mixed');
    const carried = contentTypesFor(this.#options.line);
    const asked = text
      .split(',')
      .map((type) => type.trim())
      .filter((type) => type !== '');
    const isTaken = (type: string) => (takesFiles && isMimeType(type)) || carried.includes(type.toLowerCase());
    if (!asked.every(isTaken)) throw refuse('content-not-supported');
    return asked.length === 0 ? carried : asked;
  }
}

/** RFC 6838 §4.2: type and subtype, at most 127 characters each. */
function isMimeType(text: string): boolean {
  return /^[a-z0-9][\w!#$&^.+-]{0,126}\/[a-z0-9][\w!#$&^.+-]{0,126}$/i.test(text);
}

function contentTypesFor(line: Line): string[] {
  return [...new Set(line.capabilities.classes.flatMap((one) => one.contentTypes))];
}
