// What the agent remembers of each phone, so that after a crash nothing is told twice and nothing is sent twice.
import { isDeepStrictEqual } from 'node:util';
import type { EdgeEvent, PhoneEvidence } from '../../protocol/frames.ts';
import type { PhoneSession } from '../../protocol/phone-model.ts';
import type { AgentDatabase } from './database.ts';
import type { Outbox } from './outbox.ts';

/** A message as it was last seen. What was written in it is not kept: its fingerprint tells whether it changed. */
export interface JournalMessage {
  readonly id: string;
  readonly messageId: string;
  readonly epoch: number;
  readonly fingerprint: string;
  /** Since when the phone no longer lists it, epoch milliseconds; of a deleted one, when it was deleted. */
  readonly absentMs?: number | undefined;
  /** That it is gone needs no second proof. */
  readonly isSettled?: boolean | undefined;
  /** The household deleted it: it is not told of again. */
  readonly isDeleted?: boolean | undefined;
}

export interface KnownSession {
  readonly id: string;
  readonly session: PhoneSession;
}

/** What a look at a phone changed. It is kept together with the events that tell of it: both or neither. */
export interface JournalChange {
  readonly epoch?: number;
  readonly putMessages?: readonly JournalMessage[];
  /** Identifiers of ours. */
  readonly forgottenIds?: readonly string[];
  readonly putSessions?: readonly KnownSession[];
  readonly deletedSessionIds?: readonly string[];
  /** Sends whose message was found on the phone: key → its messageId. */
  readonly settledSends?: ReadonlyMap<string, string>;
  /** The cloud's store with which the phone was compared. */
  readonly comparedStore?: string;
  readonly events: readonly EdgeEvent[];
}

/** What became of an action that must not happen twice: some kilobytes at most, for it is kept for a week. */
export type ActionOutcome = { readonly result: Readonly<Record<string, string>> } | { readonly failure: ActionFailure };

export interface ActionFailure {
  readonly code: string;
  readonly detail: string;
  readonly upnpCode?: number;
  readonly upnpDescription?: string;
}

/**
 * Of a refusal that does not prove that nothing was done: `open` until the phone's lists have been read, then `absent`,
 * because they did not show the effect. It may still appear.
 */
type Doubt = 'open' | 'absent';

/** As the column `outcome` holds it. */
type StoredOutcome = ActionOutcome & { readonly doubt?: Doubt };

export interface Send {
  readonly key: string;
  readonly action: string;
  /** The arguments as exact UPnP strings. They are forgotten once the outcome is known: a body may be long. */
  readonly arguments: Readonly<Record<string, string>>;
  readonly begunMs: number;
  /** Undefined: begun, and nobody knows how it ended. */
  readonly outcome: ActionOutcome | undefined;
  /** The phone's refusal, where its lists must tell whether it acted all the same. */
  readonly doubtedRefusal?: ActionFailure;
}

/** Outcomes are kept longer than the cloud keeps an Idempotency-Key (24 h). */
const keepSendsMs = 7 * 86_400_000;

export class Journal {
  readonly #database: AgentDatabase;
  readonly #outbox: Outbox;
  readonly #statements;

