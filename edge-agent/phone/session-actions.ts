// The phone's session actions. All are idempotent: repeating a step is no error.
import type { Party, PhoneSession, SessionClass, SessionStatus, SessionUpdate } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';
import type { EventedState } from './evented-state.ts';
import type { Line, LineSessionStep, SessionOffer } from './lines/line.ts';
import type { Messages } from './messages.ts';
import { refuse } from './refusal.ts';
import { type PhoneSessions, type SessionSearch, withParties } from './sessions.ts';

export interface SessionActionsOptions {
  readonly database: PhoneDatabase;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly evented: EventedState;
  readonly line: Line;
  readonly owner: Party;
  report(line: string): void;
}

export interface SessionChanges {
  readonly add: readonly Party[];
  readonly remove: readonly Party[];
  /** The empty string keeps the current value, here and below. */
  readonly subject: string;
  readonly contentTypes: string;
  readonly sessionClass: string;
}

export class SessionActions {
  readonly #options: SessionActionsOptions;

  constructor(options: SessionActionsOptions) {
    this.#options = options;
  }

  /** Creates a session: Pending until the first invited party joins, or Running at once for classes without invitations. */
  async create(request: {
    sessionClass: string;
    recipients: readonly Party[];
    subject: string;
    contentTypes: string;
  }): Promise<string> {
    const { database, sessions, owner } = this.#options;
    const sessionClass = this.#classOf(request.sessionClass === '' ? 'Chat' : request.sessionClass);
    this.#checkRecipients(request.recipients, sessionClass);
    if (request.recipients.length === 0) throw refuse('recipient-not-valid');
    const asks = sessionClass === 'Chat' || sessionClass === 'File-Transfer' || sessionClass === 'Mixed';
    const session = await database.write(() => {
      sessions.prune();
      return sessions.add(
        {
          sessionClass,
          status: asks ? 'Pending' : 'Running',
          contentTypes: this.#contentTypesOf(request.contentTypes, sessionClass),
          initiator: owner,
          recipients: withParties([], request.recipients, asks ? 'invited' : 'joined'),
          ...(request.subject === '' ? {} : { subject: request.subject }),
        },
        Date.now(),
      );
    });
    this.#publish(session, 'created');
    this.#stepOnLine(session, 'created');
    return session.sessionId;
  }