  constructor(database: AgentDatabase, outbox: Outbox) {
    this.#database = database;
    this.#outbox = outbox;
    this.#statements = {
      addPhone: database.prepare('INSERT OR IGNORE INTO phones (udn, epoch) VALUES (?, 0)'),
      phone: database.prepare('SELECT epoch, compared_store FROM phones WHERE udn = ?'),
      setEpoch: database.prepare('UPDATE phones SET epoch = ? WHERE udn = ?'),
      setCompared: database.prepare('UPDATE phones SET compared_store = ? WHERE udn = ?'),
      messages: database.prepare(
        'SELECT id, message_id, epoch, fingerprint, absent_ms, is_settled, is_deleted FROM known_messages WHERE udn = ?',
      ),
      putMessage: database.prepare(
        `INSERT INTO known_messages (udn, id, message_id, epoch, fingerprint, absent_ms, is_settled, is_deleted)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (udn, id) DO UPDATE SET message_id = excluded.message_id, epoch = excluded.epoch,
           fingerprint = excluded.fingerprint, absent_ms = excluded.absent_ms, is_settled = excluded.is_settled,
           is_deleted = excluded.is_deleted`,
      ),
      forgetMessage: database.prepare('DELETE FROM known_messages WHERE udn = ? AND id = ?'),
      under: database.prepare(
        `SELECT id, message_id, epoch, fingerprint, absent_ms, is_settled, is_deleted FROM known_messages
         WHERE udn = ? AND message_id = ?`,
      ),
      sessions: database.prepare('SELECT id, session FROM sessions WHERE udn = ?'),
      putSession: database.prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)'),
      deleteSession: database.prepare('DELETE FROM sessions WHERE udn = ? AND session_id = ?'),
      send: database.prepare('SELECT * FROM sends WHERE key = ?'),
      joinableSends: database.prepare(
        "SELECT * FROM sends WHERE udn = ? AND arguments <> '{}' ORDER BY outcome IS NOT NULL, begun_ms, key",
      ),
      beginSend: database.prepare('INSERT INTO sends VALUES (?, ?, ?, ?, ?, NULL)'),
      finishSend: database.prepare("UPDATE sends SET outcome = ?, arguments = '{}' WHERE key = ?"),
      doubtSend: database.prepare('UPDATE sends SET outcome = ? WHERE key = ?'),
      abandonSend: database.prepare('DELETE FROM sends WHERE key = ?'),
      forgetSends: database.prepare('DELETE FROM sends WHERE begun_ms < ?'),
      approvals: database.prepare('SELECT udn, evidence FROM approvals'),
      clearApprovals: database.prepare('DELETE FROM approvals'),
      approve: database.prepare('INSERT OR IGNORE INTO approvals (udn, evidence) VALUES (?, ?)'),
    };
  }

  /** `comparedStore` undefined: what the cloud knows of this phone must be asked before anything is concluded. */
  readPhone(udn: string): { epoch: number; comparedStore: string | undefined } {
    const row = this.#statements.phone.get(udn);
    const compared = row?.compared_store;
    return { epoch: Number(row?.epoch ?? 0), comparedStore: typeof compared === 'string' ? compared : undefined };
  }

  messagesOf(udn: string): JournalMessage[] {
    return this.#statements.messages.all(udn).map(readMessage);
  }

  /** All messages that were ever known by the phone's identifier. */
  messagesUnder(udn: string, messageId: string): JournalMessage[] {
    return this.#statements.under.all(udn, messageId).map(readMessage);
  }

  sessionsOf(udn: string): KnownSession[] {
    return this.#statements.sessions
      .all(udn)
      .map((row) => ({ id: String(row.id), session: JSON.parse(String(row.session)) }));
  }

  /** Keeps a change and its events in one commit: a burst costs one write to the disk. */
  record(udn: string, change: JournalChange): void {
    this.#outbox.append(change.events, () => this.#write(udn, change));
  }

  #write(udn: string, change: JournalChange): void {
    const statements = this.#statements;
    statements.addPhone.run(udn);
    if (change.epoch !== undefined) statements.setEpoch.run(change.epoch, udn);
    for (const id of change.forgottenIds ?? []) statements.forgetMessage.run(udn, id);
    for (const message of change.putMessages ?? []) {
      const { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted } = message;
      statements.putMessage.run(
        udn,
        id,
        messageId,
        epoch,
        fingerprint,
        absentMs ?? null,
        isSettled === true ? 1 : 0,
        isDeleted === true ? 1 : 0,
      );
    }
    for (const sessionId of change.deletedSessionIds ?? []) statements.deleteSession.run(udn, sessionId);
    for (const { id, session } of change.putSessions ?? []) {
      statements.putSession.run(udn, session.sessionId, id, JSON.stringify(session));
    }
    for (const [key, messageId] of change.settledSends ?? []) {
      statements.finishSend.run(JSON.stringify({ result: { MessageID: messageId } } satisfies ActionOutcome), key);
    }
    if (change.comparedStore !== undefined) statements.setCompared.run(change.comparedStore, udn);
  }

  findSend(key: string): Send | undefined {
    const row = this.#statements.send.get(key);
    return row === undefined ? undefined : readSend(row);
  }

  /** Whether an action was begun under the key and nobody knows how it ended. */
  isBegun(key: string | undefined): boolean {
    const send = key === undefined ? undefined : this.findSend(key);
    return send !== undefined && send.outcome === undefined;
  }

  /** Sends of a phone whose message may still appear: first those whose end nobody knows, each oldest first. */
  joinableSends(udn: string): Send[] {
    return this.#statements.joinableSends.all(udn).map(readSend);
  }

  /** Before the phone is asked: on the disk when it returns. */
  beginSend(udn: string, send: Omit<Send, 'outcome'>): void {
    this.#database.commit(() => {
      this.#statements.forgetSends.run(send.begunMs - keepSendsMs);
      this.#statements.beginSend.run(send.key, udn, send.action, JSON.stringify(send.arguments), send.begunMs);
    });
  }

  /**
   * The end of a send, together with the message that it made, whose id becomes the send's own key. It is not
   * waited for: a send whose end got lost is settled by looking at the phone.
   */
  finishSend(udn: string, key: string, outcome: ActionOutcome, made?: JournalMessage): void {
    this.#database.commitSoon(() => {
      this.#statements.finishSend.run(JSON.stringify(outcome), key);
      if (made !== undefined) this.#write(udn, { putMessages: [made], events: [] });
    });
  }

  /**
   * The phone refused without proving that nothing was done. The arguments are kept, so that a message that appears
   * later joins its send.
   */
  doubtSend(key: string, failure: ActionFailure, doubt: Doubt): void {
    this.#database.commitSoon(() => {
      this.#statements.doubtSend.run(JSON.stringify({ failure, doubt } satisfies StoredOutcome), key);
    });
  }

  /** The phone certainly did nothing: the same key may try again. */
  abandonSend(key: string): void {
    this.#statements.abandonSend.run(key);
  }

  /** Phones whose messages may leave the house, as the cloud last said, each with what its approval counts for. */
  approved(): Map<string, PhoneEvidence | undefined> {
    const rows = this.#statements.approvals.all();
    return new Map(
      rows.map(({ udn, evidence }) => [String(udn), evidence === null ? undefined : JSON.parse(String(evidence))]),
    );
  }

  /** Takes over the cloud's word. What waits of a phone that lost its approval is forgotten. */
  approve(udns: readonly string[], evidence: Readonly<Record<string, PhoneEvidence>> = {}): void {
    const before = this.approved();
    const now = new Map(udns.map((udn) => [udn, evidence[udn]]));
    if (isDeepStrictEqual(before, now)) return;
    this.#database.commit(() => {
      this.#statements.clearApprovals.run();
      for (const [udn, as] of now) this.#statements.approve.run(udn, as === undefined ? null : JSON.stringify(as));
      for (const udn of before.keys()) if (!now.has(udn)) this.#outbox.drop(udn);
    });
  }
}

function readMessage(row: Record<string, unknown>): JournalMessage {
  return {
    id: String(row.id),
    messageId: String(row.message_id),
    epoch: Number(row.epoch),
    fingerprint: String(row.fingerprint),
    ...(row.absent_ms !== null && { absentMs: Number(row.absent_ms) }),
    ...(row.is_settled === 1 && { isSettled: true }),
    ...(row.is_deleted === 1 && { isDeleted: true }),
  };
}

function readSend(row: Record<string, unknown>): Send {
  const stored: StoredOutcome | undefined = typeof row.outcome === 'string' ? JSON.parse(row.outcome) : undefined;
  return {
    key: String(row.key),
    action: String(row.action),
    arguments: JSON.parse(String(row.arguments)),
    begunMs: Number(row.begun_ms),
    ...outcomeOf(stored),
  };
}

function outcomeOf(stored: StoredOutcome | undefined): Pick<Send, 'outcome' | 'doubtedRefusal'> {
  if (stored?.doubt === undefined || !('failure' in stored)) return { outcome: stored };
  const { failure, doubt } = stored;
  return doubt === 'open' ? { outcome: undefined, doubtedRefusal: failure } : { outcome: { failure } };
}