  /** Changes participants, subject, content types or class of an open session. */
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
    this.#publish(modified, 'modified');
    this.#stepOnLine(modified, 'modified');
  }

  /** Accepts a session offered to us. */
  async accept(sessionId: string): Promise<void> {
    const session = this.#find(sessionId);
    const ours = session.initiator?.address === this.#options.owner.address;
    if (session.status === 'Running' && !ours) return;
    if (session.status !== 'Pending' || ours) throw refuse('wrong-state');
    await this.#step(sessionId, 'Running', 'accepted', 'joined');
  }

  /** Rejoins a session that we left. */
  async join(sessionId: string): Promise<void> {
    const { status } = this.#find(sessionId);
    if (status === 'Running') return;
    if (status !== 'Parked') throw refuse('wrong-state');
    await this.#step(sessionId, 'Running', 'joined', 'joined');
  }

  /** Leaves a session without ending it for the others: Parked until we rejoin. */
  async leave(sessionId: string): Promise<void> {
    const { status } = this.#find(sessionId);
    if (status === 'Parked') return;
    if (status !== 'Running') throw refuse('wrong-state');
    await this.#step(sessionId, 'Parked', 'left', 'left');
  }

  /** Ends a session for everyone; its messages move to ClosedSession. */
  async close(sessionId: string): Promise<void> {
    if (this.#find(sessionId).status === 'Closed') return;
    await this.#step(sessionId, 'Closed', 'closed', 'left');
  }

  search(search: SessionSearch): readonly PhoneSession[] {
    return this.#options.sessions.search(search);
  }

  takeUpdates(): SessionUpdate[] {
    return this.#options.evented.takeUpdates();
  }

  /** Publishes that a message passed through the session, in either direction. */
  notifyMessage(sessionId: string): void {
    const session = this.#options.sessions.find(sessionId);
    if (session !== undefined) this.#publish(session, 'message');
  }

  /** Publishes that a file of the session changed. */
  notifyFile(sessionId: string): void {
    const session = this.#options.sessions.find(sessionId);
    if (session !== undefined) this.#publish(session, 'file');
  }

  // Events from the line.

  /** Stores a session offered to us; returns its sessionId once on disk. */
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
    this.#publish(session, 'invited');
    return session.sessionId;
  }

  /** An invited party joined or rejoined; a Pending session becomes Running. */
  async partyJoined(sessionId: string, party: Party): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    const session = await this.#update(sessionId, (now) => ({
      ...now,
      status: now.status === 'Pending' ? 'Running' : now.status,
      recipients: withParties(now.recipients, [party], 'joined'),
    }));
    this.#publish(session, 'joined');
  }

  async partyLeft(sessionId: string, party: Party): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    const session = await this.#update(sessionId, (now) => ({
      ...now,
      recipients: withParties(now.recipients, [party], 'left'),
    }));
    this.#publish(session, 'left');
  }

  /** The other side closed the session. */
  async closedByOthers(sessionId: string): Promise<void> {
    const { status } = this.#options.sessions.find(sessionId) ?? {};
    if (status === undefined || status === 'Closed') return;
    this.#publish(await this.#move(sessionId, 'Closed', 'left'), 'closed');
  }

  /** A step of ours: store it, notify subscribers, then tell the line. */
  async #step(
    sessionId: string,
    status: SessionStatus,
    step: LineSessionStep & SessionUpdate['change'],
    ownState: Party['state'],
  ): Promise<void> {
    const session = await this.#move(sessionId, status, ownState);
    this.#publish(session, step);
    this.#stepOnLine(session, step);
  }

  async #move(sessionId: string, status: SessionStatus, ownState: Party['state']): Promise<PhoneSession> {
    const { messages, evented, owner } = this.#options;
    const session = await this.#update(sessionId, (now) => {
      if (status === 'Closed') messages.closeSession(sessionId);
      const takesPart = now.recipients.some((party) => party.address === owner.address);
      return {
        ...now,
        status,
        recipients: takesPart ? withParties(now.recipients, [owner], ownState) : now.recipients,
      };
    });
    if (status === 'Closed') evented.messagesChanged();
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

  #publish({ sessionId, status }: PhoneSession, change: SessionUpdate['change']): void {
    this.#options.evented.sessionChanged({ sessionId, status, change, time: new Date().toISOString() });
  }

  /** Not awaited: the control point asked to change the phone's own state. */
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

  /** Parses a comma-separated list; empty means all types the line can carry. A session of files accepts any type. */
  #contentTypesOf(text: string, sessionClass: SessionClass): string[] {
    const { fileTransfer } = this.#options.line.capabilities;
    const takesFiles = fileTransfer && (sessionClass === 'File-Transfer' || sessionClass === 'Mixed');
    const carried = contentTypesFor(this.#options.line);
    const requested = text
      .split(',')
      .map((type) => type.trim())
      .filter((type) => type !== '');
    const isTaken = (type: string) => (takesFiles && isMimeType(type)) || carried.includes(type.toLowerCase());
    if (!requested.every(isTaken)) throw refuse('content-not-supported');
    return requested.length === 0 ? carried : requested;
  }
}

/** RFC 6838 §4.2: type and subtype, at most 127 characters each. */
function isMimeType(text: string): boolean {
  return /^[a-z0-9][\w!#$&^.+-]{0,126}\/[a-z0-9][\w!#$&^.+-]{0,126}$/i.test(text);
}

function contentTypesFor(line: Line): string[] {
  return [...new Set(line.capabilities.classes.flatMap((one) => one.contentTypes))];
}
